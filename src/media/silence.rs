//! Watches for a peer that has gone quiet: after three seconds it says so and why, after the silence timeout that the peer is
//! gone.
//!
//! A peer that announces its pauses by comfort noise (RFC 3389) need not send anything while it rests. Then its reports by RTCP
//! are signs of life too; of a peer that sends none much longer silence is believed.

use std::time::{Duration, Instant};

use super::io::{Event, NoAudio};
use super::stats::MediaStats;

/// The watch over one peer.
pub(super) struct Silence {
    timeout: Duration,
    /// When something came last, or was expected first; `None` while nothing is expected.
    last: Option<Instant>,
    /// The figures when something came last.
    before: Seen,
    /// Three seconds were told.
    noted: bool,
    /// The peer announced that it rests, and has not spoken since.
    rests: bool,
    /// It sends reports.
    reports: bool,
    /// The timeout was told.
    reported: bool,
    has_heard: bool,
}

/// What was dropped so far, by its kind.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    foreign: u64,
    unknown: u64,
    malformed: u64,
    forged: u64,
}

impl Seen {
    pub(super) const fn of(stats: &MediaStats) -> Self {
        let MediaStats { foreign, unknown_payload, malformed, forged, .. } = *stats;
        Self { foreign, unknown: unknown_payload, malformed, forged }
    }
}

impl Silence {
    pub(super) fn new(timeout: Duration) -> Self {
        let before = Seen::default();
        Self {
            timeout,
            last: None,
            before,
            noted: false,
            rests: false,
            reports: false,
            reported: false,
            has_heard: false,
        }
    }

    /// From now on something is expected, or nothing.
    pub(super) fn expect(&mut self, now: Instant, expected: bool) {
        self.last = expected.then_some(now);
        self.noted = false;
        self.reported = false;
    }

    /// Something came; [`Event::AudioAgain`] when that was told to be missing.
    pub(super) fn heard(&mut self, now: Instant, seen: Seen) -> Option<Event> {
        self.last = Some(now);
        self.has_heard = true;
        self.reported = false;
        self.before = seen;
        std::mem::take(&mut self.noted).then_some(Event::AudioAgain)
    }

    /// The peer speaks, or says that it will not for a while.
    pub(super) const fn rests(&mut self, rests: bool) {
        self.rests = rests;
    }

    /// A report of the peer came.
    pub(super) fn report_came(&mut self, now: Instant) {
        self.reports = true;
        if self.rests && !self.reported {
            self.last = self.last.map(|last| last.max(now));
        }
    }

    /// When to look again.
    pub(super) fn due(&self) -> Option<Instant> {
        let after = match (self.noted, self.reported) {
            (_, false) if self.rests && self.reports => self.timeout,
            (_, false) if self.rests => self.timeout.saturating_mul(REST),
            (false, _) => NO_AUDIO.min(self.timeout),
            (true, false) => self.timeout,
            (true, true) => return None,
        };
        Some(self.last? + after)
    }

    /// What the time has brought, each once.
    pub(super) fn report(&mut self, now: Instant, seen: Seen) -> Option<Event> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        if !std::mem::replace(&mut self.noted, true) {
            return Some(Event::NoAudio(self.why(seen)));
        }
        (!std::mem::replace(&mut self.reported, true)).then_some(Event::Silent)
    }

    fn why(&self, seen: Seen) -> NoAudio {
        let before = self.before;
        if seen.forged > before.forged {
            NoAudio::WrongKeys
        } else if seen.unknown > before.unknown {
            NoAudio::OtherKind
        } else if seen.foreign > before.foreign {
            NoAudio::Elsewhere
        } else if seen.malformed > before.malformed {
            NoAudio::Garbage
        } else if self.has_heard {
            NoAudio::Stopped
        } else {
            NoAudio::Never
        }
    }
}

