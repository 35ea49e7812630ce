//! An authenticator in software, and the browser around it: makes passkeys and signs with them, and can be told to
//! lie in every field.

#![allow(dead_code, reason = "each test uses a part of it")]

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use cbor4ii::core::Value;
use cbor4ii::core::enc::Encode as _;
use cbor4ii::core::utils::BufWriter;
use countersign::auth::webauthn::{Assertion, Registration};
use data_encoding::BASE64URL_NOPAD;

pub(crate) const UP: u8 = 0x01;
pub(crate) const UV: u8 = 0x04;
pub(crate) const BE: u8 = 0x08;
pub(crate) const BS: u8 = 0x10;
pub(crate) const AT: u8 = 0x40;
pub(crate) const ED: u8 = 0x80;

/// A key of the device.
enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// A device with one passkey.
pub(crate) struct Authenticator {
    pub(crate) id: Vec<u8>,
    key: Key,
    pub(crate) counter: u32,
    /// What it says in the next ceremony.
    pub(crate) says: Says,
}

/// What browser and device say.
#[derive(Clone)]
pub(crate) struct Says {
    pub(crate) kind: Option<&'static str>,
    pub(crate) origin: String,
    pub(crate) host: String,
    pub(crate) flags: u8,
    /// More fields of the client data, each behind a comma.
    pub(crate) more: &'static str,
    pub(crate) format: &'static str,
    pub(crate) statement: Vec<(Value, Value)>,
    pub(crate) behind: Vec<u8>,
    pub(crate) user: Option<Vec<u8>>,
}

/// What comes out of a registration.
pub(crate) struct Made {
    pub(crate) id: Vec<u8>,
    pub(crate) client_data: Vec<u8>,
    pub(crate) attestation: Vec<u8>,
}

/// What comes out of an assertion.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) id: Vec<u8>,
    pub(crate) client_data: Vec<u8>,
    pub(crate) authenticator_data: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) user: Option<Vec<u8>>,
}

impl Made {
    pub(crate) fn parts(&self) -> Registration<'_> {
        Registration { id: &self.id, client_data: &self.client_data, attestation: &self.attestation }
    }
}

impl Signed {
    pub(crate) fn parts(&self) -> Assertion<'_> {
        Assertion {
            id: &self.id,
            client_data: &self.client_data,
            authenticator_data: &self.authenticator_data,
            signature: &self.signature,
            user: self.user.as_deref(),
        }
    }
}

