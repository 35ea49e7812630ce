//! Keys in the session description (RFC 4568): `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:<key and salt in base64>`.

use std::fmt::Write as _;

use data_encoding::BASE64;

use super::keys::{Crypto, Keying, OurKeys, Suite};
use crate::secret::Secret;

/// A line of the peer's that we can use.
pub struct Line {
    /// Names it in the answer.
    pub tag: u32,
    /// The peer's key.
    pub key: Keying,
}

impl Line {
    /// From the value of `a=crypto`; `None` when it asks for something we do not do: then another line may be usable.
    #[must_use]
    pub fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next()?;
        // RFC 4568 §9.1: one to nine digits.
        let tag = tag.parse().ok().filter(|_| (1..=9).contains(&tag.len()))?;
        let suite = Suite::from_name(words.next()?)?;
        let inline = words.next()?.strip_prefix("inline:")?;
        // Session parameters turn protection off or change it (§6.3): a window size hint is the only one without effect.
        if words.any(|word| !word.starts_with("WSH=")) {
            return None;
        }
        let mut parts = inline.split('|');
        let material = Secret::new(BASE64.decode(parts.next()?.as_bytes()).ok()?);
        // What may follow is a lifetime, which no call outlives, and a master key identifier, which has a colon.
        if parts.any(|part| part.contains(':')) {
            return None;
        }
        Some(Self { tag, key: Keying::new(suite, material)? })
    }
}

/// The line of an offer to take: the first that we can use, as the peer prefers (§5.1.2).
pub fn choose<'a>(values: impl Iterator<Item = &'a str>, ours: &OurKeys) -> Option<(u32, Crypto)> {
    values.filter_map(Line::read).find_map(|line| {
        let key = ours.of(line.key.suite)?.clone();
        Some((line.tag, Crypto { ours: key, theirs: line.key }))
    })
}

/// What an answer took of the lines that [`write_offer`] wrote; `None` when it took none of them.
pub fn accepted<'a>(mut values: impl Iterator<Item = &'a str>, ours: &OurKeys) -> Option<Crypto> {
    let line = Line::read(values.next()?)?;
    // §5.1.3: exactly one line, with the tag and the suite of one of the offer's.
    if values.next().is_some() {
        return None;
    }
    let key = ours.all().zip(1..).find(|(_, tag)| *tag == line.tag).map(|(key, _)| key.clone())?;
    (key.suite == line.key.suite).then_some(Crypto { ours: key, theirs: line.key })
}

/// Appends a line for each suite.
pub fn write_offer(text: &mut String, ours: &OurKeys) {
    for (key, tag) in ours.all().zip(1..) {
        write_line(text, tag, key);
    }
}

/// Appends one line.
pub fn write_line(text: &mut String, tag: u32, key: &Keying) {
    let material = Secret::new(BASE64.encode(key.material().expose()));
    // Writing to a String cannot fail.
    let _ = write!(text, "a=crypto:{tag} {} inline:{}\r\n", key.suite.name(), material.expose());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Entropy;

    const KEY30: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

    #[test]
    fn lines_that_ask_for_more_than_we_do_are_passed_over() {
        let table = [
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}"), Some(Suite::AesCm80)),
            (format!("1 aes_cm_128_hmac_sha1_32 inline:{KEY30}|2^20"), Some(Suite::AesCm32)),
            (
                format!("999999999 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}|1048576 WSH=64"),
                Some(Suite::AesCm80),
            ),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}|2^20|1:4"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30} UNENCRYPTED_SRTP"), None),
            (format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY30} KDR=1"), None),
            (format!("1 F8_128_HMAC_SHA1_80 inline:{KEY30}"), None),
            (format!("1 AEAD_AES_128_GCM inline:{KEY30}"), None),
            (format!("x AES_CM_128_HMAC_SHA1_80 inline:{KEY30}"), None),
            (format!("1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}"), None),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:d0Rm".to_owned(), None),
            ("1 AES_CM_128_HMAC_SHA1_80".to_owned(), None),
            (String::new(), None),
        ];
        for (value, suite) in table {
            assert_eq!(Line::read(&value).map(|line| line.key.suite), suite, "{value}");
        }
    }

    #[test]
    fn an_answer_takes_one_of_the_lines_we_offered() {
        let ours = OurKeys::draw(&mut Entropy::from_seed([1; 32]));
        let theirs = OurKeys::draw(&mut Entropy::from_seed([2; 32]));
        let mut offer = String::new();
        write_offer(&mut offer, &ours);
        let values = |text: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.strip_prefix("a=crypto:")).map(str::to_owned).collect()
        };
        let offered = values(&offer);
        assert_eq!(offered.len(), Suite::ALL.len());
        let (tag, crypto) = choose(offered.iter().map(String::as_str), &theirs).expect("usable");
        assert_eq!((tag, crypto.ours.suite), (1, Suite::AeadAes128Gcm));
        let mut answer = String::new();
        write_line(&mut answer, tag, &crypto.ours);
        let back = accepted(values(&answer).iter().map(String::as_str), &ours).expect("one of ours");
        assert_eq!((&back.ours, &back.theirs), (&crypto.theirs, &crypto.ours));
        let wrong =
            [answer.replace(":1 ", ":2 "), answer.replace(":1 ", ":9 "), answer.repeat(2), String::new()];
        for text in wrong {
            assert!(accepted(values(&text).iter().map(String::as_str), &ours).is_none(), "{text}");
        }
    }

    #[test]
    fn keys_do_not_show_themselves() {
        let ours = OurKeys::draw(&mut Entropy::from_seed([1; 32]));
        assert_eq!(
            format!("{ours:?}"),
            "OurKeys([Keying(AEAD_AES_128_GCM), Keying(AES_CM_128_HMAC_SHA1_80), Keying(AES_CM_128_HMAC_SHA1_32)])"
        );
    }
}
