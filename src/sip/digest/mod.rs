//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760): challenges, credentials, both sides.
//!
//! SHA-256 and MD5, `qop=auth` and `auth-int`, no session variants. An algorithm that is not known here is
//! passed over, never taken for MD5. What is kept of a password is HA1, and HA1 is as good as the password
//! for its realm: it is a [`Secret`].

mod fields;
mod nonce;

use std::fmt;

use md5::Md5;
use sha2::{Digest as _, Sha256};

use self::fields::Fields;
pub use self::nonce::{Freshness, Nonces};
use super::header_name::Name;
use super::lexer;
use super::message::{Request, Response};
use super::method::Method;
use crate::secret::Secret;

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-256 (RFC 8760).
    Sha256,
    /// MD5, for phones that know nothing else.
    Md5,
}

/// What is kept of a password: one hash for each algorithm, in lower-case hexadecimal.
#[derive(Clone)]
pub struct StoredHa1 {
    /// SHA-256 of `user:realm:password`.
    pub sha256: Secret<String>,
    /// MD5 of the same.
    pub md5: Secret<String>,
}

/// A challenge: the value of WWW-Authenticate or Proxy-Authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose password is wanted.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// To be returned as it is.
    pub opaque: Option<String>,
    /// How to hash.
    pub algorithm: Algorithm,
    /// The qualities of protection offered.
    pub qop: Vec<Qop>,
    /// The password was right, the nonce too old.
    pub stale: bool,
}

/// Quality of protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qop {
    /// Method and URI.
    Auth,
    /// The body too.
    AuthInt,
}

/// Credentials: the value of Authorization or Proxy-Authorization. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Who.
    pub username: String,
    /// Whose password.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The URI as it was hashed.
    pub uri: String,
    /// The proof, in hexadecimal.
    pub response: String,
    /// How it was hashed.
    pub algorithm: Algorithm,
    /// The client's nonce; there with `qop`.
    pub cnonce: String,
    /// How often this nonce was used, counted from 1; 0 without `qop`.
    pub count: u32,
    /// `None` as in RFC 2069.
    pub qop: Option<Qop>,
    /// As the challenge said.
    pub opaque: Option<String>,
}

impl Algorithm {
    /// The name of RFC 7616 §6.1.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// `None` when it is not known here. A missing name means MD5 (RFC 7616 §3.3).
    fn from_name(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Md5),
            Some(name) => {
                [Self::Sha256, Self::Md5].into_iter().find(|own| own.name().eq_ignore_ascii_case(name))
            }
        }
    }

    /// The hash of the parts with colons between, in lower-case hexadecimal.
    fn hash(self, parts: &[&[u8]]) -> String {
        let text = parts.join(&b':');
        match self {
            Self::Sha256 => data_encoding::HEXLOWER.encode(&Sha256::digest(&text)),
            Self::Md5 => data_encoding::HEXLOWER.encode(&Md5::digest(&text)),
        }
    }
}

impl Qop {
    const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|own| own.name().eq_ignore_ascii_case(name))
    }
}

impl StoredHa1 {
    /// From the password.
    #[must_use]
    pub fn of(user: &str, realm: &str, password: &Secret<String>) -> Self {
        let parts = [user.as_bytes(), realm.as_bytes(), password.expose().as_bytes()];
        Self {
            sha256: Secret::new(Algorithm::Sha256.hash(&parts)),
            md5: Secret::new(Algorithm::Md5.hash(&parts)),
        }
    }

    const fn of_algorithm(&self, algorithm: Algorithm) -> &Secret<String> {
        match algorithm {
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Md5 => &self.md5,
        }
    }
}

impl Challenge {
    /// Reads one challenge; `None` for another scheme, an unknown algorithm, or what is no challenge.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let fields = Fields::parse(value)?;
        let qop = match fields.get("qop") {
            None => Vec::new(),
            Some(names) => {
                let known: Vec<Qop> =
                    names.split(',').filter_map(|name| Qop::from_name(name.trim())).collect();
                if known.is_empty() {
                    return None;
                }
                known
            }
        };
        Some(Self {
            realm: fields.get("realm")?.to_owned(),
            nonce: fields.get("nonce")?.to_owned(),
            opaque: fields.get("opaque").map(str::to_owned),
            algorithm: Algorithm::from_name(fields.get("algorithm"))?,
            qop,
            stale: fields.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", lexer::quote(&self.realm), lexer::quote(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", lexer::quote(opaque))?;
        }
        write!(f, ", algorithm={}", self.algorithm.name())?;
        if !self.qop.is_empty() {
            let names: Vec<_> = self.qop.iter().map(|qop| qop.name()).collect();
            write!(f, ", qop=\"{}\"", names.join(","))?;
        }
        if self.stale { f.write_str(", stale=true") } else { Ok(()) }
    }
}

