//! Which PASSporTs were seen: the same one with another call is somebody else's (RFC 8224 §12.1).
//!
//! What is older than the window needs no memory: it is stale by then.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

/// The PASSporTs of the last one to two windows, by a digest, each with its call.
pub struct Replays {
    window: Duration,
    most: usize,
    since: Instant,
    young: HashMap<[u8; 16], [u8; 16]>,
    old: HashMap<[u8; 16], [u8; 16]>,
}

/// What is known of a PASSporT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is new, or this call's own: an INVITE may come twice.
    First,
    /// It came with another call.
    Before,
    /// There is no room to remember one more: nobody can tell.
    Full,
}

impl Replays {
    /// Remembers for at least `window`, up to twice `most` PASSporTs.
    #[must_use]
    pub fn new(now: Instant, window: Duration, most: usize) -> Self {
        Self { window, most, since: now, young: HashMap::new(), old: HashMap::new() }
    }

    /// Takes note of what was signed and the Call-ID that it came with.
    pub fn see(&mut self, now: Instant, signed: &str, call_id: &str) -> Seen {
        let age = now.saturating_duration_since(self.since);
        if age >= self.window {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
            if age >= self.window.saturating_mul(2) {
                self.old = HashMap::new();
            }
        }
        let (key, call) = (digest(signed), digest(call_id));
        if let Some(known) = self.young.get(&key).or_else(|| self.old.get(&key)) {
            return if *known == call { Seen::First } else { Seen::Before };
        }
        if self.young.len() >= self.most {
            return Seen::Full;
        }
        self.young.insert(key, call);
        Seen::First
    }
}

/// Half of SHA-256: enough that nobody finds a second text for it within a minute.
fn digest(text: &str) -> [u8; 16] {
    let whole: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut half = [0; 16];
    half.copy_from_slice(whole.split_at(16).0);
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::test_start;

    #[test]
    fn the_same_text_counts_once_for_one_call_within_the_window() {
        let start = test_start();
        let window = Duration::from_secs(120);
        let mut replays = Replays::new(start, window, 2);
        assert_eq!(replays.see(start, "a.b", "call-1"), Seen::First);
        assert_eq!(replays.see(start, "a.b", "call-1"), Seen::First);
        assert_eq!(replays.see(start + window, "a.b", "call-2"), Seen::Before);
        assert_eq!(replays.see(start + window, "c.d", "call-3"), Seen::First);
        assert_eq!(replays.see(start + window, "e.f", "call-3"), Seen::First);
        assert_eq!(replays.see(start + window, "g.h", "call-3"), Seen::Full);
        assert_eq!(replays.see(start + 3 * window, "c.d", "call-4"), Seen::First);
    }
}
