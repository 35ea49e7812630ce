//! A text as the parts of a short message: the alphabet of GSM where it has all characters, else UCS-2
//! (3GPP TS 23.038), and a header that joins the parts (3GPP TS 23.040 §9.2.3.24.1).

use crate::secret::Secret;

/// A text, ready to be submitted.
pub(super) struct Parts {
    /// §5.2.19 of SMPP: 0 is the network's own alphabet, GSM's; 8 is UCS-2.
    pub(super) coding: u8,
    /// Whether each part begins with a header.
    pub(super) headed: bool,
    /// The parts, in order.
    pub(super) parts: Vec<Secret<Vec<u8>>>,
}

/// 140 octets are 160 characters of seven bits, or 70 of sixteen; a header of six octets leaves 153, or 67.
const GSM_ALONE: usize = 160;
const GSM_PART: usize = 153;
const UCS2_ALONE: usize = 140;
const UCS2_PART: usize = 134;
/// Nobody reads more, and each part costs.
const MOST_PARTS: usize = 8;

/// The parts of a text; `None` when it is empty or too long.
pub(super) fn parts(text: &str, reference: u8) -> Option<Parts> {
    let (coding, units, alone, part) = match gsm(text) {
        Some(units) => (0, units, GSM_ALONE, GSM_PART),
        None => (8, ucs2(text), UCS2_ALONE, UCS2_PART),
    };
    let whole: usize = units.iter().map(|unit| unit.expose().len()).sum();
    if whole == 0 {
        return None;
    }
    if whole <= alone {
        return Some(Parts { coding, headed: false, parts: vec![joined(&units)] });
    }
    let mut groups: Vec<Vec<Secret<Vec<u8>>>> = vec![Vec::new()];
    let mut filled = 0;
    for unit in units {
        if filled + unit.expose().len() > part {
            groups.push(Vec::new());
            filled = 0;
        }
        filled += unit.expose().len();
        groups.last_mut()?.push(unit);
    }
    let count = u8::try_from(groups.len()).ok().filter(|count| usize::from(*count) <= MOST_PARTS)?;
    let headed = |(number, group): (u8, &Vec<Secret<Vec<u8>>>)| {
        let mut octets = vec![5, 0, 3, reference, count, number];
        octets.extend_from_slice(joined(group).expose());
        Secret::new(octets)
    };
    Some(Parts { coding, headed: true, parts: (1..).zip(&groups).map(headed).collect() })
}

fn joined(units: &[Secret<Vec<u8>>]) -> Secret<Vec<u8>> {
    Secret::new(units.iter().flat_map(|unit| unit.expose().iter().copied()).collect())
}

/// Each character's octets, which are never parted: an escape and what it escapes are one.
fn gsm(text: &str) -> Option<Vec<Secret<Vec<u8>>>> {
    text.chars().map(gsm_character).map(|octets| octets.map(Secret::new)).collect()
}

fn gsm_character(c: char) -> Option<Vec<u8>> {
    if c == '\0' {
        return None;
    }
    if let Some(at) = BASIC.chars().position(|known| known == c) {
        return u8::try_from(at).ok().map(|octet| vec![octet]);
    }
    EXTENDED.iter().find(|(known, _)| *known == c).map(|(_, octet)| vec![ESCAPE, *octet])
}

/// Each character's octets: two, or four for what lies outside of the basic plane.
fn ucs2(text: &str) -> Vec<Secret<Vec<u8>>> {
    text.chars()
        .map(|c| {
            let mut units = [0; 2];
            Secret::new(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()).collect())
        })
        .collect()
}

const ESCAPE: u8 = 0x1B;
/// 3GPP TS 23.038 §6.2.1, by its octets; the place of the escape holds a character that no text has.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{0}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// 3GPP TS 23.038 §6.2.1.1.
const EXTENDED: [(char, u8); 10] = [
    ('\u{c}', 0x0A),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2F),
    ('[', 0x3C),
    ('~', 0x3D),
    (']', 0x3E),
    ('|', 0x40),
    ('€', 0x65),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_its_characters_at_their_places() {
        assert_eq!(BASIC.chars().count(), 128);
        for (c, octet) in [
            ('@', 0x00),
            ('_', 0x11),
            (' ', 0x20),
            ('¤', 0x24),
            ('0', 0x30),
            ('A', 0x41),
            ('§', 0x5F),
            ('a', 0x61),
            ('à', 0x7F),
        ] {
            assert_eq!(gsm_character(c), Some(vec![octet]), "{c}");
        }
        assert_eq!(gsm_character('€'), Some(vec![0x1B, 0x65]));
        assert_eq!(gsm_character('ç'), None);
        assert_eq!(gsm_character('\u{1b}'), None);
    }

    /// The coding, and the lengths of the parts.
    fn shape(text: &str) -> Option<(u8, Vec<usize>)> {
        parts(text, 9)
            .map(|found| (found.coding, found.parts.iter().map(|part| part.expose().len()).collect()))
    }

    #[test]
    fn long_texts_are_parted_with_headers_and_no_character_is_torn() {
        let gsm = |count: usize| "x".repeat(count);
        assert_eq!(shape(&gsm(160)), Some((0, vec![160])));
        assert_eq!(shape(&gsm(161)), Some((0, vec![159, 14])));
        assert_eq!(shape(&gsm(306)), Some((0, vec![159, 159])));
        assert_eq!(shape(&format!("{}€", gsm(158))), Some((0, vec![160])));
        assert_eq!(
            shape(&format!("{}€{}", gsm(152), gsm(9))),
            Some((0, vec![158, 17])),
            "an escape stays whole"
        );
        assert_eq!(shape(&"ж".repeat(70)), Some((8, vec![140])));
        assert_eq!(shape(&"ж".repeat(71)), Some((8, vec![140, 14])));
        assert_eq!(shape(&format!("{}😀{}", "ж".repeat(66), "ж".repeat(5))), Some((8, vec![138, 20])));
        assert_eq!(shape(""), None);
        assert_eq!(shape(&gsm(2000)), None);
        let found = parts(&gsm(200), 9).expect("parts");
        assert!(found.headed);
        let heads: Vec<_> = found.parts.iter().map(|part| part.expose()[..6].to_vec()).collect();
        assert_eq!(heads, [[5, 0, 3, 9, 2, 1], [5, 0, 3, 9, 2, 2]]);
    }
}
