//! Which packets have come: a window over their indices (RFC 3711 §3.3.2), and the guess of an index from a sequence
//! number (§3.3.1).

/// The packets of one source that were taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The highest index taken.
    highest: u64,
    /// Bit n: the index n below the highest was taken.
    taken: u128,
}

impl Window {
    /// Of a source whose first packet has this index.
    pub(super) const fn starting(index: u64) -> Self {
        Self { highest: index, taken: 1 }
    }

    /// Whether this index is new and not too old to know.
    pub(super) fn is_new(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < WIDTH && self.taken >> behind & 1 == 0,
        }
    }

    /// Takes it.
    pub(super) fn take(&mut self, index: u64) {
        match index.checked_sub(self.highest) {
            None => self.taken |= 1_u128.checked_shl(width(self.highest - index)).unwrap_or(0),
            Some(ahead) => {
                self.taken = self.taken.checked_shl(width(ahead)).unwrap_or(0) | 1;
                self.highest = index;
            }
        }
    }

    /// The index of a sequence number: the one nearest to the highest taken.
    pub(super) fn index_of(&self, seq: u16) -> u64 {
        let near = self.highest & !0xFFFF | u64::from(seq);
        if near + 0x8000 < self.highest {
            near + 0x1_0000
        } else if near > self.highest + 0x8000 && near >= 0x1_0000 {
            near - 0x1_0000
        } else {
            near
        }
    }
}

fn width(shift: u64) -> u32 {
    u32::try_from(shift).unwrap_or(u32::MAX)
}

/// RFC 3711 §3.3.2 wants 64 at least.
const WIDTH: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_taken_once_in_whatever_order() {
        let mut window = Window::starting(1000);
        assert!(!window.is_new(1000));
        for index in [1003, 1001, 1127, 1002, 1126] {
            assert!(window.is_new(index), "{index}");
            window.take(index);
            assert!(!window.is_new(index), "{index}");
        }
        assert!(!window.is_new(999), "older than what is known");
        assert!(window.is_new(1004));
        window.take(1_000_000);
        assert!(!window.is_new(1004));
    }

    #[test]
    fn the_index_follows_the_sequence_number_across_its_wrap_both_ways() {
        let mut window = Window::starting(65_530);
        for (seq, index) in [(65_535, 65_535), (2, 65_538), (65_534, 65_534), (3, 65_539), (40_000, 40_000)] {
            assert_eq!(window.index_of(seq), index, "{seq}");
            window.take(index);
        }
        let early = Window::starting(3);
        assert_eq!(early.index_of(65_000), 65_000, "nothing lies before the first round");
    }
}
