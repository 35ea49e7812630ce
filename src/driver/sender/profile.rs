//! Requests to providers of short messages, and what their replies say.

use serde::Deserialize;
use serde_json::{Value, json};

use super::letter::{Channel, Letter, LetterId};
use super::outcome::{Accepted, Code, NotTaken};
use super::signed;
use super::sms_http::{Format, Settings};
use super::web::{self, Body};
use crate::secret::Secret;
use crate::units::UnixTime;

/// Whose interface it is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Ours: a body by template, with a signature.
    Signed,
    /// In the style of Twilio's Messages.
    Twilio,
    /// In the style of Twilio's Calls: the text is spoken, twice.
    TwilioCall,
    /// In the style of Vonage's SMS API.
    VonageForm,
    /// In the style of Vonage's Messages API.
    VonageJson,
}

impl Profile {
    /// The channel that it is for; none of its own for `signed`.
    pub(super) const fn channel(self) -> Option<Channel> {
        match self {
            Self::Signed => None,
            Self::TwilioCall => Some(Channel::Call),
            Self::Twilio | Self::VonageForm | Self::VonageJson => Some(Channel::Sms),
        }
    }

    /// The provider's own address.
    pub(super) fn url(self, account: &str) -> Option<String> {
        let twilio = |what| Some(format!("https://api.twilio.com/2010-04-01/Accounts/{account}/{what}.json"));
        match self {
            Self::Signed => None,
            Self::Twilio => twilio("Messages"),
            Self::TwilioCall => twilio("Calls"),
            Self::VonageForm => Some("https://rest.nexmo.com/sms/json".to_owned()),
            Self::VonageJson => Some("https://api.nexmo.com/v1/messages".to_owned()),
        }
    }
}

