//! Our registration with a carrier (RFC 3261 §10.2): made, made again before it runs out, and after a failure tried again
//! ever less often (RFC 5626 §4.5), at times that no two engines share.

use std::time::{Duration, Instant};

use crate::sip::{Contacts, Headers, Name, NameAddr, StatusCode};
use crate::units::Entropy;

/// How a registration is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrationConfig {
    /// How long it is asked for.
    pub expires: Duration,
    /// The pause after a first failure; each further one in a row doubles it.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for RegistrationConfig {
    fn default() -> Self {
        Self {
            expires: Duration::from_secs(600),
            // RFC 5626 §4.5: 30 s and 1,800 s by default. Ours is no crowd of phones, and nobody can call meanwhile.
            first_pause: Duration::from_secs(30),
            longest_pause: Duration::from_secs(600),
        }
    }
}

/// What a registrar answered, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// How long it holds, when that is said.
    pub expires: Option<Duration>,
    /// The shortest that is taken (423).
    pub least: Option<Duration>,
    /// Not before (RFC 3261 §20.33).
    pub after: Option<Duration>,
}

impl Answer {
    /// Of a response; `user` is the user of our Contact.
    #[must_use]
    pub fn of(status: StatusCode, headers: &Headers, user: &str) -> Self {
        let ours = match headers.contacts() {
            Ok(Contacts::List(all)) => {
                all.into_iter().find(|contact| contact.uri.user().as_deref() == Some(user))
            }
            _ => None,
        };
        let own = ours.as_ref().and_then(expires_of);
        let all = || headers.expires().ok().flatten().map(u64::from);
        let number = |name| leading_number(&headers.text(name)?);
        let seconds = |count: u64| Duration::from_secs(count.min(LONGEST_SECONDS));
        Self {
            status,
            expires: own.or_else(all).map(seconds),
            least: number(Name::MinExpires).map(seconds),
            after: number(Name::RetryAfter).map(seconds),
        }
    }
}

fn expires_of(contact: &NameAddr) -> Option<u64> {
    contact.params.get("expires").and_then(leading_number)
}

/// `120 (maintenance);duration=60` says 120.
fn leading_number(text: &str) -> Option<u64> {
    let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A day: whatever a carrier says, it is asked again then.
const LONGEST_SECONDS: u64 = 24 * 3600;
/// A registration that holds shorter is not worth its traffic.
const SHORTEST: Duration = Duration::from_secs(20);

/// Where a registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// Not yet.
    Never,
    /// It holds until then.
    Until(Instant),
    /// It ran out.
    Lost,
}

/// One registration.
#[derive(Clone, Debug)]
pub struct Registration {
    config: RegistrationConfig,
    /// How long is asked for: more than the settings say where the carrier wants it.
    expires: Duration,
    state: Registered,
    /// In a row.
    failures: u32,
    /// The carrier's last word, when it was a refusal; 408 for none.
    refused: Option<StatusCode>,
    /// When it is asked for; `None` while an answer is awaited.
    due: Option<Instant>,
}

impl Registration {
    /// To be asked for at `first`.
    #[must_use]
    pub const fn new(config: RegistrationConfig, first: Instant) -> Self {
        Self {
            expires: config.expires,
            config,
            state: Registered::Never,
            failures: 0,
            refused: None,
            due: Some(first),
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> Registered {
        self.state
    }

    /// The last refusal, while it has not been made again since.
    #[must_use]
    pub const fn refused(&self) -> Option<StatusCode> {
        self.refused
    }

    /// How long is asked for.
    #[must_use]
    pub const fn expires(&self) -> Duration {
        self.expires
    }

    /// When something is to be done.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let end = match self.state {
            Registered::Until(end) => Some(end),
            Registered::Never | Registered::Lost => None,
        };
        self.due.into_iter().chain(end).min()
    }

    /// Whether it is to be asked for now; it counts as asked for then.
    pub fn ask(&mut self, now: Instant) -> bool {
        let due = self.due.is_some_and(|at| at <= now);
        if due {
            self.due = None;
        }
        due
    }

    /// Whether it has just run out.
    pub fn runs_out(&mut self, now: Instant) -> bool {
        let over = matches!(self.state, Registered::Until(end) if end <= now);
        if over {
            self.state = Registered::Lost;
        }
        over
    }

