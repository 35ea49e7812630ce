//! What is told: an event of the audit log, or a call that is over. Pseudonyms and masked numbers only.

use serde_json::{Map, Value, json};

use crate::auth::AuditKind;
use crate::driver::vault::StoredCall;
use crate::units::UnixTime;

/// The event of a call that is over.
pub(super) const CALL_ENDED: &str = "call_ended";

/// An event, ready to be sent.
pub(super) struct Event {
    /// The same each time that it is sent: whoever gets it twice can tell.
    pub(super) id: String,
    /// What happened.
    pub(super) kind: String,
    /// When.
    pub(super) at: UnixTime,
    /// What is sent.
    pub(super) body: String,
}

impl Event {
    fn new(id: String, kind: &str, at: UnixTime, data: &Value) -> Self {
        let when = jiff::Timestamp::from_millisecond(at.0).map(|at| format!("{at:.3}")).unwrap_or_default();
        let body = json!({"type": kind, "timestamp": when, "data": data}).to_string();
        Self { id, kind: kind.to_owned(), at, body }
    }

    /// Of the audit log, with its number. `None` for what is no record: `audit verify` tells of that.
    pub(super) fn of_record(line: &str) -> Option<(u64, Self)> {
        let mut record: Map<String, Value> = serde_json::from_str(line).ok()?;
        record.remove("mac");
        let seq = record.get("seq")?.as_u64()?;
        let at: jiff::Timestamp = record.get("at")?.as_str()?.parse().ok()?;
        let kind = record.remove("event")?.as_str()?.to_owned();
        Some((seq, Self::new(format!("evt_a{seq}"), &kind, UnixTime(at.as_millisecond()), &record.into())))
    }

    /// Of a call: what it came to, without what happened in it.
    pub(super) fn of_call(number: i64, call: &StoredCall) -> Option<Self> {
        let record: Value = serde_json::from_str(&call.record).ok()?;
        let mut data = Map::new();
        for field in TOLD {
            data.insert((*field).to_owned(), record[*field].clone());
        }
        data.insert("caller".to_owned(), call.masked_caller().into());
        Some(Self::new(format!("evt_c{number}"), CALL_ENDED, call.at, &data.into()))
    }

    /// To see whether it arrives.
    pub(super) fn test(now: UnixTime) -> Self {
        Self::new(format!("evt_t{}", now.0), "test", now, &json!({}))
    }
}

/// What is told of a call.
const TOLD: &[&str] = &[
    "call",
    "direction",
    "trunk",
    "application",
    "started",
    "answered",
    "ended",
    "cause",
    "level",
    "factors",
    "agents",
    "queue_wait_ms",
];

/// Whether there is such an event; if not, those that there are.
pub(super) fn check(name: &str) -> Result<(), String> {
    if matches!(name, "*" | CALL_ENDED) {
        return Ok(());
    }
    // The reader of audit records knows their names, and says so.
    let read = serde_json::from_value::<AuditKind>(json!({"event": name}));
    let told = read.err().map(|error| error.to_string()).unwrap_or_default();
    match told.strip_prefix("unknown variant") {
        None => Ok(()),
        Some(rest) => Err(rest.split("expected one of ").nth(1).unwrap_or_default().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_there_is_not_is_answered_with_those_that_there_are() {
        for name in ["*", "call_ended", "verified", "subject_erased", "token_kept"] {
            assert_eq!(check(name), Ok(()));
        }
        let known = check("verifyed").expect_err("a misspelled event");
        assert!(known.contains("`verified`") && known.contains("`subject_erased`"), "{known}");
    }

    #[test]
    fn a_call_is_told_without_its_caller_and_without_what_happened_in_it() {
        let record = r#"{"call":"c1","cause":"flow_done","dialled":"900","events":[{"event":"said"}]}"#;
        let caller = Some(crate::secret::Secret::new("+441632960101".to_owned()));
        let call = StoredCall { at: UnixTime(0), record: record.to_owned(), caller };
        let event = Event::of_call(3, &call).expect("an event");
        assert!(event.body.contains("flow_done") && event.body.contains("101\""), "{}", event.body);
        assert!(!event.body.contains("960101") && !event.body.contains("said"), "{}", event.body);
        assert!(event.body.contains("1970-01-01T00:00:00.000Z"), "{}", event.body);
    }
}
