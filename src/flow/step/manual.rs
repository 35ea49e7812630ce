//! The manual page of the steps, made from their [`Spec`]s: `docs/steps.md`.

use std::fmt::Write as _;

use super::{COMMON_FIELDS, FieldSpec, INPUT_FIELDS, STEPS, Shape, Spec};

/// The page, as Markdown.
#[must_use]
pub fn manual() -> String {
    let mut page = String::from(INTRODUCTION);
    for spec in STEPS {
        let _ = write!(page, "[{0}](#{0}) · ", spec.verb);
    }
    page.truncate(page.trim_end_matches(" · ").len());
    page.push_str("\n\n## Fields of every step\n\n");
    table(&mut page, &COMMON_FIELDS);
    page.push_str("\n## Fields of input steps\n\nSteps marked *(input)* collect keys. `defaults.input` of the flow sets \
                   the first five for all of them; see [Keys and timers](flows.md#keys-and-timers).\n\n");
    table(&mut page, &INPUT_FIELDS);
    for spec in STEPS {
        section(&mut page, spec);
    }
    page
}

const INTRODUCTION: &str = "# Steps\n\nEvery step of a flow, with its fields and outcomes. A step begins with its verb; \
its fields stand below it. All outcomes of a step are named below `outcome:`, each with `continue` or one step; those \
marked *(may be left out)* go on with the next step. How flows are written: [flows.md](flows.md).\n\n";

fn section(page: &mut String, spec: &Spec) {
    let input = if spec.input { "*(input)* " } else { "" };
    let _ = write!(page, "\n## {}\n\n{input}{}\n\n", spec.verb, spec.summary);
    if !matches!(spec.argument, Shape::Nothing) {
        let _ = write!(page, "Behind the verb: {}.\n\n", spec.argument.words());
    }
    if !spec.fields.is_empty() {
        table(page, spec.fields);
        page.push('\n');
    }
    if !spec.outcomes.is_empty() {
        let names: Vec<String> = spec.outcomes.iter().map(|outcome| format!("`{outcome}`")).collect();
        let _ = write!(page, "Outcomes: {}.\n\n", names.join(", "));
    }
    let _ = write!(page, "```yaml\n{}```\n", spec.example);
}

fn table(page: &mut String, fields: &[FieldSpec]) {
    page.push_str("| field | | |\n|---|---|---|\n");
    for field in fields {
        let required = if field.required { ", required" } else { "" };
        let _ = writeln!(page, "| `{}` | {}{required} | {} |", field.name, field.shape.words(), field.doc);
    }
}

impl Shape {
    /// What it is, in a few words.
    #[must_use]
    pub fn words(&self) -> String {
        let listed =
            |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Any => "anything".to_owned(),
            Self::Steps => "a list of steps".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Prompt => "a prompt".to_owned(),
            Self::Prompts => "a prompt or a list of prompts".to_owned(),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Duration => "a duration".to_owned(),
            Self::Count { min, max } => format!("{min} to {max}"),
            Self::Choice(words) => listed(words),
            Self::Expression => "an expression".to_owned(),
            Self::Variable => "a variable".to_owned(),
            Self::Level => "a level".to_owned(),
            Self::Block => "a block".to_owned(),
            Self::Factors => "a list of factors".to_owned(),
            Self::Key => "a key".to_owned(),
            Self::KeyMap(what) => format!("keys, each with {what}"),
            Self::Map(keys, _) => format!("{keys}, each with a value"),
            Self::Values => "names, each with an expression".to_owned(),
            Self::Pass => "a list of values".to_owned(),
            Self::Arm => "`continue` or a step".to_owned(),
            Self::Cases => "a list of cases".to_owned(),
            Self::Options => "a list of options".to_owned(),
            Self::Prompting => "prompts".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Object(fields) => {
                format!("a mapping of {}", listed(&fields.iter().map(|field| field.name).collect::<Vec<_>>()))
            }
            Self::OneOf(shapes) => shapes.iter().map(Self::words).collect::<Vec<_>>().join(" or "),
        }
    }
}
