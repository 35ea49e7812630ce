//! `hours`: is anybody there now?

use std::time::Instant;

use crate::diagnostic::Diagnostic;
use crate::flow::document::Arm;
use crate::flow::document::Hours as State;
use crate::flow::document::fields;
use crate::flow::run::FlowRun;
use crate::flow::run::exit::Exit;
use super::{Arms, Node, Reader, Shape, Spec, StepKind, next, suggestion};

pub(super) const SPEC: Spec = Spec {
    verb: "hours",
    summary: "Asks a calendar of `calendars.yaml` what the hour is: `open`, `closed`, or `holiday` (outside a holiday's own hours, if it has any).",
    argument: Shape::Text,
    fields: &[],
    outcomes: &["open", "closed", "holiday"],
    needs_caller: false,
    input: false,
    example: r#"- hours: branch_hours
  outcome:
    open: continue
    closed: {goto: closed}
    holiday: {say: holiday_note}
"#,
    read,
};

/// `hours`
#[derive(Debug)]
pub struct Hours {
    /// The calendar's name.
    pub calendar: String,
    /// Somebody is there.
    pub open: Arm,
    /// Outside the hours of a usual day.
    pub closed: Arm,
    /// A holiday.
    pub holiday: Arm,
}

impl Node for Hours {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn arms(&self) -> Arms<'_> {
        vec![("open".into(), &self.open), ("closed".into(), &self.closed), ("holiday".into(), &self.holiday)]
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        match run.hours(now, &self.calendar) {
            Some(state) => run.take(now, Exit::Outcome(state.name())),
            None => run.fail(now, "no such calendar"),
        }
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    let calendar = fields::name(step.argument, "a calendar", step.build.findings)?;
    let known = &step.build.shared.calendars;
    if !known.contains_key(&calendar) {
        let help = match known.is_empty() {
            true => "the application has none: write `calendars.yaml`, see the manual on opening hours".to_owned(),
            false => suggestion(&calendar, known.keys().map(String::as_str), "calendars"),
        };
        let place = step.argument.place.clone();
        let diagnostic = Diagnostic::error("E125", Some(place), format!("there is no calendar `{calendar}`")).help(help);
        step.build.findings.push(diagnostic);
        return None;
    }
    let mut arms = step.arms(&["open", "closed", "holiday"], &[])?.into_iter();
    Some(StepKind::Hours(Hours { calendar, open: next(&mut arms), closed: next(&mut arms), holiday: next(&mut arms) }))
}

impl FlowRun {
    /// What a calendar says now.
    fn hours(&self, now: Instant, calendar: &str) -> Option<State> {
        Some(self.app().calendars.get(calendar)?.state(self.epoch().unix_at(now)))
    }
}
