//! As much of DER (ITU-T X.690) as it takes to find an extension and a public key in a certificate: definite lengths,
//! low tag numbers. Certificates were read by `webpki` before; this looks for what it does not show.

/// Walks over the values of one level.
#[derive(Clone, Copy)]
pub(super) struct Der<'a>(&'a [u8]);

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const IA5_STRING: u8 = 0x16;
pub(super) const SEQUENCE: u8 = 0x30;

/// `[n] EXPLICIT`.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

impl<'a> Der<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next value: its tag and its content.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        // A high tag number goes on in further octets: no certificate has one.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 | 0x82 => {
                let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = octets.iter().fold(0, |sum, &octet| (sum << 8) | usize::from(octet));
                // X.690 §10.1: as short as can be.
                let least = if first == 0x81 { 0x80 } else { 0x100 };
                (length >= least).then_some((length, rest))?
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The next value, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The next value, if it has this tag; otherwise nothing is taken.
    pub(super) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let content = ahead.expect(tag)?;
        *self = ahead;
        Some(content)
    }
}

/// The only value of these bytes, which must have this tag.
pub(super) fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut der = Der::new(bytes);
    der.expect(tag).filter(|_| der.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_overlong_or_cut_ones_are_not() {
        let mut der = Der::new(&[0x02, 1, 7, 0x16, 2, b'a', b'b']);
        assert_eq!(der.optional(OID), None);
        assert_eq!(der.expect(INTEGER), Some(&[7][..]));
        assert_eq!(der.next(), Some((IA5_STRING, &b"ab"[..])));
        assert!(der.is_empty() && der.next().is_none());
        for broken in [
            &[0x02][..],
            &[0x02, 2, 7],
            &[0x02, 0x80, 0, 0],
            &[0x02, 0x81, 1, 7],
            &[0x02, 0x82, 0, 1, 7],
            &[0x02, 0x83, 0, 0, 1, 7],
            &[0x1f, 1, 7],
        ] {
            assert_eq!(Der::new(broken).next(), None, "{broken:?}");
        }
        let long = [&[0x04, 0x81, 0x80][..], &[1; 0x80]].concat();
        assert_eq!(only(&long, OCTET_STRING).map(<[u8]>::len), Some(0x80));
        assert_eq!(only(&[0x02, 1, 7, 0], INTEGER), None);
    }
}
