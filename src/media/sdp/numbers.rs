//! Which payload type number means what in a session.
//!
//! RFC 3264 §8.3.2: a dynamic number that was given a meaning keeps it to the end of the session, whoever gave it. So a later
//! offer of ours uses the numbers that are in use, and for what has none yet one that never meant anything else. A peer that
//! gives a number another meaning breaks that rule; its description counts all the same, since its packets will follow it.

use crate::audio::Codec;
use crate::units::PayloadType;

use super::{COMFORT_NOISE, our_telephone_event};

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A codec.
    Codec(Codec),
    /// Telephone-events that go so far in 125 µs.
    Event(u16),
    /// Comfort noise.
    Noise,
    /// Something that we do not take part in.
    Other,
}

impl Meaning {
    /// The number that we give it when nothing speaks against that.
    const fn customary(self) -> Option<PayloadType> {
        match self {
            Self::Codec(codec) => Some(codec.payload_type()),
            Self::Event(clock) => Some(our_telephone_event(clock)),
            Self::Noise => Some(COMFORT_NOISE),
            Self::Other => None,
        }
    }
}

/// The numbers of a session, the latest given last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    given: Vec<(PayloadType, Meaning)>,
}

impl Numbers {
    /// The number that we offer for this: the one in use, else the customary one, else one that is free. `None` when all are
    /// taken.
    pub(crate) fn ours(&mut self, meaning: Meaning) -> Option<PayloadType> {
        if let Some(&(number, _)) = self.given.iter().rev().find(|(_, other)| *other == meaning) {
            return Some(number);
        }
        let is_free = |number: &PayloadType| self.given.iter().all(|(other, _)| other != number);
        let number =
            meaning.customary().filter(is_free).or_else(|| DYNAMIC.map(PayloadType).find(is_free))?;
        self.given.push((number, meaning));
        Some(number)
    }

    /// The peer's offer gives this number a meaning.
    pub(crate) fn offered(&mut self, number: PayloadType, meaning: Meaning) {
        self.given.retain(|(other, _)| *other != number);
        self.given.push((number, meaning));
    }

    /// The peer's answer uses this number, where ours is another. It stays taken; we go on with ours.
    pub(crate) fn answered(&mut self, number: PayloadType, meaning: Meaning) {
        if self.given.iter().all(|(other, _)| *other != number) {
            self.given.insert(0, (number, meaning));
        }
    }
}

/// RFC 3551 §3.
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

#[cfg(test)]
mod tests {
    use super::*;

    const OPUS: Meaning = Meaning::Codec(Codec::Opus);
    const L16: Meaning = Meaning::Codec(Codec::L16);

    #[test]
    fn a_number_in_use_is_offered_again_and_a_taken_one_is_not() {
        let mut numbers = Numbers::default();
        numbers.offered(PayloadType(120), OPUS);
        numbers.offered(PayloadType(97), Meaning::Other);
        numbers.offered(PayloadType(101), Meaning::Codec(Codec::Pcma));
        assert_eq!(numbers.ours(OPUS), Some(PayloadType(120)));
        assert_eq!(numbers.ours(L16), Some(PayloadType(96)), "97 is something else");
        assert_eq!(numbers.ours(Meaning::Event(1)), Some(PayloadType(98)));
        assert_eq!(numbers.ours(Meaning::Event(6)), Some(PayloadType(102)));
        assert_eq!(numbers.ours(Meaning::Codec(Codec::Pcma)), Some(PayloadType(101)));
        assert_eq!(numbers.ours(Meaning::Noise), Some(PayloadType(13)));
    }

    #[test]
    fn an_answer_with_other_numbers_takes_them_and_leaves_ours() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.ours(OPUS), Some(PayloadType(111)));
        numbers.answered(PayloadType(97), OPUS);
        numbers.answered(PayloadType(111), L16);
        assert_eq!(numbers.ours(OPUS), Some(PayloadType(111)));
        assert_eq!(numbers.ours(L16), Some(PayloadType(96)));
    }

    #[test]
    fn where_all_are_taken_there_is_none() {
        let mut numbers = Numbers::default();
        DYNAMIC.for_each(|number| numbers.offered(PayloadType(number), Meaning::Other));
        assert_eq!(numbers.ours(OPUS), None);
        assert_eq!(numbers.ours(Meaning::Codec(Codec::Pcmu)), Some(PayloadType(0)));
    }
}