impl Authorization {
    /// Reads credentials; `None` for another scheme (RFC 4475 §3.3.7: passed over), an unknown algorithm, or
    /// what is incomplete.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let fields = Fields::parse(value)?;
        let qop = fields.get("qop").map(Qop::from_name);
        let (qop, cnonce, count) = match qop {
            None => (None, "", 0),
            Some(qop) => {
                let count = fields.get("nc").filter(|digits| digits.len() == 8)?;
                (Some(qop?), fields.get("cnonce")?, u32::from_str_radix(count, 16).ok()?)
            }
        };
        Some(Self {
            username: fields.get("username")?.to_owned(),
            realm: fields.get("realm")?.to_owned(),
            nonce: fields.get("nonce")?.to_owned(),
            uri: fields.get("uri")?.to_owned(),
            response: fields.get("response")?.to_ascii_lowercase(),
            algorithm: Algorithm::from_name(fields.get("algorithm"))?,
            cnonce: cnonce.to_owned(),
            count,
            qop,
            opaque: fields.get("opaque").map(str::to_owned),
        })
    }

    /// Whether the proof is right for this HA1, method and body. Compares in constant time. The URI is the
    /// one that was hashed; whether it is the Request-URI is the caller's question.
    #[must_use]
    pub fn verify(&self, ha1: &StoredHa1, method: &Method, body: &[u8]) -> bool {
        let wanted = Secret::new(self.proof(ha1.of_algorithm(self.algorithm), method, body));
        wanted.matches(self.response.as_bytes())
    }

    /// RFC 7616 §3.4.1.
    fn proof(&self, ha1: &Secret<String>, method: &Method, body: &[u8]) -> String {
        let (algorithm, uri) = (self.algorithm, self.uri.as_bytes());
        let ha2 = match self.qop {
            Some(Qop::AuthInt) => {
                let body = algorithm.hash(&[body]);
                algorithm.hash(&[method.as_str().as_bytes(), uri, body.as_bytes()])
            }
            _ => algorithm.hash(&[method.as_str().as_bytes(), uri]),
        };
        let ha1 = ha1.expose().as_bytes();
        match self.qop {
            Some(qop) => {
                let count = format!("{:08x}", self.count);
                let (nonce, cnonce) = (self.nonce.as_bytes(), self.cnonce.as_bytes());
                let parts = [ha1, nonce, count.as_bytes(), cnonce, qop.name().as_bytes(), ha2.as_bytes()];
                algorithm.hash(&parts)
            }
            None => algorithm.hash(&[ha1, self.nonce.as_bytes(), ha2.as_bytes()]),
        }
    }

    /// The client's side: credentials for `challenge`. With `qop`, `count` starts at 1 for each nonce.
    #[must_use]
    pub fn answer(challenge: &Challenge, login: &Login<'_>, asked: &Asked<'_>) -> Self {
        // `auth` when offered: nobody between us and the server may be left to change the body on purpose.
        let qop = challenge.qop.iter().copied().min_by_key(|qop| *qop == Qop::AuthInt);
        let mut credentials = Self {
            username: login.username.to_owned(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: asked.uri.to_owned(),
            response: String::new(),
            algorithm: challenge.algorithm,
            cnonce: if qop.is_some() { login.cnonce.to_owned() } else { String::new() },
            count: if qop.is_some() { login.count } else { 0 },
            qop,
            opaque: challenge.opaque.clone(),
        };
        let ha1 = StoredHa1::of(login.username, &challenge.realm, login.password);
        credentials.response =
            credentials.proof(ha1.of_algorithm(challenge.algorithm), asked.method, asked.body);
        credentials
    }
}

/// Who answers a challenge.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The user name.
    pub username: &'a str,
    /// The password.
    pub password: &'a Secret<String>,
    /// Fresh randomness.
    pub cnonce: &'a str,
    /// How often the nonce is used, from 1.
    pub count: u32,
}

/// What is asked for, as far as the proof covers it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a Method,
    /// The Request-URI as written.
    pub uri: &'a str,
    /// The body, for `auth-int`.
    pub body: &'a [u8],
}

/// Answers the challenges of a 401 or 407: which header to repeat `request` with. `None` when there is no
/// challenge that can be answered.
#[must_use]
pub fn respond(
    response: &Response,
    request: &Request,
    username: &str,
    password: &Secret<String>,
    cnonce: &str,
) -> Option<(Name, String)> {
    let (from, to) = match response.status.code() {
        401 => (Name::WwwAuthenticate, Name::Authorization),
        407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        _ => return None,
    };
    // RFC 8760 §2.4: the server names its favourite first; take the topmost that is known.
    let challenge = response.headers.all(from).find_map(|value| Challenge::parse(value))?;
    let uri = request.uri.to_string();
    let login = Login { username, password, cnonce, count: 1 };
    let asked = Asked { method: &request.method, uri: &uri, body: &request.body };
    Some((to, Authorization::answer(&challenge, &login, &asked).to_string()))
}

impl fmt::Display for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\", algorithm={}",
            lexer::quote(&self.username),
            lexer::quote(&self.realm),
            lexer::quote(&self.nonce),
            lexer::quote(&self.uri),
            self.response,
            self.algorithm.name(),
        )?;
        if let Some(qop) = self.qop {
            let cnonce = lexer::quote(&self.cnonce);
            write!(f, ", qop={}, nc={:08x}, cnonce={cnonce}", qop.name(), self.count)?;
        }
        match &self.opaque {
            Some(opaque) => write!(f, ", opaque={}", lexer::quote(opaque)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorization({})", self.algorithm.name())
    }
}

impl fmt::Debug for StoredHa1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredHa1")
    }
}

impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

#[cfg(test)]
mod tests;
