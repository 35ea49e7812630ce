//! Pauses that a sender announces by comfort noise (RFC 3389), by where they lie in its stream.
//!
//! A pause lasts until audio that begins behind its start is handed out. A description that comes within a pause changes
//! how it sounds from then on.

use smallvec::SmallVec;

use crate::audio::Noise;

/// The pauses of one stream that are not over yet, in their order.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    known: SmallVec<[Pause; MOST]>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    /// The tick of its beginning.
    start: i64,
    noise: Noise,
}

impl Pauses {
    /// The sender rests from `start` on. `latest` is where the latest audio begins that has come.
    pub(super) fn begin(&mut self, start: i64, noise: Noise, latest: Option<i64>) {
        let goes_on = |last: &Pause| last.start <= start && latest.is_none_or(|audio| audio <= last.start);
        if let Some(last) = self.known.last_mut().filter(|last| goes_on(last)) {
            last.noise = noise;
            return;
        }
        if self.known.len() == MOST {
            self.known.remove(0);
        }
        let at = self.known.partition_point(|other| other.start < start);
        self.known.insert(at, Pause { start, noise });
    }

    /// Audio that begins there is handed out: the pauses before it are over.
    pub(super) fn spoken(&mut self, start: i64) {
        self.known.retain(|pause| pause.start > start);
    }

    /// How the sender's background sounds there, when it rests.
    pub(super) fn at(&self, tick: i64) -> Option<Noise> {
        self.known.iter().rev().find(|pause| pause.start <= tick).map(|pause| pause.noise)
    }

    /// Where the first pause begins.
    pub(super) fn first(&self) -> Option<i64> {
        self.known.first().map(|pause| pause.start)
    }

    /// Where the next pause behind a place begins.
    pub(super) fn after(&self, tick: i64) -> Option<i64> {
        self.known.iter().map(|pause| pause.start).find(|&start| start > tick)
    }
}

/// Talkspurts that lie in the longest jitter buffer.
const MOST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lasts_until_audio_behind_its_start() {
        let mut pauses = Pauses::default();
        pauses.begin(1000, Noise::white(40), Some(840));
        assert_eq!((pauses.at(999), pauses.at(1000)), (None, Some(Noise::white(40))));
        pauses.spoken(840);
        assert_eq!(pauses.at(9000), Some(Noise::white(40)));
        pauses.spoken(1000);
        assert_eq!(pauses.at(9000), None);
    }

    #[test]
    fn a_description_within_a_pause_changes_it_and_one_behind_audio_is_another() {
        let mut pauses = Pauses::default();
        pauses.begin(1000, Noise::white(40), Some(840));
        pauses.begin(2600, Noise::white(50), Some(840));
        assert_eq!((pauses.at(1000), pauses.after(1000)), (Some(Noise::white(50)), None));
        pauses.begin(5000, Noise::white(60), Some(4840));
        assert_eq!((pauses.at(1000), pauses.at(5000)), (Some(Noise::white(50)), Some(Noise::white(60))));
        assert_eq!((pauses.first(), pauses.after(1000)), (Some(1000), Some(5000)));
        for n in 0..100 {
            pauses.begin(10_000 * n, Noise::white(30), Some(10_000 * n - 1));
        }
        assert!(pauses.known.len() <= MOST && !pauses.known.spilled());
    }
}
