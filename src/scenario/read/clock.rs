//! `clock: 2026-03-02T10:00:00 Europe/London`: what the calendar shows when a test begins.

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::flow::document::fields::{self, Node};
use crate::flow::document::findings::Findings;
use crate::units::UnixTime;

pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<UnixTime> {
    let text = fields::text(node, "the clock", findings)?;
    let found = parse(&text);
    if found.is_none() {
        let help = "write a day, a time and a zone: `2026-03-02T10:00:00 Europe/London`, or `… UTC`";
        fields::wrong(node, format!("`{text}` is no moment"), help, findings);
    }
    found
}

fn parse(text: &str) -> Option<UnixTime> {
    let (moment, zone) = text.split_once(' ').unwrap_or((text, "UTC"));
    let moment: DateTime = moment.trim_end_matches('Z').parse().ok()?;
    let zone = match zone.trim() {
        "UTC" => TimeZone::UTC,
        name => TimeZoneDatabase::bundled().get(name).ok()?,
    };
    Some(UnixTime(moment.to_zoned(zone).ok()?.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_a_time_and_a_zone() {
        assert_eq!(parse("2026-03-02T10:00:00 Europe/London"), Some(UnixTime(1_772_445_600_000)));
        assert_eq!(parse("2026-03-02T11:00:00 Europe/Madrid"), Some(UnixTime(1_772_445_600_000)));
        assert_eq!(parse("2026-03-02T10:00:00Z"), Some(UnixTime(1_772_445_600_000)));
        assert_eq!(parse("2026-03-02"), Some(UnixTime(1_772_409_600_000)));
        assert_eq!(parse("tomorrow"), None);
        assert_eq!(parse("2026-03-02T10:00:00 Mars/Olympus"), None);
    }
}
