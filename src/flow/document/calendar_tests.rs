use super::super::calendar::{Calendar, Hours};
use super::super::findings::Findings;
use super::super::yaml;
use super::read;
use crate::diagnostic::render;
use crate::units::UnixTime;

fn findings(text: &str) -> (Option<Calendar>, String) {
    let mut findings = Findings::default();
    let indented = text.trim_end().replace('\n', "\n    ");
    let text = format!("calendars:\n  here:\n    {indented}\n");
    let root = yaml::read("calendars.yaml", &text, &mut findings).expect("YAML");
    let mut calendars = read(&root, &mut findings);
    (calendars.remove("here"), render(&findings.into_sorted()))
}

fn calendar(text: &str) -> Calendar {
    let (calendar, told) = findings(text);
    assert_eq!(told, "");
    calendar.expect("a calendar")
}

/// A moment of the calendar's own zone, with its offset: `2026-03-29T00:30:00+00:00`.
fn at(text: &str) -> UnixTime {
    UnixTime(text.parse::<jiff::Timestamp>().expect("a time with its offset").as_millisecond())
}

#[track_caller]
fn says(calendar: &Calendar, moments: &[(&str, Hours)]) {
    for (moment, expected) in moments {
        assert_eq!(calendar.state(at(moment)), *expected, "{moment}");
    }
}

const LONDON: &str = r#"zone: Europe/London
open:
  mon-fri: "09:00-17:00"
  sat: ["10:00-13:00", "14:00-16:30"]
holidays:
  - "12-25"
  - 2026-04-03
  - {date: "2026-12-24", open: "09:00-12:00"}
  - {from: "12-28", to: "01-02"}
  - {from: "2027-08-02", to: "2027-08-06", note: stocktaking}
  - "02-29"
"#;

#[test]
fn a_week_has_its_hours_to_the_minute() {
    use Hours::{Closed, Open};
    says(
        &calendar(LONDON),
        &[
            ("2026-11-23T08:59:59Z", Closed),
            ("2026-11-23T09:00:00Z", Open),
            ("2026-11-23T16:59:59Z", Open),
            ("2026-11-23T17:00:00Z", Closed),
            ("2026-11-28T12:59:59Z", Open),
            ("2026-11-28T13:30:00Z", Closed),
            ("2026-11-28T16:29:00Z", Open),
            ("2026-11-29T12:00:00Z", Closed),
            // British summer time.
            ("2026-07-01T08:00:00Z", Open),
            ("2026-07-01T16:00:00Z", Closed),
        ],
    );
}

#[test]
fn holidays_are_days_of_the_zone_and_may_have_hours_of_their_own() {
    use Hours::{Closed, Holiday, Open};
    says(
        &calendar(LONDON),
        &[
            ("2026-12-25T10:00:00Z", Holiday),
            ("2030-12-25T10:00:00Z", Holiday),
            ("2026-04-03T10:00:00Z", Holiday),
            ("2027-04-05T10:00:00+01:00", Open),
            ("2026-12-24T11:59:00Z", Open),
            ("2026-12-24T12:00:00Z", Holiday),
            ("2026-12-24T08:00:00Z", Holiday),
            // Over the end of the year.
            ("2026-12-28T10:00:00Z", Holiday),
            ("2026-12-31T23:59:59Z", Holiday),
            ("2027-01-01T00:00:00Z", Holiday),
            ("2027-01-02T23:59:59Z", Holiday),
            ("2027-01-03T00:00:00Z", Closed),
            ("2027-08-02T09:00:00+01:00", Holiday),
            ("2027-08-07T10:00:00+01:00", Open),
            // Leap days are holidays where they exist; 2028-02-29 is a Tuesday.
            ("2028-02-29T10:00:00Z", Holiday),
            ("2028-03-01T10:00:00Z", Open),
            ("2027-03-01T10:00:00Z", Open),
        ],
    );
    let tokyo = calendar("zone: Asia/Tokyo\nopen: {every_day: \"00:00-24:00\"}\nholidays: [\"01-01\"]\n");
    says(
        &tokyo,
        &[
            ("2026-12-31T14:59:59Z", Open),
            ("2026-12-31T15:00:00Z", Holiday),
            ("2027-01-01T14:59:59Z", Holiday),
            ("2027-01-01T15:00:00Z", Open),
        ],
    );
}