/// A request.
pub(super) struct Request {
    pub(super) headers: Vec<(&'static str, Secret<String>)>,
    pub(super) body: Body,
}

/// The request that hands a letter over.
pub(super) fn request(
    settings: &Settings,
    secret: &Secret<String>,
    id: LetterId,
    letter: &Letter,
    now: UnixTime,
) -> Result<Request, NotTaken> {
    let (to, text) = (letter.to.expose().as_str(), letter.text.expose().as_str());
    if text.is_empty() || to.is_empty() {
        return Err(NotTaken::Unfit);
    }
    // Providers that are told a letter's name give it back with their reports.
    let callback = settings.callback.as_ref().map(|url| {
        let joint = if url.contains('?') { '&' } else { '?' };
        format!("{url}{joint}letter={id}")
    });
    let callback = callback.as_deref();
    let from = settings.from.as_str();
    let basic = || vec![("Authorization", web::basic(&settings.account, secret))];
    Ok(match settings.profile {
        Profile::Signed => return Ok(own(settings, secret, id, letter, now)),
        Profile::Twilio => {
            let mut pairs = vec![("To", to), ("From", from), ("Body", text)];
            pairs.extend(callback.map(|url| ("StatusCallback", url)));
            Request { headers: basic(), body: web::form(&pairs) }
        }
        Profile::TwilioCall => {
            let spoken = Secret::new(twiml(text, &letter.language));
            let mut pairs = vec![("To", to), ("From", from), ("Twiml", spoken.expose())];
            pairs.extend(callback.map(|url| ("StatusCallback", url)));
            Request { headers: basic(), body: web::form(&pairs) }
        }
        Profile::VonageForm => {
            let name = id.to_string();
            let number = to.trim_start_matches('+');
            let kind = if text.is_ascii() { "text" } else { "unicode" };
            let mut pairs = vec![
                ("api_key", settings.account.as_str()),
                ("api_secret", secret.expose()),
                ("from", from.trim_start_matches('+')),
                ("to", number),
                ("text", text),
                ("type", kind),
                ("client-ref", &name),
            ];
            pairs.extend(settings.callback.as_deref().map(|url| ("callback", url)));
            Request { headers: Vec::new(), body: web::form(&pairs) }
        }
        Profile::VonageJson => {
            let mut body = json!({
                "message_type": "text", "channel": "sms", "to": to.trim_start_matches('+'),
                "from": from.trim_start_matches('+'), "text": text, "client_ref": id.to_string(),
            });
            if let Some(url) = &settings.callback {
                body["webhook_url"] = url.as_str().into();
            }
            Request { headers: basic(), body: web::json(&body) }
        }
    })
}

/// A body by template, signed with the time.
fn own(
    settings: &Settings,
    secret: &Secret<String>,
    id: LetterId,
    letter: &Letter,
    now: UnixTime,
) -> Request {
    let values = [
        ("id", id.to_string()),
        ("to", letter.to.expose().clone()),
        ("from", settings.from.clone()),
        ("text", letter.text.expose().clone()),
        ("language", letter.language.clone()),
        ("purpose", letter.purpose.name().to_owned()),
        ("callback", settings.callback.clone().unwrap_or_default()),
    ];
    let template = settings.body.as_deref().unwrap_or(match settings.format {
        Format::Json => OWN_JSON,
        Format::Form => OWN_FORM,
    });
    let bytes = Secret::new(fill(template, &values, settings.format));
    let media = match settings.format {
        Format::Json => "application/json",
        Format::Form => "application/x-www-form-urlencoded",
    };
    let seconds = now.seconds();
    let signature = signed::sign(secret, seconds, bytes.expose());
    let headers = vec![
        (signed::TIMESTAMP, Secret::new(seconds.to_string())),
        (signed::SIGNATURE, Secret::new(signature)),
    ];
    for (_, value) in values {
        drop(Secret::new(value));
    }
    Request { headers, body: Body { media, bytes } }
}

const OWN_JSON: &str = r#"{"id": {id}, "to": {to}, "from": {from}, "text": {text}, "language": {language}, "purpose": {purpose}, "callback": {callback}}"#;
const OWN_FORM: &str =
    "id={id}&to={to}&from={from}&text={text}&language={language}&purpose={purpose}&callback={callback}";

/// Fills a template in one pass: what is filled in is never read as a placeholder.
fn fill(template: &str, values: &[(&str, String)], format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.extend_from_slice(before.as_bytes());
        let named = after.split_once('}').and_then(|(name, behind)| {
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| (value, behind))
        });
        let Some((value, behind)) = named else {
            out.push(b'{');
            rest = after;
            continue;
        };
        match format {
            Format::Json => out.extend(Value::from(value.as_str()).to_string().into_bytes()),
            Format::Form => web::encode(value, &mut out),
        }
        rest = behind;
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// Speaks a text twice, with a pause; digits one by one, slowly.
fn twiml(text: &str, language: &str) -> String {
    let mut spoken = String::new();
    let mut after_digit = false;
    for c in text.chars() {
        if after_digit && c.is_ascii_digit() {
            spoken.push_str(", ");
        }
        after_digit = c.is_ascii_digit();
        match c {
            '&' => spoken.push_str("&amp;"),
            '<' => spoken.push_str("&lt;"),
            '>' => spoken.push_str("&gt;"),
            '"' => spoken.push_str("&quot;"),
            c if c.is_control() => spoken.push(' '),
            c => spoken.push(c),
        }
    }
    let language: String = language.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let say = format!("<Say language=\"{language}\">{spoken}</Say>");
    format!("<Response><Pause length=\"1\"/>{say}<Pause length=\"2\"/>{say}</Response>")
}

/// What a reply says.
pub(super) fn taken(settings: &Settings, status: u16, body: &[u8]) -> Result<Accepted, NotTaken> {
    let reply: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let field = |name: &str| match &reply[name] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let success = (200..300).contains(&status);
    let accepted = |reference: Option<String>| Accepted {
        reference: reference.filter(|name| fits(name)),
        delivered: false,
    };
    match settings.profile {
        Profile::Signed if success => Ok(accepted(field(&settings.reference))),
        Profile::Signed if matches!(status, 404 | 410 | 422) => Err(NotTaken::Address(Code::Http(status))),
        Profile::Twilio | Profile::TwilioCall if success => {
            field("sid").map(|sid| accepted(Some(sid))).ok_or(NotTaken::Garbage)
        }
        Profile::Twilio | Profile::TwilioCall => Err(twilio_error(status, reply["code"].as_u64())),
        Profile::VonageForm if success => vonage_form(&reply, accepted),
        Profile::VonageJson if success => {
            field("message_uuid").map(|uuid| accepted(Some(uuid))).ok_or(NotTaken::Garbage)
        }
        Profile::VonageJson if status == 422 => Err(NotTaken::Address(Code::Http(status))),
        _ => Err(web::refused(status)),
    }
}

/// A name that can stand in a database and in logs.
fn fits(reference: &str) -> bool {
    !reference.is_empty() && reference.len() <= 128 && reference.chars().all(|c| c.is_ascii_graphic())
}

/// Twilio's own codes: <https://www.twilio.com/docs/api/errors>.
fn twilio_error(status: u16, code: Option<u64>) -> NotTaken {
    let Some(code) = code.and_then(|code| u32::try_from(code).ok()) else { return web::refused(status) };
    match code {
        // Not a number, not reachable, a landline, unsubscribed, blocked.
        21211 | 21214 | 21217 | 21219 | 21610 | 21612 | 21614 | 13223..=13225 => {
            NotTaken::Address(Code::Own(code))
        }
        20003 | 20005 => NotTaken::Credentials(Code::Own(code)),
        20429 | 21611 | 14107 => NotTaken::Throttled(Code::Own(code)),
        _ => NotTaken::Provider(Code::Own(code)),
    }
}

/// Vonage's statuses: <https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms>. A long text is
/// several messages, of which every one must be taken.
fn vonage_form(reply: &Value, accepted: impl Fn(Option<String>) -> Accepted) -> Result<Accepted, NotTaken> {
    let messages = reply["messages"].as_array().filter(|all| !all.is_empty()).ok_or(NotTaken::Garbage)?;
    for message in messages {
        let status = message["status"].as_str().and_then(|status| status.parse::<u32>().ok());
        let code = Code::Own(status.ok_or(NotTaken::Garbage)?);
        match status {
            Some(0) => {}
            Some(1) => return Err(NotTaken::Throttled(code)),
            Some(4 | 8 | 14 | 32) => return Err(NotTaken::Credentials(code)),
            Some(6 | 7) => return Err(NotTaken::Address(code)),
            _ => return Err(NotTaken::Provider(code)),
        }
    }
    let last = messages.last().and_then(|message| message["message-id"].as_str());
    Ok(accepted(last.map(str::to_owned)))
}

#[cfg(test)]
#[path = "profile_tests.rs"]
pub(super) mod tests;
