//! Opening hours: a week of spans in a time zone, and the days that are different.
//!
//! Time is given, never read; zones come from the database inside the program, never from the system. Hours
//! are wall-clock hours: on the night when clocks go back an hour counts twice, on the other night the hour
//! that does not exist is skipped.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use crate::units::UnixTime;

/// The calendars of an application, by name.
pub type Calendars = BTreeMap<String, Calendar>;

/// What a calendar says of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hours {
    /// Somebody is there.
    Open,
    /// Outside the hours of a usual day.
    Closed,
    /// A holiday, outside its own hours if it has any.
    Holiday,
}

impl Hours {
    /// Its name in a flow.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Holiday => "holiday",
        }
    }
}

/// Opening hours of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Its time zone.
    pub(crate) zone: TimeZone,
    /// The spans of each weekday, Monday first; in order, none overlapping.
    pub(crate) week: [Vec<Span>; 7],
    /// Days that are different.
    pub(crate) holidays: Vec<Holiday>,
}

/// Open from one minute to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    /// The first minute of the day, from 0.
    pub(crate) from: u16,
    /// The minute that is closed again; beyond [`DAY`] on the next day.
    pub(crate) to: u16,
}

/// Minutes of a day on a clock.
pub(crate) const DAY: u16 = 24 * 60;

/// A day, or some in a row, with hours of their own or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holiday {
    pub(crate) days: Days,
    pub(crate) open: Vec<Span>,
}

/// Which days; both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Days {
    /// In one year.
    Dated(Date, Date),
    /// Every year: month and day. The end may lie before the begin: then over the end of the year.
    Yearly((i8, i8), (i8, i8)),
}

impl Days {
    fn contains(self, date: Date) -> bool {
        match self {
            Self::Dated(from, to) => from <= date && date <= to,
            Self::Yearly(from, to) => {
                let day = (date.month(), date.day());
                if from <= to { from <= day && day <= to } else { day >= from || day <= to }
            }
        }
    }

    /// The more special one counts: a single day before some in a row, a dated day before one of every year.
    fn rank(self) -> u8 {
        match self {
            Self::Dated(from, to) if from == to => 0,
            Self::Dated(..) => 1,
            Self::Yearly(from, to) if from == to => 2,
            Self::Yearly(..) => 3,
        }
    }
}

impl Calendar {
    /// Whether it is open at `at`.
    #[must_use]
    pub fn state(&self, at: UnixTime) -> Hours {
        Timestamp::from_millisecond(at.0).map_or(Hours::Closed, |stamp| self.at(stamp))
    }

    /// The first moment from `at` on when it is open; `None` when that is more than `FAR` days away.
    #[must_use]
    pub fn next_open(&self, at: UnixTime) -> Option<UnixTime> {
        let now = Timestamp::from_millisecond(at.0).ok()?;
        if self.at(now) == Hours::Open {
            return Some(at);
        }
        let today = self.zone.to_datetime(now).date();
        let mut changes = self.zone.following(now).map(|change| change.timestamp()).peekable();
        for ahead in 0..FAR {
            let date = today.checked_add(ahead.days()).ok()?;
            let mut moments: Vec<Timestamp> =
                self.day(date).0.iter().flat_map(|span| self.moments(date, span.from)).collect();
            // Clocks that go back may lead into hours that were over, those that go forward into the middle.
            while let Some(change) = changes.next_if(|change| self.zone.to_datetime(*change).date() <= date) {
                moments.push(change);
            }
            moments.sort_unstable();
            let first = moments.into_iter().find(|moment| *moment > now && self.at(*moment) == Hours::Open);
            if let Some(first) = first {
                return Some(UnixTime(first.as_millisecond()));
            }
        }
        None
    }

    fn at(&self, stamp: Timestamp) -> Hours {
        let local = self.zone.to_datetime(stamp);
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
        let (spans, holiday) = self.day(local.date());
        let open = spans.iter().any(|span| span.from <= minute && minute < span.to);
        // A span belongs to the day on which it begins, whatever the next day is.
        let late = || {
            let yesterday = local.date().yesterday().ok();
            let spans = yesterday.map(|date| self.day(date).0).unwrap_or_default();
            spans.iter().any(|span| span.to > DAY && minute < span.to - DAY)
        };
        match holiday {
            _ if open || late() => Hours::Open,
            true => Hours::Holiday,
            false => Hours::Closed,
        }
    }

    /// The spans that begin on a day, and whether it is a holiday.
    fn day(&self, date: Date) -> (&[Span], bool) {
        let holiday = self.holidays.iter().filter(|holiday| holiday.days.contains(date));
        match holiday.min_by_key(|holiday| holiday.days.rank()) {
            Some(holiday) => (&holiday.open, true),
            None => (self.week.get(index(date.weekday())).map_or(&[], Vec::as_slice), false),
        }
    }

    /// When the clock of a day shows a minute: once, twice, or never; then the moment that skips it.
    fn moments(&self, date: Date, minute: u16) -> Vec<Timestamp> {
        let (hour, minute) = (i8::try_from(minute / 60), i8::try_from(minute % 60));
        let (Ok(hour), Ok(minute)) = (hour, minute) else { return Vec::new() };
        if hour > 23 {
            return Vec::new();
        }
        let ambiguous = self.zone.to_ambiguous_timestamp(date.at(hour, minute, 0, 0));
        let found = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => [ambiguous.compatible().ok(), None],
            // The change itself is among what `next_open` looks at.
            AmbiguousOffset::Gap { .. } => [None, None],
            AmbiguousOffset::Fold { .. } => [ambiguous.earlier().ok(), ambiguous.later().ok()],
        };
        found.into_iter().flatten().collect()
    }
}

/// Monday is 0.
fn index(weekday: Weekday) -> usize {
    usize::try_from(weekday.to_monday_zero_offset()).unwrap_or(0)
}

/// How many days ahead [`Calendar::next_open`] looks: a place closed for longer has no hours.
const FAR: i32 = 400;