    /// What the carrier said. Gives back the pause before it is asked again, after a failure.
    pub fn answered(&mut self, now: Instant, answer: &Answer, entropy: &mut Entropy) -> Option<Duration> {
        if self.due.is_some() {
            return None;
        }
        if answer.status.is_success() {
            let held = answer.expires.unwrap_or(self.expires).max(SHORTEST);
            self.failures = 0;
            self.refused = None;
            self.state = Registered::Until(now + held);
            // Early enough for some attempts more before it runs out.
            self.due = Some(now + part(held, 70, 80, entropy));
            return None;
        }
        let longer = answer.least.filter(|least| *least > self.expires);
        if let (StatusCode::INTERVAL_TOO_BRIEF, Some(least)) = (answer.status, longer) {
            // RFC 3261 §10.2.8: again, with what the carrier takes.
            self.expires = least;
            self.due = Some(now);
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        self.refused = Some(answer.status);
        let doubled = 2_u32.saturating_pow(self.failures.saturating_sub(1).min(16));
        let pause = self.config.first_pause.saturating_mul(doubled).min(self.config.longest_pause);
        // A wrong password does not become right by being tried often, and carriers ban whoever tries.
        let wrong = matches!(answer.status.code(), 401 | 403 | 407);
        let pause = if wrong { self.config.longest_pause } else { pause };
        // RFC 5626 §4.5: between half of it and all of it.
        let pause = part(pause, 50, 100, entropy).max(answer.after.unwrap_or_default());
        self.due = Some(now + pause);
        Some(pause)
    }

    /// Another server of the carrier is asked at once. Those that failed before it count as one failure.
    pub fn elsewhere(&mut self, now: Instant, failed: bool) {
        if self.due.is_some() {
            self.due = Some(now);
            self.failures = self.failures.saturating_sub(u32::from(failed));
        }
    }

    /// Whoever was asked is gone: nobody waits for their answer, another server is asked at once.
    pub const fn give_up(&mut self, now: Instant) {
        self.due = Some(now);
    }
}

/// Between so many hundredths and so many.
fn part(of: Duration, from: u32, to: u32, entropy: &mut Entropy) -> Duration {
    let extra = u32::try_from(entropy.below(u64::from(to - from) + 1)).unwrap_or(0);
    of * (from + extra) / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    const SECOND: Duration = Duration::from_secs(1);

    fn entropy(seed: u8) -> Entropy {
        Entropy::from_seed([seed; 32])
    }

    fn said(status: u16) -> Answer {
        let status = StatusCode::new(status).expect("a status");
        Answer { status, expires: None, least: None, after: None }
    }

    fn registration() -> (Registration, Instant) {
        let start = test_start();
        let mut registration = Registration::new(RegistrationConfig::default(), start);
        assert!(registration.ask(start) && !registration.ask(start));
        (registration, start)
    }

    #[test]
    fn it_is_made_again_before_it_runs_out_and_not_by_all_at_once() {
        let mut moments = std::collections::BTreeSet::new();
        for seed in 0..20 {
            let (mut registration, start) = registration();
            let granted = Answer { expires: Some(SECOND * 100), ..said(200) };
            assert_eq!(registration.answered(start, &granted, &mut entropy(seed)), None);
            assert_eq!(registration.state(), Registered::Until(start + SECOND * 100));
            let again = registration.due().expect("a time") - start;
            assert!((SECOND * 70..=SECOND * 80).contains(&again), "{again:?}");
            moments.insert(again);
        }
        assert!(moments.len() > 5, "{moments:?}");
    }

    #[test]
    fn failures_are_followed_by_ever_longer_pauses_that_differ() {
        let (mut registration, mut now) = registration();
        let mut entropy = entropy(1);
        for most in [30, 60, 120, 240, 480, 600, 600] {
            let pause = registration.answered(now, &said(503), &mut entropy).expect("a pause");
            assert!((SECOND * most / 2..=SECOND * most).contains(&pause), "{pause:?} of {most}");
            now += pause;
            assert!(registration.ask(now));
        }
        registration.answered(now, &said(200), &mut entropy);
        assert!(registration.ask(registration.due().expect("a time")));
        let pause = registration.answered(now, &said(408), &mut entropy).expect("a pause");
        assert!(pause <= SECOND * 30, "a success begins anew");
    }

    #[test]
    fn a_wrong_password_is_not_tried_often() {
        for status in [401, 403, 407] {
            let (mut registration, now) = registration();
            let pause = registration.answered(now, &said(status), &mut entropy(2)).expect("a pause");
            assert!(pause >= SECOND * 300, "{status}: {pause:?}");
        }
    }

    #[test]
    fn what_the_carrier_says_of_time_is_kept() {
        let (mut registration, now) = registration();
        let brief = Answer { least: Some(SECOND * 1800), ..said(423) };
        assert_eq!(registration.answered(now, &brief, &mut entropy(3)), None);
        assert_eq!(registration.expires(), SECOND * 1800);
        assert!(registration.ask(now), "at once");
        // Again, and it would go on for ever.
        assert!(registration.answered(now, &brief, &mut entropy(3)).is_some());
        let busy = Answer { after: Some(SECOND * 5000), ..said(503) };
        let later = registration.due().expect("a time");
        assert!(registration.ask(later));
        assert_eq!(registration.answered(later, &busy, &mut entropy(3)), Some(SECOND * 5000));
    }

    #[test]
    fn it_is_lost_when_nobody_made_it_again_in_time() {
        let (mut registration, now) = registration();
        registration.answered(now, &Answer { expires: Some(SECOND * 100), ..said(200) }, &mut entropy(4));
        let again = registration.due().expect("a time");
        assert!(registration.ask(again));
        registration.answered(again, &said(503), &mut entropy(4));
        assert!(!registration.runs_out(now + SECOND * 99));
        assert_eq!(registration.due().map(|at| at <= now + SECOND * 100), Some(true));
        assert!(registration.runs_out(now + SECOND * 100) && !registration.runs_out(now + SECOND * 101));
        assert_eq!(
            (registration.state(), registration.refused().map(StatusCode::code)),
            (Registered::Lost, Some(503))
        );
    }

    #[test]
    fn an_answer_is_read_as_far_as_it_matters() {
        let mut headers = Headers::new();
        headers.push("Contact", "<sip:other@192.0.2.9>;expires=10, <sip:acme@192.0.2.1:5060>;expires=300");
        headers.push("Expires", "3600");
        headers.push("Retry-After", "120 (maintenance);duration=60");
        headers.push("Min-Expires", "1800");
        let answer = Answer::of(StatusCode::OK, &headers, "acme");
        let all = (answer.expires, answer.least, answer.after);
        assert_eq!(all, (Some(SECOND * 300), Some(SECOND * 1800), Some(SECOND * 120)));
        assert_eq!(Answer::of(StatusCode::OK, &headers, "nobody").expires, Some(SECOND * 3600));
        headers.set("Expires", "99999999999");
        assert_eq!(Answer::of(StatusCode::OK, &headers, "nobody").expires, None, "no number of seconds");
    }
}
