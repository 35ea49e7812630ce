//! The published vectors, and what an attacker or a bad network does to packets.

use data_encoding::HEXLOWER;

use super::*;
use crate::secret::Secret;
use crate::units::{Entropy, test_start};

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_ascii_whitespace().collect();
    HEXLOWER.decode(digits.as_bytes()).expect("hexadecimal")
}

fn keying(suite: Suite, material: &str) -> Keying {
    Keying::new(suite, Secret::new(hex(material))).expect("of the right length")
}

/// A session that sends and receives with one key.
fn mirror(key: &Keying) -> Srtp {
    Srtp::new(&Crypto { ours: key.clone(), theirs: key.clone() }).expect("keys")
}

/// RFC 3711 §B.3.
const MASTER: &str = "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6";

fn protected(srtp: &mut Srtp, plain: &str) -> String {
    let mut packet = Packet::from_vec(hex(plain));
    srtp.protect(&mut packet).expect("a packet");
    HEXLOWER.encode(&packet)
}

fn drawn(seed: u8, suite: Suite) -> Keying {
    OurKeys::draw(&mut Entropy::from_seed([seed; 32])).of(suite).expect("every suite").clone()
}

fn packet(seq: u16, ssrc: u8) -> Packet {
    let mut packet = Packet::from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 160, 0, 0, 0, ssrc]);
    packet[2..4].copy_from_slice(&seq.to_be_bytes());
    packet.extend((0..160_u8).map(|n| n ^ seq.to_be_bytes()[1]));
    packet
}

const REPORT: &[u8] =
    &[0x80, 200, 0, 6, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0, 0, 0];

#[test]
fn counter_mode_with_hmac_is_as_published() {
    let mut srtp = mirror(&keying(Suite::AesCm80, MASTER));
    let plain = "800f1234 decafbad cafebabe abababab abababab abababab abababab";
    assert_eq!(
        protected(&mut srtp, plain),
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"
    );
    let mut short = mirror(&keying(Suite::AesCm32, MASTER));
    assert_eq!(
        protected(&mut short, plain),
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc"
    );
    let mut report = Packet::from_vec(hex("81c8000b cafebabe abababab abababab abababab abababab"));
    srtp.protect_report(&mut report).expect("a report");
    assert_eq!(
        HEXLOWER.encode(&report),
        "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798"
    );
}

#[test]
fn every_suite_opens_what_it_sealed_and_nothing_that_was_touched() {
    let now = test_start();
    for &suite in Suite::ALL {
        let key = drawn(7, suite);
        let (mut here, mut there) = (mirror(&key), mirror(&key));
        let plain = packet(1, 1);
        let mut sealed = plain.clone();
        here.protect(&mut sealed).expect("a packet");
        assert_eq!(sealed.len(), plain.len() + suite.tag());
        assert_ne!(sealed[12..172], plain[12..172]);
        for at in 0..sealed.len() {
            let mut touched = sealed.clone();
            touched[at] ^= 1;
            assert!(there.open(now, &mut touched).is_none(), "{suite:?} octet {at}");
        }
        for length in 0..sealed.len() {
            assert!(there.open(now, &mut sealed[..length].to_vec()).is_none(), "{suite:?} cut to {length}");
        }
        assert_eq!(there.open(now, &mut sealed.clone()), Some(&plain[..]));
        assert_eq!(there.replayed, 0);
        assert!(there.open(now, &mut sealed.clone()).is_none(), "{suite:?}: a second time");
        assert_eq!(there.replayed, 1);
    }
}

#[test]
fn reports_are_sealed_too() {
    let now = test_start();
    for &suite in Suite::ALL {
        let key = drawn(8, suite);
        let (mut here, mut there) = (mirror(&key), mirror(&key));
        for round in 1..=3 {
            let mut sealed = Packet::from_slice(REPORT);
            here.protect_report(&mut sealed).expect("a report");
            assert_eq!(sealed[..8], REPORT[..8]);
            for at in 0..sealed.len() {
                let mut touched = sealed.clone();
                touched[at] ^= 0x80;
                assert!(there.open_report(now, &mut touched).is_none(), "{suite:?} octet {at}");
            }
            assert!(there.open_report(now, &mut sealed[..REPORT.len()].to_vec()).is_none());
            assert_eq!(there.open_report(now, &mut sealed.clone()), Some(REPORT), "{suite:?} {round}");
            assert!(there.open_report(now, &mut sealed.clone()).is_none(), "a second time");
        }
    }
}

