//! An authority of our own for STIR/SHAKEN: certificates with a TNAuthList, and PASSporTs signed with their keys, right
//! ones and such as nobody should believe.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::BASE64URL_NOPAD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, date_time_ymd,
};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    /// What its certificates are followed by.
    chain: String,
}

/// A certificate to ask for. Its defaults are right.
pub struct Wanted {
    /// The content of the TNAuthList.
    pub entitles: Option<Vec<u8>>,
    /// The years from which and to which it holds.
    pub years: (i32, i32),
    /// Another curve.
    pub p384: bool,
    /// A further extension, by its OID below 1.3.6.1.5.5.7.1.
    pub further: Option<u64>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { entitles: Some(provider("709J")), years: (2020, 2040), p384: false, further: None }
    }
}

/// A certificate with its key.
pub struct Holder {
    /// In PEM, those between it and its authority after it.
    pub pem: String,
    /// In DER, its own alone.
    pub der: Vec<u8>,
    /// Its key in PEM.
    pub key: String,
    pkcs8: Vec<u8>,
}

/// A TNAuthList of one service provider.
pub fn provider(code: &str) -> Vec<u8> {
    tlv(0x30, &tlv(0xa0, &tlv(0x16, code.as_bytes())))
}

/// A TNAuthList of one number.
pub fn one_number(number: &str) -> Vec<u8> {
    tlv(0x30, &tlv(0xa2, &tlv(0x16, number.as_bytes())))
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("short");
    [&[tag, length], content].concat()
}

impl Authority {
    /// A root.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let params = Self::params(name);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem, chain: String::new() }
    }

    /// One below it, which may itself be entitled to numbers only.
    pub fn below(&self, name: &str, entitles: Option<Vec<u8>>) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let mut params = Self::params(name);
        params.custom_extensions.extend(entitles.map(extension));
        let pem = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        let chain = format!("{pem}{}", self.chain);
        Self { issuer: Issuer::new(params, key), pem, chain }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate.
    pub fn issue(&self, wanted: Wanted) -> Holder {
        let kind = if wanted.p384 { &PKCS_ECDSA_P384_SHA384 } else { &PKCS_ECDSA_P256_SHA256 };
        let key = KeyPair::generate_for(kind).expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "SHAKEN 709J");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_before = date_time_ymd(wanted.years.0, 1, 1);
        params.not_after = date_time_ymd(wanted.years.1, 1, 1);
        params.custom_extensions.extend(wanted.entitles.map(extension));
        if let Some(last) = wanted.further {
            let oid = [1, 3, 6, 1, 5, 5, 7, 1, last];
            params.custom_extensions.push(CustomExtension::from_oid_content(&oid, vec![0x30, 0]));
        }
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Holder {
            pem: format!("{}{}", certificate.pem(), self.chain),
            der: certificate.der().to_vec(),
            key: key.serialize_pem(),
            pkcs8: key.serialize_der(),
        }
    }
}

fn extension(content: Vec<u8>) -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], content)
}

impl Holder {
    /// Signs a header and claims, whatever they say.
    pub fn token(&self, header: &str, claims: &str) -> String {
        let text = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.as_bytes()),
            BASE64URL_NOPAD.encode(claims.as_bytes())
        );
        format!("{text}.{}", self.signature(&text))
    }

    /// The signature of a text.
    pub fn signature(&self, text: &str) -> String {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8).expect("a key");
        let signature = key.sign(&SystemRandom::new(), text.as_bytes()).expect("signed");
        BASE64URL_NOPAD.encode(signature.as_ref())
    }

    /// The Identity header of a call from `orig` to `dest` at `iat`.
    pub fn shaken(&self, x5u: &str, level: &str, orig: &str, dest: &str, iat: i64) -> String {
        let header = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{x5u}"}}"#);
        let claims = format!(
            r#"{{"attest":"{level}","dest":{{"tn":["{dest}"]}},"iat":{iat},"orig":{{"tn":"{orig}"}},"origid":"8b5c0e4a-6f3b-4d6e-9a1c-2f7d9f0c1b2a"}}"#
        );
        format!("{};info=<{x5u}>;alg=ES256;ppt=shaken", self.token(&header, &claims))
    }

    /// That of a call of `orig` to `from`, sent on to `dest`.
    pub fn div(&self, x5u: &str, orig: &str, from: &str, dest: &str, iat: i64) -> String {
        let header = format!(r#"{{"alg":"ES256","ppt":"div","typ":"passport","x5u":"{x5u}"}}"#);
        let claims = format!(
            r#"{{"dest":{{"tn":["{dest}"]}},"div":{{"tn":"{from}"}},"iat":{iat},"orig":{{"tn":"{orig}"}}}}"#
        );
        format!("{};info=<{x5u}>;alg=ES256;ppt=div", self.token(&header, &claims))
    }
}
