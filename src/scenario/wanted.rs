//! Whether what a script expects is so: held against what is known of the call.

use super::document::Want;
use super::performer::Performer;
use super::stage::Stage;

impl<S: Stage> Performer<'_, S> {
    /// Whether something is so now.
    pub(super) fn check(&mut self, want: &Want) -> Result<(), (String, String)> {
        let state = &self.state;
        let (what, is): (&str, String) = match want {
            Want::Level(level) if *level == state.level => return Ok(()),
            Want::Level(_) => ("the level", state.level.clone()),
            Want::Factors(factors) if same(factors, &state.factors) => return Ok(()),
            Want::Factors(_) => ("the factors", list(&state.factors)),
            Want::Language(tag) if Some(tag) == state.language.as_ref() => return Ok(()),
            Want::Language(_) => {
                ("the language", state.language.clone().unwrap_or_else(|| "not chosen".into()))
            }
            Want::Offered(names) if same(names, &state.offered) => return Ok(()),
            Want::Offered(_) => ("what is offered", list(&state.offered)),
            Want::Block(block) if *block == state.block => return Ok(()),
            Want::Block(_) => ("the block", state.block.clone()),
            Want::Variable { name, value } => {
                let held = state.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value);
                if held == Some(value) {
                    return Ok(());
                }
                return Err((
                    format!("`{name}` is not `{value}`"),
                    held.filter(|held| !held.is_empty())
                        .map_or_else(|| "it is not set".into(), |held| format!("it is `{held}`")),
                ));
            }
            Want::Queue(name) | Want::Transfer(name) => {
                let fact = if matches!(want, Want::Queue(_)) { "queue" } else { "transfer" };
                let held = state.facts.iter().find(|(known, _)| known == fact).map(|(_, value)| value);
                if held == Some(name) {
                    return Ok(());
                }
                let is = held.map_or_else(|| "there is none".into(), |held| format!("it is {held}"));
                return Err((format!("the {fact} is not `{name}`"), is));
            }
            Want::Fact { name, value } => {
                let held = state.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value);
                if held == Some(value) {
                    return Ok(());
                }
                let is =
                    held.map_or_else(|| "nothing was said of it".into(), |held| format!("it is `{held}`"));
                return Err((format!("`{name}` is not `{value}`"), is));
            }
            Want::Audit(name) if state.events.contains(name) => return Ok(()),
            Want::Audit(_) => (
                "the audit event",
                if state.events.is_empty() { "nothing was noted".into() } else { list(&state.events) },
            ),
            Want::NoAudit(name) if !state.events.contains(name) => return Ok(()),
            Want::NoAudit(name) => ("the audit event", format!("{name} was noted")),
            Want::Cause(cause) if Some(cause) == state.cause.as_ref() => return Ok(()),
            Want::Cause(_) => {
                ("the end", state.cause.clone().unwrap_or_else(|| "the call is not over".into()))
            }
            outside => {
                return self.stage.holds(outside).map_err(|is| ("it is not as expected".to_owned(), is));
            }
        };
        Err((format!("{what} is not as expected"), format!("it is: {is}")))
    }
}

fn same(left: &[String], right: &[String]) -> bool {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    sorted(left) == sorted(right)
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