/// A talker pauses for a second or two; three are more than a pause.
const NO_AUDIO: Duration = Duration::from_secs(3);
/// How many times the timeout a peer may rest that sends neither reports nor anything else.
const REST: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    fn clock() -> impl Fn(u64) -> Instant {
        let start = test_start();
        move |seconds| start + Duration::from_secs(seconds)
    }

    #[test]
    fn three_seconds_are_told_with_their_reason_and_a_minute_is_the_end() {
        let at = clock();
        let mut silence = Silence::new(Duration::from_secs(60));
        assert_eq!(silence.due(), None, "nothing is expected yet");
        silence.expect(at(0), true);
        assert_eq!(silence.report(at(2), Seen::default()), None);
        assert_eq!(silence.report(at(3), Seen::default()), Some(Event::NoAudio(NoAudio::Never)));
        assert_eq!(silence.report(at(3), Seen::default()), None);
        assert_eq!(silence.heard(at(4), Seen::default()), Some(Event::AudioAgain));
        assert_eq!(silence.heard(at(5), Seen::default()), None);
        assert_eq!(silence.report(at(8), Seen::default()), Some(Event::NoAudio(NoAudio::Stopped)));
        assert_eq!(silence.due(), Some(at(65)));
        assert_eq!(silence.report(at(65), Seen::default()), Some(Event::Silent));
        assert_eq!((silence.report(at(70), Seen::default()), silence.due()), (None, None));
    }

    #[test]
    fn the_reason_is_what_came_meanwhile() {
        let (at, none) = (clock(), Seen::default());
        for (seen, why) in [
            (Seen { foreign: 1, ..none }, NoAudio::Elsewhere),
            (Seen { unknown: 1, foreign: 9, ..none }, NoAudio::OtherKind),
            (Seen { forged: 1, ..none }, NoAudio::WrongKeys),
            (Seen { malformed: 1, ..none }, NoAudio::Garbage),
        ] {
            let mut silence = Silence::new(Duration::from_secs(60));
            silence.expect(at(0), true);
            assert_eq!(silence.report(at(3), seen), Some(Event::NoAudio(why)));
            // What was dropped before says nothing of the next silence.
            assert_eq!(silence.heard(at(4), seen), Some(Event::AudioAgain));
            assert_eq!(silence.report(at(7), seen), Some(Event::NoAudio(NoAudio::Stopped)));
        }
    }

    #[test]
    fn a_peer_that_rests_is_silent_for_long_and_its_reports_say_that_it_lives() {
        let (at, none) = (clock(), Seen::default());
        let resting = || {
            let mut silence = Silence::new(Duration::from_secs(60));
            silence.expect(at(0), true);
            silence.heard(at(1), none);
            silence.rests(true);
            silence
        };
        let mut mute = resting();
        assert_eq!((mute.due(), mute.report(at(600), none)), (Some(at(601)), None));
        assert_eq!(mute.report(at(601), none), Some(Event::NoAudio(NoAudio::Stopped)));
        assert_eq!(mute.report(at(601), none), Some(Event::Silent));
        assert_eq!((mute.report(at(9000), none), mute.due()), (None, None));
        let mut reporting = resting();
        for second in (2..2000).step_by(5) {
            reporting.report_came(at(second));
            assert_eq!(reporting.report(at(second + 4), none), None);
        }
        assert_eq!(reporting.due(), Some(at(1997 + 60)));
        // It speaks again, and stops without a word.
        let mut speaking = resting();
        speaking.report_came(at(10));
        assert_eq!(speaking.heard(at(20), none), None);
        speaking.rests(false);
        assert_eq!(speaking.report(at(23), none), Some(Event::NoAudio(NoAudio::Stopped)));
        speaking.report_came(at(40));
        assert_eq!(speaking.report(at(80), none), Some(Event::Silent));
    }

    #[test]
    fn a_timeout_shorter_than_three_seconds_is_kept() {
        let at = clock();
        let mut silence = Silence::new(Duration::from_secs(1));
        silence.expect(at(0), true);
        assert!(matches!(silence.report(at(1), Seen::default()), Some(Event::NoAudio(_))));
        assert_eq!(silence.report(at(1), Seen::default()), Some(Event::Silent));
    }
}
