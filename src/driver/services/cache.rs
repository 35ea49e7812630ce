//! Replies that may be used again for a while: bounded in number, wiped when their time is over.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroize;

use crate::flow::run::{Lookup, LookupReply};

/// The replies of one service.
#[derive(Default)]
pub(super) struct Replies(Mutex<HashMap<Key, Kept>>);

/// The call and its arguments, hashed: what was asked is personal and need not be kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn of(lookup: &Lookup) -> Self {
        use sha2::{Digest, Sha256};
        let mut arguments: Vec<_> = lookup.arguments.iter().collect();
        arguments.sort_unstable();
        let mut hasher = Sha256::new();
        let pairs = arguments.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        for part in std::iter::once(lookup.call.as_str()).chain(pairs) {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        Self(hasher.finalize().into())
    }
}

struct Kept {
    /// The fields; `None` when there is no such thing.
    fields: Option<Vec<(String, String)>>,
    since: Instant,
    until: Instant,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.fields.iter_mut().flatten().for_each(|(_, value)| value.zeroize());
    }
}

/// Replies kept for one service: some megabytes at most.
const MOST: usize = 2048;

impl Replies {
    fn kept(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reply that is not older than `age`.
    pub(super) fn find(&self, key: Key, age: Duration, now: Instant) -> Option<LookupReply> {
        let mut kept = self.kept();
        let found = kept.get(&key)?;
        if found.until <= now {
            kept.remove(&key);
            return None;
        }
        if now.saturating_duration_since(found.since) >= age {
            return None;
        }
        Some(found.fields.clone().map_or(LookupReply::NotFound, LookupReply::Found))
    }

    /// Keeps a reply for a time; what is no answer is not kept.
    pub(super) fn keep(&self, key: Key, reply: &LookupReply, time: Duration, now: Instant) {
        let fields = match reply {
            LookupReply::Found(fields) => Some(fields.clone()),
            LookupReply::NotFound => None,
            LookupReply::Many | LookupReply::Declined | LookupReply::Unavailable => return,
        };
        let Some(until) = now.checked_add(time).filter(|until| *until > now) else { return };
        let mut kept = self.kept();
        if kept.len() >= MOST && !kept.contains_key(&key) {
            kept.retain(|_, kept| kept.until > now);
            let soonest = kept.iter().min_by_key(|(_, kept)| kept.until).map(|(key, _)| *key);
            if let Some(soonest) = soonest.filter(|_| kept.len() >= MOST) {
                kept.remove(&soonest);
            }
        }
        kept.insert(key, Kept { fields, since: now, until });
    }

    /// Forgets what changed: a call that writes may have made every reply wrong.
    pub(super) fn forget(&self) {
        self.kept().clear();
    }

    /// Wipes what is over; the next time that something will be.
    pub(super) fn tend(&self, now: Instant) -> Option<Instant> {
        let mut kept = self.kept();
        kept.retain(|_, kept| kept.until > now);
        kept.values().map(|kept| kept.until).min()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(call: &str, arguments: &[(&str, &str)]) -> Lookup {
        Lookup {
            service: "s".into(),
            call: call.into(),
            arguments: arguments.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            card: None,
            idempotency: None,
            grant: None,
            timeout: Duration::from_secs(1),
            cache: None,
            spool: false,
        }
    }

    fn found(text: &str) -> LookupReply {
        LookupReply::Found(vec![("x".into(), text.into())])
    }

    fn is(reply: Option<LookupReply>, text: &str) -> bool {
        matches!(reply, Some(LookupReply::Found(fields)) if fields == [("x".to_owned(), text.to_owned())])
    }

    #[test]
    fn a_reply_is_used_again_for_the_same_arguments_until_its_time_is_over() {
        let replies = Replies::default();
        let start = crate::driver::os::now();
        let second = Duration::from_secs(1);
        let key = Key::of(&lookup("a", &[("p", "1"), ("q", "2")]));
        assert!(key == Key::of(&lookup("a", &[("q", "2"), ("p", "1")])));
        for other in [
            lookup("b", &[("p", "1"), ("q", "2")]),
            lookup("a", &[("p", "2"), ("q", "1")]),
            lookup("a", &[("p", "1q"), ("", "2")]),
            lookup("a", &[("p", "1")]),
        ] {
            assert!(key != Key::of(&other));
        }
        replies.keep(key, &found("one"), 30 * second, start);
        assert!(is(replies.find(key, 60 * second, start + 29 * second), "one"));
        assert!(replies.find(key, 10 * second, start + 10 * second).is_none(), "too old for this asker");
        assert!(replies.find(key, 60 * second, start + 30 * second).is_none());
        assert_eq!(replies.len(), 0, "wiped when it was over");
        replies.keep(key, &LookupReply::Unavailable, 30 * second, start);
        assert_eq!(replies.len(), 0, "no answer is no reply");
    }

    #[test]
    fn what_is_over_is_wiped_though_nobody_asks_for_it() {
        let replies = Replies::default();
        let start = crate::driver::os::now();
        let second = Duration::from_secs(1);
        for number in 0..3_u32 {
            let key = Key::of(&lookup("a", &[("p", &number.to_string())]));
            replies.keep(key, &found("x"), (number + 1) * second, start);
        }
        assert_eq!(replies.tend(start), Some(start + second));
        assert_eq!(replies.tend(start + 2 * second), Some(start + 3 * second));
        assert_eq!(replies.len(), 1);
        assert_eq!(replies.tend(start + 3 * second), None);
        assert_eq!(replies.len(), 0);
    }

    #[test]
    fn there_is_room_for_so_many_and_those_that_end_first_go_first() {
        let replies = Replies::default();
        let start = crate::driver::os::now();
        let key = |number: usize| Key::of(&lookup("a", &[("p", &number.to_string())]));
        for number in 0..MOST + 10 {
            let time = Duration::from_millis(1000 + u64::try_from(number).expect("small"));
            replies.keep(key(number), &found("x"), time, start);
        }
        assert_eq!(replies.len(), MOST);
        assert!(replies.find(key(0), Duration::from_secs(60), start).is_none());
        assert!(replies.find(key(MOST), Duration::from_secs(60), start).is_some());
    }
}