#[test]
fn the_more_special_holiday_counts() {
    let text = "zone: UTC\nopen: {every_day: \"08:00-20:00\"}\nholidays:\n  - {from: \"12-20\", to: \"12-31\"}\n  - {date: \
                \"12-27\", open: \"10:00-11:00\"}\n  - {date: \"2026-12-27\", open: \"12:00-13:00\"}\n";
    says(
        &calendar(text),
        &[
            ("2026-12-27T12:30:00Z", Hours::Open),
            ("2026-12-27T10:30:00Z", Hours::Holiday),
            ("2027-12-27T10:30:00Z", Hours::Open),
            ("2027-12-28T10:30:00Z", Hours::Holiday),
        ],
    );
}

#[test]
fn hours_over_midnight_belong_to_the_day_they_begin_on() {
    use Hours::{Closed, Holiday, Open};
    let bar = "zone: Europe/Madrid\nopen:\n  fri-sat: \"20:00-03:00\"\n  sun: \"12:00-16:00\"\nholidays: [\"2026-11-28\"]\n";
    says(
        &calendar(bar),
        &[
            ("2026-11-20T20:00:00+01:00", Open),
            ("2026-11-21T02:59:59+01:00", Open),
            ("2026-11-21T03:00:00+01:00", Closed),
            ("2026-11-22T02:00:00+01:00", Open),
            ("2026-11-22T04:00:00+01:00", Closed),
            // The night of Friday reaches into the holiday; the holiday's own night is off.
            ("2026-11-28T02:00:00+01:00", Open),
            ("2026-11-28T03:00:00+01:00", Holiday),
            ("2026-11-28T21:00:00+01:00", Holiday),
            ("2026-11-29T02:00:00+01:00", Closed),
            ("2026-11-29T12:00:00+01:00", Open),
        ],
    );
}

#[test]
fn hours_are_those_of_the_clock_on_the_wall_when_clocks_change() {
    use Hours::{Closed, Open};
    let night = calendar("zone: Europe/London\nopen: {every_day: \"01:30-05:00\"}\n");
    says(
        &night,
        &[
            // 2026-03-29: 01:00 GMT becomes 02:00 BST; there is no 01:30.
            ("2026-03-29T00:59:59Z", Closed),
            ("2026-03-29T01:00:00Z", Open),
            ("2026-03-29T03:59:59Z", Open),
            ("2026-03-29T04:00:00Z", Closed),
            // 2026-10-25: 02:00 BST becomes 01:00 GMT; 01:30 comes twice.
            ("2026-10-25T00:29:59Z", Closed),
            ("2026-10-25T00:30:00Z", Open),
            ("2026-10-25T00:59:59Z", Open),
            ("2026-10-25T01:00:00Z", Closed),
            ("2026-10-25T01:30:00Z", Open),
            ("2026-10-25T05:00:00Z", Closed),
        ],
    );
    let next = |moment: &str| night.next_open(at(moment)).expect("it opens");
    assert_eq!(next("2026-03-28T23:00:00Z"), at("2026-03-29T01:00:00Z"));
    assert_eq!(next("2026-10-24T23:00:00Z"), at("2026-10-25T00:30:00Z"));
    assert_eq!(next("2026-10-25T01:10:00Z"), at("2026-10-25T01:30:00Z"));
}

#[test]
fn the_next_opening_is_found_over_nights_weekends_and_holidays() {
    let london = calendar(LONDON);
    let next = |moment: &str| london.next_open(at(moment)).expect("it opens");
    for (from, to) in [
        ("2026-11-23T10:11:12Z", "2026-11-23T10:11:12Z"),
        ("2026-11-23T17:00:00Z", "2026-11-24T09:00:00Z"),
        ("2026-11-28T13:00:00Z", "2026-11-28T14:00:00Z"),
        ("2026-11-28T16:30:00Z", "2026-11-30T09:00:00Z"),
        ("2026-12-24T12:30:00Z", "2026-12-26T10:00:00Z"),
        ("2026-12-26T17:00:00Z", "2027-01-04T09:00:00Z"),
    ] {
        assert_eq!(next(from), at(to), "{from}");
    }
    let never = calendar("zone: UTC\nopen: {}\n");
    assert_eq!(never.next_open(at("2026-11-23T17:00:00Z")), None);
    assert_eq!(never.state(at("2026-11-23T17:00:00Z")), Hours::Closed);
}

