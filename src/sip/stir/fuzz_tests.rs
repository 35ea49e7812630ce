//! Garbled input: 10,000 of each kind. Nothing panics, and nothing that was changed is valid.

use std::collections::HashMap;
use std::sync::Arc;

use super::authority::{Authority, Holder, Wanted};
use super::*;
use crate::sip::{HeaderName, Headers, Uri};
use crate::units::{Entropy, UnixTime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

const X5U: &str = "https://cert.carrier.example/shaken.pem";
const NOW: UnixTime = UnixTime(1_780_272_000_000);
const INPUTS: usize = 10_000;

/// Changes a few octets: one over, one in, one out, a piece twice.
fn garble(entropy: &mut Entropy, original: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=entropy.below(4) {
        let at = usize::try_from(entropy.below(bytes.len().max(1) as u64)).expect("small");
        let octet = entropy.next_u64().to_le_bytes()[0];
        match entropy.below(5) {
            0 if at < bytes.len() => bytes[at] = octet,
            1 if at < bytes.len() => bytes[at] ^= 1 << (octet % 8),
            2 => bytes.insert(at, octet),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            _ => {
                let piece: Vec<u8> = bytes.iter().skip(at).take(usize::from(octet)).copied().collect();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn presented(identity: &[u8]) -> Option<Presented> {
    let mut headers = Headers::new();
    headers.push(HeaderName::new("Identity"), identity.to_vec());
    let uri = |text: &str| Uri::parse(text.as_bytes()).expect("a URI");
    let called = uri("sip:+441632960999@192.0.2.1");
    let caller = uri("sip:+441632960001@carrier.example");
    Presented::of(&headers, &caller, &called, &called, &NumberPlan::default())
}

fn bench() -> (Trust, Holder, Arc<Chain>) {
    let authority = Authority::new("Test STI-CA");
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
    let holder = authority.issue(Wanted::default());
    let chain = Arc::new(Chain::read(holder.pem.as_bytes()).map_err(Reason::name).expect("a chain"));
    (Trust::new(&[root], []).expect("an authority"), holder, chain)
}

#[test]
fn a_garbled_identity_is_never_valid() {
    let (trust, holder, chain) = bench();
    let good = holder.shaken(X5U, "A", "441632960001", "441632960999", 1_780_272_000);
    let (good_token, _) = good.split_once(';').expect("a token");
    let url = CertificateUrl::parse(X5U).expect("a URL");
    let chains = HashMap::from([(url, Ok(chain))]);
    let mut entropy = Entropy::from_seed([21; 32]);
    let mut examined = 0;
    for _ in 0..INPUTS {
        let input = garble(&mut entropy, good.as_bytes());
        let Some(presented) = presented(&input) else { continue };
        let Ok(candidate) = examine(&presented, &[], NOW) else { continue };
        examined += 1;
        if candidate.judge(&chains, &trust, NOW).is_ok() {
            // What is signed stands as it was: a parameter was changed that says nothing, or lost.
            let text = String::from_utf8_lossy(&input);
            assert_eq!(text.trim().split([';', ' ']).next(), Some(good_token), "{text}");
        }
    }
    assert!(examined > 50, "{examined} came as far as the signature");
}

#[test]
fn garbled_claims_that_are_signed_are_read_or_refused() {
    let (_, holder, _) = bench();
    let header = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{X5U}"}}"#);
    let claims = r#"{"attest":"A","dest":{"tn":["441632960999"]},"iat":1780272000,"orig":{"tn":"441632960001"},"origid":"x"}"#;
    let signature = holder.signature("whatever");
    let mut entropy = Entropy::from_seed([22; 32]);
    let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    let mut read = 0;
    for turn in 0..INPUTS {
        let (mut first, mut second) = (header.clone().into_bytes(), claims.as_bytes().to_vec());
        let garbled = if turn % 2 == 0 { &mut first } else { &mut second };
        *garbled = garble(&mut entropy, garbled);
        let identity = format!("{}.{}.{signature};info=<{X5U}>", encode(&first), encode(&second));
        let presented = presented(identity.as_bytes()).expect("an identity");
        if let Ok(candidate) = examine(&presented, &[], NOW) {
            read += 1;
            assert!(candidate.certificates().iter().all(|url| url.as_str() == X5U));
        }
    }
    assert!(read > 10, "{read} were read");
}

#[test]
fn a_garbled_certificate_signs_for_nobody_else() {
    let (trust, holder, _) = bench();
    let orig = Number::canonical("441632960001").expect("a number");
    let mut entropy = Entropy::from_seed([23; 32]);
    for turn in 0..INPUTS {
        let original = if turn % 2 == 0 { holder.der.as_slice() } else { holder.pem.as_bytes() };
        let input = garble(&mut entropy, original);
        let Ok(chain) = Chain::read(&input) else { continue };
        if chain.check(&trust, NOW, &orig).is_ok() {
            let same = CertificateDer::from_pem_slice(&input).map_or(input.clone(), |der| der.to_vec());
            assert_eq!(same, holder.der, "only text around it was changed");
        }
    }
}

#[test]
fn a_garbled_list_of_numbers_is_read_or_refused() {
    let range = [&[0x30, 21, 0xa1, 19, 0x30, 17, 0x16, 12][..], b"441632960000", &[2, 1, 10]].concat();
    let mut entropy = Entropy::from_seed([24; 32]);
    let outside = Number::canonical("15551234567").expect("a number");
    for _ in 0..INPUTS {
        if let Some(list) = TnAuthList::parse(&garble(&mut entropy, &range)) {
            let _ = list.covers(&outside);
        }
    }
}
