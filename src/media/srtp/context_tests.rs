//! RFC 7714 §16.1 and §17.1: its vectors name the session keys, so they are put in place of derived ones.

use data_encoding::HEXLOWER;

use super::*;

const PLAIN: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 \
                     61727465 73207472 6573";
const SEALED: &str = "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a \
                      51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
const PLAIN_REPORT: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef \
                            deadbeef deadbeef deadbeef";
const SEALED_REPORT: &str = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda \
                             4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4";
/// The index of that report.
const INDEX: u32 = 0x5d4;

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_ascii_whitespace().collect();
    HEXLOWER.decode(digits.as_bytes()).expect("hexadecimal")
}

fn keys() -> Keys {
    let key = UnboundKey::new(&AES_128_GCM, &hex("000102030405060708090a0b0c0d0e0f")).expect("16 octets");
    let mut salt = [0; SALT];
    salt[..12].copy_from_slice(&hex("517569642070726f2071756f"));
    Keys { cipher: Cipher::Gcm(LessSafeKey::new(key)), salt: Secret::new(salt) }
}

fn sender() -> Sender {
    Sender { rtp: keys(), rtcp: keys(), sources: Sources::default(), report: INDEX - 1 }
}

fn receiver() -> Receiver {
    Receiver { rtp: keys(), rtcp: keys(), sources: Sources::default(), reports: Sources::default() }
}

#[test]
fn galois_counter_mode_is_as_published() {
    let mut packet = Packet::from_vec(hex(PLAIN));
    sender().protect(&mut packet).expect("a packet");
    assert_eq!(HEXLOWER.encode(&packet), HEXLOWER.encode(&hex(SEALED)));
    let mut report = Packet::from_vec(hex(PLAIN_REPORT));
    sender().protect_report(&mut report).expect("a report");
    assert_eq!(HEXLOWER.encode(&report), HEXLOWER.encode(&hex(SEALED_REPORT)));
}

#[test]
fn what_is_published_as_sealed_opens_and_nothing_beside_it() {
    let mut packet = hex(SEALED);
    let length = receiver().open(&mut packet).expect("a right tag");
    assert_eq!(packet[..length], hex(PLAIN));
    let mut report = hex(SEALED_REPORT);
    let length = receiver().open_report(&mut report).expect("a right tag");
    assert_eq!(report[..length], hex(PLAIN_REPORT));
    for at in 0..hex(SEALED).len() {
        let mut touched = hex(SEALED);
        touched[at] ^= 1;
        assert_eq!(receiver().open(&mut touched), Err(Rejected::Forged), "octet {at}");
    }
    for at in 0..hex(SEALED_REPORT).len() {
        let mut touched = hex(SEALED_REPORT);
        touched[at] ^= 1;
        assert_eq!(receiver().open_report(&mut touched), Err(Rejected::Forged), "octet {at} of the report");
    }
}

/// RFC 7714 §17.3 has a report that is tagged and not encrypted: with us every report is encrypted.
#[test]
fn a_report_that_is_only_tagged_is_none() {
    let tagged = format!("{PLAIN_REPORT} 841dd968 3dd78ec9 2ae58790 125f62b3 000005d4");
    assert_eq!(receiver().open_report(&mut hex(&tagged)), Err(Rejected::Forged));
}