/// `next_open` against the obvious: minute after minute.
#[test]
fn the_next_opening_is_the_first_minute_that_is_open() {
    let texts = [
        LONDON,
        "zone: Europe/London\nopen: {every_day: [\"00:10-01:20\", \"01:40-01:50\"]}\n",
        "zone: America/St_Johns\nopen: {sat-mon: \"23:30-01:15\", wed: \"06:00-06:01\"}\nholidays: [\"11-01\"]\n",
        "zone: Australia/Lord_Howe\nopen: {every_day: \"01:45-02:10\"}\n",
    ];
    for text in texts {
        let calendar = calendar(text);
        for start in
            ["2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z", "2026-10-31T12:00:00Z", "2026-04-04T12:00:00Z"]
        {
            let mut moment = at(start);
            let mut open: Option<UnixTime> = None;
            let mut moments = Vec::new();
            for _ in 0..3 * 24 * 60 {
                moments.push(moment);
                moment = UnixTime(moment.0 + 60_000);
            }
            for moment in moments.into_iter().rev() {
                if calendar.state(moment) == Hours::Open {
                    open = Some(moment);
                }
                if let Some(open) = open {
                    assert_eq!(calendar.next_open(moment), Some(open), "{text} from {}", moment.0);
                }
            }
        }
    }
}

#[test]
fn what_is_wrong_with_a_calendar_is_told() {
    for (text, code, says) in [
        ("zone: Europe/Londn\nopen: {mon: \"9:00-17:00\"}\n", "E258", "did you mean `Europe/London`?"),
        ("zone: Mars/Olympus\nopen: {}\n", "E258", "Europe/London or"),
        ("zone: UTC\nopen: {mon-fr: \"09:00-17:00\"}\n", "E259", "no day of the week"),
        ("zone: UTC\nopen: {mon: \"09:00-25:00\"}\n", "E259", "no span of hours"),
        ("zone: UTC\nopen: {mon: \"09:60-17:00\"}\n", "E259", "no span of hours"),
        ("zone: UTC\nopen: {mon: \"9-17\"}\n", "E259", "no span of hours"),
        ("zone: UTC\nopen: {mon: \"09:00-09:00\"}\n", "E259", "ends when it begins"),
        ("zone: UTC\nopen: {mon: [\"09:00-12:00\", \"11:59-14:00\"]}\n", "E259", "overlap"),
        (
            "zone: UTC\nopen: {mon-fri: \"09:00-12:00\", wed: \"13:00-14:00\"}\n",
            "E259",
            "wed are written twice",
        ),
        ("zone: UTC\nopen: {mon: \"22:00-10:00\", tue: \"09:00-12:00\"}\n", "E259", "run into those of tue"),
        ("zone: UTC\nopen: {}\nholidays: [\"02-30\"]\n", "E259", "no day"),
        ("zone: UTC\nopen: {}\nholidays: [\"2027-02-29\"]\n", "E259", "no day"),
        ("zone: UTC\nopen: {}\nholidays: [\"25.12.\"]\n", "E259", "no day"),
        ("zone: UTC\nopen: {}\nholidays: [\"12-25\", \"12-25\"]\n", "E259", "twice"),
        ("zone: UTC\nopen: {}\nholidays: [{from: \"2026-05-02\", to: \"2026-05-01\"}]\n", "E259", "no range"),
        ("zone: UTC\nopen: {}\nholidays: [{from: \"12-24\", to: \"2026-12-26\"}]\n", "E259", "no range"),
        ("zone: UTC\nopen: {}\nholiday: [\"12-25\"]\n", "E110", "did you mean `holidays`?"),
        ("open: {}\n", "E114", "add `zone: …`"),
    ] {
        let told = findings(text).1;
        assert!(told.contains(code) && told.contains(says), "{text}\n{told}");
    }
}
