//! Inputs that went through a bad line.

use countersign::units::Entropy;

pub(crate) fn below(entropy: &mut Entropy, bound: usize) -> usize {
    let bound = u64::try_from(bound).expect("small");
    usize::try_from(entropy.below(bound)).expect("small")
}

pub(crate) fn byte(entropy: &mut Entropy) -> u8 {
    u8::try_from(entropy.below(256)).expect("a byte")
}

const SPLINTERS: [&[u8]; 16] = [
    b"\r\n",
    b"\0",
    b"\xff\xff\xff\xff",
    b"99999999999999999999",
    b"%00",
    b"\"",
    b"<",
    b">",
    b";",
    b",",
    b"[",
    b"-1",
    b"4294967296",
    b"\xc3\xa9",
    b"\r\n\r\n",
    b"m=audio 0 RTP/AVP 0\r\n",
];

/// Spoils a message.
pub(crate) fn mutated(entropy: &mut Entropy, message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    for _ in 0..=entropy.below(6) {
        let at = below(entropy, message.len() + 1);
        match entropy.below(6) {
            0 | 1 if at < message.len() => message[at] = byte(entropy),
            2 => drop(message.drain(at..(at + 20).min(message.len()))),
            3 | 4 => drop(message.splice(at..at, SPLINTERS[below(entropy, 16)].iter().copied())),
            _ if entropy.below(8) == 0 => message.truncate(at),
            _ => {}
        }
    }
    message
}
