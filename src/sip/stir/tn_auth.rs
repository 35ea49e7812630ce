//! TNAuthList (RFC 8226 §9): the service provider that a certificate is of, or the numbers that it speaks for.

use super::der::{self, Der, IA5_STRING, INTEGER, SEQUENCE, context};
use super::number::Number;

/// What a certificate entitles to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TnAuthList {
    /// Codes of service providers.
    providers: Vec<Box<str>>,
    /// Ranges of numbers: the first, and how many; with leading zeros or `#` there is no counting.
    ranges: Vec<(Number, u64)>,
    /// Single numbers.
    numbers: Vec<Number>,
}

/// Entries of one certificate at most.
const MAX_ENTRIES: usize = 1024;

impl TnAuthList {
    /// Reads the content of the extension; `None` when it is not one, or empty.
    #[must_use]
    pub fn parse(extension: &[u8]) -> Option<Self> {
        let mut entries = Der::new(der::only(extension, SEQUENCE)?);
        let mut list = Self::default();
        let mut count = 0;
        while !entries.is_empty() {
            count += 1;
            let (tag, content) = entries.next().filter(|_| count <= MAX_ENTRIES)?;
            match tag {
                // RFC 8226 §9: the module's tags are explicit.
                tag if tag == context(0) => list.providers.push(text(content)?.into()),
                tag if tag == context(1) => list.ranges.push(range(content)?),
                tag if tag == context(2) => list.numbers.push(Number::canonical(text(content)?)?),
                _ => return None,
            }
        }
        (count > 0).then_some(list)
    }

    /// Whether its holder may speak for this number. Which numbers a service provider has is in no certificate: its
    /// level of attestation says what it knows.
    #[must_use]
    pub fn covers(&self, number: &Number) -> bool {
        !self.providers.is_empty()
            || self.numbers.contains(number)
            || self.ranges.iter().any(|(first, count)| within(first, *count, number))
    }

    /// The codes of service providers.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(AsRef::as_ref)
    }
}

fn text(content: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(der::only(content, IA5_STRING)?).ok()?;
    ((1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

fn range(content: &[u8]) -> Option<(Number, u64)> {
    let mut fields = Der::new(der::only(content, SEQUENCE)?);
    let first = std::str::from_utf8(fields.expect(IA5_STRING)?).ok().and_then(Number::canonical)?;
    let count = fields.expect(INTEGER)?;
    // Positive, and small enough to be a count of telephone numbers.
    if count.len() > 8 || count.first().is_none_or(|octet| octet & 0x80 != 0) {
        return None;
    }
    let count = count.iter().fold(0_u64, |sum, &octet| (sum << 8) | u64::from(octet));
    (count >= 2).then_some((first, count))
}

fn within(first: &Number, count: u64, number: &Number) -> bool {
    let same_length = first.as_str().len() == number.as_str().len();
    let (Ok(first), Ok(number)) = (first.as_str().parse::<u64>(), number.as_str().parse::<u64>()) else {
        return false;
    };
    same_length && number.checked_sub(first).is_some_and(|offset| offset < count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::canonical(text).expect("a number")
    }

    #[test]
    fn a_provider_a_range_and_a_number_are_read() {
        // The code of a service provider as certificates in use have it.
        let provider = TnAuthList::parse(&[0x30, 8, 0xa0, 6, 0x16, 4, b'7', b'0', b'9', b'J']).expect("one");
        assert_eq!(provider.providers().collect::<Vec<_>>(), ["709J"]);
        assert!(provider.covers(&number("441632960001")));
        let one = [&[0x30, 16, 0xa2, 14, 0x16, 12][..], b"441632960001"].concat();
        let one = TnAuthList::parse(&one).expect("a number");
        assert!(one.covers(&number("441632960001")) && !one.covers(&number("441632960002")));
        let range = [&[0x30, 21, 0xa1, 19, 0x30, 17, 0x16, 12][..], b"441632960000", &[2, 1, 10]].concat();
        let range = TnAuthList::parse(&range).expect("a range");
        assert!(range.covers(&number("441632960000")) && range.covers(&number("441632960009")));
        assert!(!range.covers(&number("441632960010")) && !range.covers(&number("441632959999")));
        assert!(!range.covers(&number("0441632960001")));
    }

    #[test]
    fn what_is_no_list_is_none() {
        for broken in [
            &[][..],
            &[0x30, 0],
            &[0x30, 2, 0xa3, 0],
            &[0x30, 4, 0xa0, 2, 0x16, 0],
            &[0x30, 5, 0x80, 3, b'7', b'0', b'9'],
            &[0x30, 8, 0xa1, 6, 0x30, 4, 0x16, 1, b'1', 0],
            &[0x30, 11, 0xa1, 9, 0x30, 7, 0x16, 2, b'1', b'0', 2, 1, 1],
            &[0x30, 11, 0xa1, 9, 0x30, 7, 0x16, 2, b'1', b'0', 2, 1, 0xff],
        ] {
            assert_eq!(TnAuthList::parse(broken), None, "{broken:?}");
        }
    }
}