impl Authenticator {
    /// One that signs as most do, for a page of this host.
    pub(crate) fn new(host: &str) -> Self {
        Self::of(host, Key::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key")))
    }

    pub(crate) fn ed25519(host: &str) -> Self {
        Self::of(host, Key::EdDsa(Ed25519KeyPair::generate().expect("a key")))
    }

    pub(crate) fn rsa(host: &str) -> Self {
        Self::of(host, Key::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")))
    }

    fn of(host: &str, key: Key) -> Self {
        let mut id = vec![0; 32];
        aws_lc_rs::rand::fill(&mut id).expect("random");
        let name = host.split(':').next().unwrap_or_default().to_owned();
        let says = Says {
            kind: None,
            origin: format!("https://{host}"),
            host: name,
            flags: UP | UV,
            more: "",
            format: "none",
            statement: Vec::new(),
            behind: Vec::new(),
            user: None,
        };
        Self { id, key, counter: 0, says }
    }

    fn client_data(&self, kind: &str, challenge: &[u8]) -> Vec<u8> {
        let Says { kind: told, origin, more, .. } = &self.says;
        let kind = told.unwrap_or(kind);
        let challenge = BASE64URL_NOPAD.encode(challenge);
        format!(
            r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":false{more}}}"#
        )
        .into_bytes()
    }

    fn head(&self, flags: u8) -> Vec<u8> {
        let mut out = digest(&SHA256, self.says.host.as_bytes()).as_ref().to_vec();
        out.push(flags);
        out.extend(self.counter.to_be_bytes());
        out
    }

    /// Its public key in COSE's form.
    pub(crate) fn cose(&self) -> Vec<(Value, Value)> {
        let number = |number: i128| Value::Integer(number);
        let pair = |name: i128, value: Value| (number(name), value);
        match &self.key {
            Key::Es256(key) => {
                let point = key.public_key().as_ref();
                let (x, y) = (point[1..33].to_vec(), point[33..].to_vec());
                vec![
                    pair(1, number(2)),
                    pair(3, number(-7)),
                    pair(-1, number(1)),
                    pair(-2, Value::Bytes(x)),
                    pair(-3, Value::Bytes(y)),
                ]
            }
            Key::EdDsa(key) => vec![
                pair(1, number(1)),
                pair(3, number(-8)),
                pair(-1, number(6)),
                pair(-2, Value::Bytes(key.public_key().as_ref().to_vec())),
            ],
            Key::Rs256(key) => {
                // RFC 8017 §A.1.1: two integers, of which the first has 2048 bits and a zero before them.
                let der = key.public_key().as_ref();
                let (n, e) = (der[9..265].to_vec(), der[267..].to_vec());
                vec![
                    pair(1, number(3)),
                    pair(3, number(-257)),
                    pair(-1, Value::Bytes(n)),
                    pair(-2, Value::Bytes(e)),
                ]
            }
        }
    }

    /// Makes its passkey.
    pub(crate) fn register(&self, challenge: &[u8]) -> Made {
        self.register_as(challenge, &encoded(&Value::Map(self.cose())))
    }

    /// As [`Authenticator::register`], with what it says is its key.
    pub(crate) fn register_as(&self, challenge: &[u8], cose: &[u8]) -> Made {
        let mut data = self.head(self.says.flags | AT);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).expect("short").to_be_bytes());
        data.extend(&self.id);
        data.extend(cose);
        data.extend(&self.says.behind);
        self.attested(challenge, data)
    }

    /// As [`Authenticator::register`], with this as the authenticator's data.
    pub(crate) fn attested(&self, challenge: &[u8], data: Vec<u8>) -> Made {
        let text = |text: &str| Value::Text(text.to_owned());
        let object = Value::Map(vec![
            (text("fmt"), text(self.says.format)),
            (text("attStmt"), Value::Map(self.says.statement.clone())),
            (text("authData"), Value::Bytes(data)),
        ]);
        Made {
            id: self.id.clone(),
            client_data: self.client_data("webauthn.create", challenge),
            attestation: encoded(&object),
        }
    }

    /// Signs with it.
    pub(crate) fn sign(&mut self, challenge: &[u8]) -> Signed {
        self.counter = self.counter.saturating_add(u32::from(self.counter > 0));
        let mut authenticator_data = self.head(self.says.flags);
        authenticator_data.extend(&self.says.behind);
        let client_data = self.client_data("webauthn.get", challenge);
        let signature = self.over(&authenticator_data, &client_data);
        let (id, user) = (self.id.clone(), self.says.user.clone());
        Signed { id, client_data, authenticator_data, signature, user }
    }

    /// Its signature over this.
    pub(crate) fn over(&self, authenticator_data: &[u8], client_data: &[u8]) -> Vec<u8> {
        let hash = digest(&SHA256, client_data);
        let signed = [authenticator_data, hash.as_ref()].concat();
        let random = SystemRandom::new();
        match &self.key {
            Key::Es256(key) => key.sign(&random, &signed).expect("signed").as_ref().to_vec(),
            Key::EdDsa(key) => key.sign(&signed).as_ref().to_vec(),
            Key::Rs256(key) => {
                let mut out = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, &signed, &mut out).expect("signed");
                out
            }
        }
    }
}

/// In CBOR.
pub(crate) fn encoded(value: &Value) -> Vec<u8> {
    let mut out = BufWriter::new(Vec::new());
    value.encode(&mut out).expect("encodes");
    out.buffer().to_vec()
}
