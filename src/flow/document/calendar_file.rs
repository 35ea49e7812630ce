//! `calendars.yaml`: opening hours, each calendar with its zone, its week and its holidays.

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::calendar::{Calendar, Calendars, DAY, Days, Holiday, Span};
use super::fields::{self, Fields, Node};
use super::findings::Findings;
use super::yaml::Data;
use crate::diagnostic::{Diagnostic, Place};

/// Reads all calendars.
pub(crate) fn read(root: &Node, findings: &mut Findings) -> Calendars {
    let mut calendars = Calendars::new();
    let Some(file) = Fields::of(root, "the calendars", findings) else { return calendars };
    file.only(&["calendars"], "the calendars", findings);
    let listed = file
        .need("calendars", "the calendars", findings)
        .and_then(|node| Fields::of(node, "`calendars`", findings));
    for (key, value) in listed.map(|fields| fields.pairs).unwrap_or_default() {
        let name = fields::name(key, "a calendar", findings);
        let calendar = calendar(value, &key.place, findings);
        calendars.extend(name.zip(calendar));
    }
    calendars
}

fn calendar(node: &Node, place: &Place, findings: &mut Findings) -> Option<Calendar> {
    let about = Fields::of(node, "a calendar", findings)?;
    let about = Fields { place: place.clone(), pairs: about.pairs };
    about.only(&["zone", "open", "holidays", "note"], "a calendar", findings);
    let zone = about.need("zone", "a calendar", findings).and_then(|node| zone(node, findings));
    let week = about.need("open", "a calendar", findings).and_then(|node| week(node, findings));
    let mut holidays: Vec<Holiday> = Vec::new();
    for node in about.get("holidays").map(fields::items).unwrap_or_default() {
        let Some(holiday) = holiday(node, findings) else { continue };
        if holidays.iter().any(|other| other.days == holiday.days) {
            wrong(&node.place, "this holiday is listed twice", "keep one of the two", findings);
        }
        holidays.push(holiday);
    }
    Some(Calendar { zone: zone?, week: week?, holidays })
}

fn zone(node: &Node, findings: &mut Findings) -> Option<TimeZone> {
    let name = fields::text(node, "a time zone", findings)?;
    let database = TimeZoneDatabase::bundled();
    if let Ok(zone) = database.get(&name) {
        return Some(zone);
    }
    let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
    let near = super::findings::nearest(&name, names.iter().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write the name of the IANA database, such as Europe/London or America/New_York".to_owned(),
    };
    let message = format!("there is no time zone `{name}`");
    findings.push(Diagnostic::error("E258", Some(node.place.clone()), message).help(help));
    None
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn week(node: &Node, findings: &mut Findings) -> Option<[Vec<Span>; 7]> {
    let mut week: [Option<Vec<Span>>; 7] = Default::default();
    for (key, value) in Fields::of(node, "`open`", findings)?.pairs {
        let Some(days) = weekdays(key, findings) else { continue };
        let Some(spans) = spans(value, findings) else { continue };
        for day in days {
            let Some(slot) = week.get_mut(day) else { continue };
            if slot.is_some() {
                let name = DAYS.get(day).copied().unwrap_or_default();
                let help = "write all hours of a day in one place: `sat: [\"10:00-12:00\", \"14:00-16:00\"]`";
                wrong(&key.place, format!("the hours of {name} are written twice"), help, findings);
                continue;
            }
            *slot = Some(spans.clone());
        }
    }
    let week = week.map(Option::unwrap_or_default);
    for (day, spans) in week.iter().enumerate() {
        let late = spans.last().filter(|span| span.to > DAY).map(|span| span.to - DAY);
        let next = week.get((day + 1) % 7).and_then(|spans| spans.first()).map(|span| span.from);
        if let (Some(late), Some(early)) = (late, next)
            && late > early
        {
            let (one, other) = (DAYS.get(day), DAYS.get((day + 1) % 7));
            let message = format!(
                "the hours of {} run into those of {}",
                one.copied().unwrap_or_default(),
                other.copied().unwrap_or_default()
            );
            wrong(&node.place, message, "end the one before the other begins", findings);
        }
    }
    Some(week)
}

/// `mon`, `mon-fri`, `sat-mon`, `mon,wed,fri`, `every_day`.
fn weekdays(node: &Node, findings: &mut Findings) -> Option<Vec<usize>> {
    let written = node.text().to_ascii_lowercase();
    if written == "every_day" {
        return Some((0..7).collect());
    }
    let day = |name: &str| DAYS.iter().position(|day| *day == name.trim());
    let mut days = Vec::new();
    for part in written.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (Some(from), Some(to)) = (day(from), day(to)) else {
            let short =
                DAYS.into_iter().find(|day| written.starts_with(day) && !written.contains(['-', ',']));
            let help = match short {
                Some(short) => format!("write `{short}`"),
                None => "write `mon`, `tue`, … `sun`, `mon-fri`, `mon,wed` or `every_day`".to_owned(),
            };
            wrong(&node.place, format!("`{}` is no day of the week", node.text()), help, findings);
            return None;
        };
        let length = (to + 7 - from) % 7;
        days.extend((0..=length).map(|step| (from + step) % 7));
    }
    Some(days)
}

