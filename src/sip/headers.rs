//! The headers of a message, in their order, and typed views of those that the engine reads.
//!
//! Values are slices of the received datagram. A typed accessor parses when asked; [`super::Message::parse`]
//! has already checked Via, From, To, Call-ID, CSeq and Max-Forwards, so for a received message these
//! don't fail.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::header::{CSeq, Contacts, MediaType, NameAddr, Via};
use super::header_name::{HeaderName, Name};
use super::lexer;
use super::method::Method;

/// One header line.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: HeaderName,
    /// Its value, unfolded, without white space around it.
    pub value: Bytes,
}

/// The headers of a message. `Debug` gives names and sizes only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Field>);

/// Why a typed view of a header can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It isn't there.
    #[error("no {}", .0.as_str())]
    Missing(Name),
    /// It breaks its grammar, or stands twice where it may stand once.
    #[error("malformed {}", .0.as_str())]
    Malformed(Name),
}

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Field> {
        self.0.iter()
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first header of this name.
    #[must_use]
    pub fn get(&self, name: impl Into<HeaderName>) -> Option<&Bytes> {
        let name = name.into();
        self.0.iter().find(|field| field.name == name).map(|field| &field.value)
    }

    /// The values of all headers of this name, one per line.
    pub fn all(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &Bytes> {
        let name = name.into();
        self.0.iter().filter(move |field| field.name == name).map(|field| &field.value)
    }

    /// The first header of this name as text (UTF-8, or else taken for Latin-1).
    #[must_use]
    pub fn text(&self, name: impl Into<HeaderName>) -> Option<Cow<'_, str>> {
        self.get(name).map(|value| lexer::text(value))
    }

    /// Appends a header. Line breaks in the value become spaces: nobody writes headers of their own by way
    /// of a value.
    pub fn push(&mut self, name: impl Into<HeaderName>, value: impl Into<Bytes>) {
        self.0.push(Field { name: name.into(), value: one_line(value.into()) });
    }

    /// Replaces all headers of this name by one, at the place of the first.
    pub fn set(&mut self, name: impl Into<HeaderName>, value: impl Into<Bytes>) {
        let name = name.into();
        let place = self.0.iter().position(|field| field.name == name).unwrap_or(self.0.len());
        self.0.retain(|field| field.name != name);
        self.0.insert(place.min(self.0.len()), Field { name, value: one_line(value.into()) });
    }

    /// Removes all headers of this name.
    pub fn remove(&mut self, name: impl Into<HeaderName>) {
        let name = name.into();
        self.0.retain(|field| field.name != name);
    }

    /// Appends what the parser has split already.
    pub(super) fn push_parsed(&mut self, field: Field) {
        self.0.push(field);
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via, HeaderError> {
        let value = self.get(Name::Via).ok_or(HeaderError::Missing(Name::Via))?;
        let first = lexer::split_commas(value).next().unwrap_or_default();
        Via::parse(first).ok_or(HeaderError::Malformed(Name::Via))
    }

    /// All Via values, topmost first.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.split(Name::Via)
            .map(|value| Via::parse(value).ok_or(HeaderError::Malformed(Name::Via)))
            .collect()
    }

    /// Replaces the topmost Via (to note `received` and `rport`).
    pub fn set_top_via(&mut self, via: &Via) {
        let Some(field) = self.0.iter_mut().find(|field| field.name == HeaderName::Known(Name::Via)) else {
            return;
        };
        let mut value = via.to_string().into_bytes();
        for further in lexer::split_commas(&field.value).skip(1) {
            value.extend_from_slice(b", ");
            value.extend_from_slice(further);
        }
        field.value = value.into();
    }

    /// From.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.name_addr(Name::From)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.name_addr(Name::To)
    }

    /// Call-ID.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        let value = self.get(Name::CallId).ok_or(HeaderError::Missing(Name::CallId))?;
        let valid = !value.is_empty() && value.iter().all(|byte| byte.is_ascii_graphic());
        valid.then(|| std::str::from_utf8(value).ok()).flatten().ok_or(HeaderError::Malformed(Name::CallId))
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        let value = self.get(Name::CSeq).ok_or(HeaderError::Missing(Name::CSeq))?;
        CSeq::parse(value).ok_or(HeaderError::Malformed(Name::CSeq))
    }

    /// All Contact values; an empty list when there is none.
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        if self.all(Name::Contact).any(|value| value.as_ref() == b"*") {
            return if self.all(Name::Contact).count() == 1 {
                Ok(Contacts::All)
            } else {
                Err(HeaderError::Malformed(Name::Contact))
            };
        }
        self.name_addrs(Name::Contact).map(Contacts::List)
    }

    /// The first Contact that is an address: the remote target of a dialog.
    pub fn contact(&self) -> Result<NameAddr, HeaderError> {
        let contacts = self.contacts()?;
        contacts.first().cloned().ok_or(HeaderError::Missing(Name::Contact))
    }

    /// Record-Route, in order of appearance.
    pub fn record_route(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.name_addrs(Name::RecordRoute)
    }

    /// Route, in order of appearance.
    pub fn route(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.name_addrs(Name::Route)
    }

    /// P-Asserted-Identity (RFC 3325): one or two values.
    pub fn asserted_identities(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.name_addrs(Name::PAssertedIdentity)
    }

    /// Max-Forwards; `None` when absent (RFC 2543 peers).
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        // RFC 3261 §20.22: 0 to 255.
        self.number(Name::MaxForwards)?
            .map(|hops| u8::try_from(hops).map_err(|_| HeaderError::Malformed(Name::MaxForwards)))
            .transpose()
    }

    /// Expires in seconds; `None` when absent.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.number(Name::Expires)
    }

    /// Content-Length; `None` when absent.
    pub fn content_length(&self) -> Result<Option<u32>, HeaderError> {
        self.number(Name::ContentLength)
    }

    /// Content-Type; `None` when absent.
    pub fn content_type(&self) -> Result<Option<MediaType>, HeaderError> {
        self.get(Name::ContentType)
            .map(|value| MediaType::parse(value).ok_or(HeaderError::Malformed(Name::ContentType)))
            .transpose()
    }

    /// Accept; `None` when absent, which means `application/sdp` (RFC 3261 §20.1).
    pub fn accept(&self) -> Result<Option<Vec<MediaType>>, HeaderError> {
        if self.get(Name::Accept).is_none() {
            return Ok(None);
        }
        self.split(Name::Accept)
            .filter(|value| !value.is_empty())
            .map(|value| MediaType::parse(value).ok_or(HeaderError::Malformed(Name::Accept)))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Option tags that the peer demands.
    #[must_use]
    pub fn require(&self) -> Vec<String> {
        self.tokens(Name::Require)
    }

    /// Option tags that the peer offers.
    #[must_use]
    pub fn supported(&self) -> Vec<String> {
        self.tokens(Name::Supported)
    }

    /// Methods that the peer takes.
    #[must_use]
    pub fn allow(&self) -> Vec<Method> {
        self.tokens(Name::Allow).iter().map(|token| Method::from_token(token)).collect()
    }

    /// The values of a comma-separated header, over all its lines.
    #[must_use]
    pub fn tokens(&self, name: Name) -> Vec<String> {
        self.split(name)
            .filter(|token| !token.is_empty())
            .map(|token| lexer::text(token).into_owned())
            .collect()
    }

    /// The addresses of a comma-separated header, over all its lines.
    pub fn name_addrs(&self, name: Name) -> Result<Vec<NameAddr>, HeaderError> {
        self.split(name).map(|value| NameAddr::parse(value).ok_or(HeaderError::Malformed(name))).collect()
    }

    fn name_addr(&self, name: Name) -> Result<NameAddr, HeaderError> {
        let value = self.get(name).ok_or(HeaderError::Missing(name))?;
        NameAddr::parse(value).ok_or(HeaderError::Malformed(name))
    }

    fn number(&self, name: Name) -> Result<Option<u32>, HeaderError> {
        self.get(name).map(|value| lexer::decimal(value).ok_or(HeaderError::Malformed(name))).transpose()
    }

    fn split(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.all(name).flat_map(|value| lexer::split_commas(value))
    }
}

/// No line break leaves in a value.
fn one_line(value: Bytes) -> Bytes {
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        value.iter().map(|&byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }).collect()
    } else {
        value
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|field| (field.name.as_str(), field.value.len()))).finish()
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} bytes", self.name, self.value.len())
    }
}