#[test]
fn sequence_numbers_that_wrap_while_packets_are_lost_and_reordered_stay_in_step() {
    let now = test_start();
    for &suite in Suite::ALL {
        let key = drawn(9, suite);
        let (mut here, mut there) = (mirror(&key), mirror(&key));
        let mut sealed = Vec::new();
        for n in 0..200_000_u32 {
            let mut packet = packet(u16::try_from((n + 65_000) % 65_536).expect("16 bits"), 1);
            packet.truncate(20);
            here.protect(&mut packet).expect("a packet");
            sealed.push(packet);
        }
        // Every seventh is lost, and of each ten the order is turned round; the first sets the round, so it comes first.
        let (mut opened, mut expected) = (0, 0);
        for chunk in sealed.chunks_mut(10).enumerate() {
            let mut order: Vec<usize> = (0..10).collect();
            if chunk.0 > 0 {
                order.reverse();
            }
            for k in order {
                if (chunk.0 * 10 + k) % 7 == 6 {
                    continue;
                }
                expected += 1;
                opened += u32::from(there.open(now, &mut chunk.1[k]).is_some());
            }
        }
        assert_eq!(opened, expected, "{suite:?}");
    }
}

#[test]
fn forged_and_replayed_packets_change_nothing_for_the_real_ones() {
    let now = test_start();
    for &suite in Suite::ALL {
        let key = drawn(10, suite);
        let (mut here, mut there) = (mirror(&key), mirror(&key));
        let mut entropy = Entropy::from_seed([5; 32]);
        let mut last = None;
        for seq in 0..200 {
            for _ in 0..50 {
                let mut forged = packet(u16::try_from(entropy.next_u32() >> 16).expect("16 bits"), 1);
                forged.extend(entropy.next_u64().to_be_bytes());
                forged.extend(entropy.next_u64().to_be_bytes());
                assert!(there.open(now, &mut forged).is_none());
            }
            let mut sealed = packet(seq, 1);
            here.protect(&mut sealed).expect("a packet");
            if let Some(mut replayed) = last.replace(sealed.clone()) {
                assert!(there.open(now, &mut replayed).is_none());
            }
            assert_eq!(there.open(now, &mut sealed), Some(&packet(seq, 1)[..]));
        }
        // A forged sequence number may also be one that came.
        assert_eq!(there.forged + there.replayed, 200 * 50 + 199);
        assert!(there.replayed >= 199 && there.forged > 9_000);
    }
}

#[test]
fn a_new_key_counts_at_once_and_the_old_one_a_moment_longer() {
    let now = test_start();
    let [old, new] = [1, 2].map(|seed| drawn(seed, Suite::AesCm80));
    let (mut here, mut there) = (mirror(&old), mirror(&old));
    let seal = |srtp: &mut Srtp, seq: u16| {
        let mut sealed = packet(seq, 1);
        srtp.protect(&mut sealed).expect("a packet");
        sealed
    };
    let mut first = seal(&mut here, 1);
    assert!(there.open(now, &mut first).is_some());
    let [mut under_way, mut late] = [2, 3].map(|seq| seal(&mut here, seq));
    let crypto = Crypto { ours: new.clone(), theirs: new };
    here.rekey(now, &crypto).expect("keys");
    there.rekey(now, &crypto).expect("keys");
    let mut fresh = seal(&mut here, 4);
    assert!(there.open(now, &mut fresh).is_some());
    assert!(there.open(now, &mut under_way).is_some());
    assert!(there.open(now + UNDER_WAY, &mut late).is_none());
    // The same key again goes on where it was.
    let mut seen = seal(&mut here, 5);
    let mut again = seen.clone();
    assert!(there.open(now, &mut seen).is_some());
    there.rekey(now, &crypto).expect("keys");
    assert!(there.open(now, &mut again).is_none());
    assert_eq!(there.replayed, 1);
}