/// One span or a list of them; `[]` and `closed` are none. In order and apart, or a finding.
fn spans(node: &Node, findings: &mut Findings) -> Option<Vec<Span>> {
    if node.text() == "closed" {
        return Some(Vec::new());
    }
    if matches!(node.data, Data::Mapping(_)) || node.is_empty() {
        let help = "write \"09:00-17:00\", a list of such spans, or `closed`";
        wrong(&node.place, "hours are written from-to", help, findings);
        return None;
    }
    let read: Option<Vec<Span>> = fields::items(node).into_iter().map(|item| span(item, findings)).collect();
    let mut spans = read?;
    spans.sort_unstable();
    let overlap = spans.windows(2).any(|pair| matches!(pair, [one, other] if one.to > other.from));
    if overlap {
        wrong(&node.place, "these hours overlap", "end one span before the next one begins", findings);
        return None;
    }
    Some(spans)
}

/// `09:00-17:00`, `22:00-02:00` (over midnight), `00:00-24:00` (all day).
fn span(node: &Node, findings: &mut Findings) -> Option<Span> {
    let text = fields::text(node, "a span of hours", findings)?;
    let ends = text.split_once('-').and_then(|(from, to)| Some((minute(from.trim())?, minute(to.trim())?)));
    let (message, help) = match ends {
        Some((from, to)) if from < DAY && from < to => return Some(Span { from, to }),
        Some((from, to)) if from < DAY && from > to => return Some(Span { from, to: to + DAY }),
        Some((from, to)) if from == to => {
            (format!("`{text}` ends when it begins"), "write \"00:00-24:00\" for the whole day")
        }
        _ => (
            format!("`{text}` is no span of hours"),
            "write \"09:00-17:00\", hours from 00:00 to 24:00; over midnight \"22:00-02:00\"",
        ),
    };
    wrong(&node.place, message, help, findings);
    None
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two(minutes) || !(two(hours) || two(&format!("0{hours}"))) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY).then_some(minute)
}

/// `"12-25"`, `"2026-04-03"`, `{date: …, open: …}`, `{from: …, to: …, open: …}`.
fn holiday(node: &Node, findings: &mut Findings) -> Option<Holiday> {
    if node.mapping().is_none() {
        let day = day(node, findings)?;
        return Some(Holiday { days: between(day, day)?, open: Vec::new() });
    }
    let about = Fields::of(node, "a holiday", findings)?;
    about.only(&["date", "from", "to", "open", "note"], "a holiday", findings);
    let open = match about.get("open") {
        Some(node) => spans(node, findings)?,
        None => Vec::new(),
    };
    if let Some(date) = about.get("date") {
        if let Some(extra) = about.get("from").or(about.get("to")) {
            wrong(&extra.place, "a holiday has a `date`, or `from` and `to`", "leave one out", findings);
        }
        let day = day(date, findings)?;
        return Some(Holiday { days: between(day, day)?, open });
    }
    let from = about.need("from", "a holiday without `date`", findings)?;
    let to = about.need("to", "a holiday without `date`", findings)?;
    let (first, last) = (day(from, findings)?, day(to, findings)?);
    match between(first, last) {
        Some(days) => Some(Holiday { days, open }),
        None => {
            let help =
                "write both with the year (the first one earlier), or both without: \"12-24\" to \"01-02\"";
            wrong(&to.place, "these two days are no range", help, findings);
            None
        }
    }
}

#[derive(Clone, Copy)]
enum Day {
    Dated(Date),
    Yearly(i8, i8),
}

fn between(first: Day, last: Day) -> Option<Days> {
    match (first, last) {
        (Day::Dated(first), Day::Dated(last)) if first <= last => Some(Days::Dated(first, last)),
        (Day::Yearly(m, d), Day::Yearly(month, day)) => Some(Days::Yearly((m, d), (month, day))),
        _ => None,
    }
}

fn day(node: &Node, findings: &mut Findings) -> Option<Day> {
    let text = fields::text(node, "a day", findings)?;
    if let Ok(date) = text.parse::<Date>()
        && text.len() == "2026-12-25".len()
    {
        return Some(Day::Dated(date));
    }
    // A leap year, so that the 29th of February is a day.
    let yearly = (text.len() == "12-25".len()).then(|| format!("2024-{text}").parse::<Date>().ok()).flatten();
    if let Some(date) = yearly {
        return Some(Day::Yearly(date.month(), date.day()));
    }
    let help = "write \"12-25\" (month-day, every year) or \"2026-04-03\" (year-month-day)";
    wrong(&node.place, format!("`{text}` is no day"), help, findings);
    None
}

fn wrong(place: &Place, message: impl Into<String>, help: impl Into<String>, findings: &mut Findings) {
    findings.push(Diagnostic::error("E259", Some(place.clone()), message).help(help));
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
