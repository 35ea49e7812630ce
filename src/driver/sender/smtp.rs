//! Mail: hands letters to a mail server by SMTP (RFC 5321), with TLS from the start or by STARTTLS (RFC 3207), and
//! AUTH (RFC 4954).
//!
//! One letter is one connection: codes are few, and a connection that was kept is closed by servers when it
//! pleases them.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;

use super::letter::{Channel, Letter, LetterId};
use super::outcome::{Accepted, Code, NotTaken};
use super::{LettersConfig, Sender, SenderSettings, Tools, Unusable, a_host, mail};
use crate::driver::os;
use crate::driver::secrets::Secrets;
use crate::driver::wire::{self, Wire};
use crate::secret::Secret;

/// `smtp:` of a sender.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The mail server.
    pub server: String,
    /// Its port; 587, or 465 with `tls: implicit`, when left out.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is secured.
    #[serde(default)]
    pub tls: TlsMode,
    /// Whom to log in as.
    #[serde(default)]
    pub user: Option<String>,
    /// The password, by its name under `secrets:`.
    #[serde(default)]
    pub password: Option<String>,
    /// Whom mails come from.
    pub from: String,
    /// The name beside it.
    #[serde(default)]
    pub from_name: String,
    /// Certificate authorities in PEM, in place of the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// How a connection is secured.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// It begins plain and goes on in TLS, or not at all.
    #[default]
    Starttls,
    /// TLS from the start.
    Implicit,
    /// Not at all: to private networks only, without a password.
    None,
}

pub(super) const EXAMPLE: &str = "{name: mail, smtp: {server: mail.example, from: no-reply@bank.example, user: ivr, password: mail/password}}";

impl SenderSettings for Settings {
    fn channels(&self) -> Vec<Channel> {
        vec![Channel::Email]
    }

    fn check(&self) -> Result<(), Unusable> {
        let wrong = |what: &str, help| Err(Unusable::new(what, help));
        a_host(&self.server)?;
        if !LettersConfig::default().allows(Channel::Email, &self.from) {
            return wrong(
                "`from` is no mail address",
                "write one plain address, such as no-reply@example.com",
            );
        }
        if self.from_name.contains(char::is_control) || self.from_name.len() > 100 {
            return wrong("`from_name` is no name", "write it in one line of at most 100 characters");
        }
        if self.user.is_some() != self.password.is_some() {
            return wrong("`user` and `password` need each other", "write both, or neither");
        }
        if self.user.as_ref().is_some_and(|user| user.is_empty() || user.contains(char::is_control)) {
            return wrong("`user` is no name", "write the name that the mail server knows");
        }
        if self.tls == TlsMode::None && self.user.is_some() {
            return wrong("a password does not go over a connection without TLS", "write `tls: starttls`");
        }
        Ok(())
    }

    fn secrets(&self) -> Vec<&str> {
        self.password.as_deref().into_iter().collect()
    }

    fn open(&self, tools: Tools) -> Result<Box<dyn Sender>, Unusable> {
        Ok(Box::new(Smtp { settings: self.clone(), secrets: tools.secrets }))
    }
}

struct Smtp {
    settings: Settings,
    secrets: Arc<Secrets>,
}

impl Sender for Smtp {
    fn deliver(&self, id: LetterId, letter: &Letter, deadline: Instant) -> Result<Accepted, NotTaken> {
        let settings = &self.settings;
        let from = mail::From { address: &settings.from, name: &settings.from_name };
        let text = mail::write(&from, id, letter, os::unix_now())?;
        let password = settings.password.as_ref().map(|name| self.secrets.find(name)).transpose();
        let password = password.map_err(|error| {
            tracing::error!(%error, "a sender's secret can't be had");
            NotTaken::Secret
        })?;
        let mut session = Session::open(settings, deadline)?;
        if let (Some(user), Some(password)) = (&settings.user, &password) {
            session.log_in(user, password)?;
        }
        session.hand_over(&settings.from, &letter.to, &text)
    }
}

/// A conversation with a mail server.
struct Session {
    wire: Wire,
    deadline: Instant,
    /// Read and not looked at.
    pending: Vec<u8>,
    /// What the server can do, in upper case.
    abilities: Vec<String>,
}

/// A reply: its code and its lines.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

/// RFC 5321 §4.5.3.1.5: a line of a reply has 512 octets at most; some servers say more.
const LONGEST_LINE: usize = 4096;
const MOST_LINES: usize = 100;

impl Session {
    fn open(settings: &Settings, deadline: Instant) -> Result<Self, NotTaken> {
        let implicit = settings.tls == TlsMode::Implicit;
        let port = settings.port.unwrap_or(if implicit { 465 } else { 587 });
        let stream = wire::connect(&settings.server, port, settings.tls == TlsMode::None, deadline)?;
        let secure = |stream| {
            let trust = wire::trust(settings.ca.as_deref())?;
            Wire::secure(stream, &settings.server, trust, deadline)
        };
        let wire = if implicit { secure(stream)? } else { Wire::open(stream) };
        let mut session = Self { wire, deadline, pending: Vec::new(), abilities: Vec::new() };
        session.expect(None, &[220])?;
        session.greet(settings)?;
        if settings.tls == TlsMode::Starttls {
            if !session.able("STARTTLS") {
                return Err(NotTaken::Tls);
            }
            session.expect(Some("STARTTLS"), &[220])?;
            // What came before TLS was there is nobody's word: an attacker may have put it there.
            if !session.pending.is_empty() {
                return Err(NotTaken::Garbage);
            }
            let stream = session.wire.plain().ok_or(NotTaken::Tls)?;
            session = Self { wire: secure(stream)?, deadline, pending: Vec::new(), abilities: Vec::new() };
            session.greet(settings)?;
        }
        Ok(session)
    }

    /// Under the name of our mails: that is the one which the server's administrator knows.
    fn greet(&mut self, settings: &Settings) -> Result<(), NotTaken> {
        let name = settings.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        let reply = self.expect(Some(&format!("EHLO {name}")), &[250])?;
        self.abilities = reply.lines.iter().skip(1).map(|line| line.to_ascii_uppercase()).collect();
        Ok(())
    }

    fn able(&self, ability: &str) -> bool {
        self.abilities.iter().any(|line| line.split_whitespace().next() == Some(ability))
    }

    /// By PLAIN where the server has it, else by LOGIN.
    fn log_in(&mut self, user: &str, password: &Secret<String>) -> Result<(), NotTaken> {
        if !self.wire.is_secure() {
            return Err(NotTaken::Tls);
        }
        let base64 = |text: &str| Secret::new(data_encoding::BASE64.encode(text.as_bytes()));
        let methods = self.abilities.iter().find_map(|line| line.strip_prefix("AUTH "));
        let has = |method: &str| methods.is_some_and(|all| all.split_whitespace().any(|one| one == method));
        let done = if has("PLAIN") || !has("LOGIN") {
            let both = Secret::new(format!("\0{user}\0{}", password.expose()));
            let line = Secret::new(format!("AUTH PLAIN {}", base64(both.expose()).expose()));
            self.say(line.expose())?
        } else {
            let asked = self.say("AUTH LOGIN")?;
            if asked.code != 334 {
                return Err(NotTaken::Credentials(Code::Smtp(asked.code)));
            }
            let asked = self.say(base64(user).expose())?;
            if asked.code != 334 {
                return Err(NotTaken::Credentials(Code::Smtp(asked.code)));
            }
            self.say(base64(password.expose()).expose())?
        };
        match done.code {
            235 => Ok(()),
            // RFC 4954 §6: 454 is a failure of the moment.
            code if code / 100 == 4 => Err(NotTaken::Throttled(Code::Smtp(code))),
            code => Err(NotTaken::Credentials(Code::Smtp(code))),
        }
    }

    fn hand_over(
        mut self,
        from: &str,
        to: &Secret<String>,
        text: &Secret<String>,
    ) -> Result<Accepted, NotTaken> {
        self.expect(Some(&format!("MAIL FROM:<{from}>")), &[250])?;
        let line = Secret::new(format!("RCPT TO:<{}>", to.expose()));
        match self.say(line.expose())?.code {
            250 | 251 => {}
            // RFC 5321 §4.2.3: 550 no such mailbox, 551 elsewhere, 553 not a name, 501 not an address.
            code @ (501 | 550 | 551 | 553 | 556) => return Err(NotTaken::Address(Code::Smtp(code))),
            code => return Err(refused(code)),
        }
        self.expect(Some("DATA"), &[354])?;
        let mut data = Secret::new(String::new());
        for line in text.expose().split_inclusive("\r\n") {
            // RFC 5321 §4.5.2: a dot more before a line that begins with one.
            if line.starts_with('.') {
                data.expose_mut().push('.');
            }
            data.expose_mut().push_str(line);
        }
        data.expose_mut().push_str(".\r\n");
        self.write(data.expose().as_bytes())?;
        let reply = self.read()?;
        if reply.code != 250 {
            return Err(refused(reply.code));
        }
        // Polite, and too late to matter.
        let _ = self.write(b"QUIT\r\n");
        let last = reply.lines.last().map(String::as_str).unwrap_or_default();
        let name = last.split_whitespace().rev().find(|word| is_queue_name(word));
        Ok(Accepted { reference: name.map(str::to_owned), delivered: false })
    }

    fn expect(&mut self, line: Option<&str>, wanted: &[u16]) -> Result<Reply, NotTaken> {
        let reply = match line {
            Some(line) => self.say(line)?,
            None => self.read()?,
        };
        if wanted.contains(&reply.code) { Ok(reply) } else { Err(refused(reply.code)) }
    }

    fn say(&mut self, line: &str) -> Result<Reply, NotTaken> {
        let line = Secret::new(format!("{line}\r\n"));
        self.write(line.expose().as_bytes())?;
        self.read()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), NotTaken> {
        self.wire.until(self.deadline)?;
        self.wire.write_all(bytes).and_then(|()| self.wire.flush()).map_err(|error| wire::lost(&error).into())
    }

    fn read(&mut self) -> Result<Reply, NotTaken> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok()).ok_or(NotTaken::Garbage)?;
            let more = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if !more {
                return Ok(Reply { code, lines });
            }
            if lines.len() >= MOST_LINES {
                return Err(NotTaken::Garbage);
            }
        }
    }

    fn line(&mut self) -> Result<String, NotTaken> {
        let mut buffer = [0_u8; 1024];
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                let line = std::mem::replace(&mut self.pending, rest);
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.pending.len() > LONGEST_LINE {
                return Err(NotTaken::Garbage);
            }
            self.wire.until(self.deadline)?;
            match self.wire.read(&mut buffer) {
                Ok(0) => return Err(NotTaken::Lost),
                Ok(count) => self.pending.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(wire::lost(&error).into()),
            }
        }
    }
}

const fn refused(code: u16) -> NotTaken {
    match code {
        // RFC 5321 §4.2.3: too busy, no room, local error: later perhaps.
        421 | 450..=452 | 454 | 455 => NotTaken::Throttled(Code::Smtp(code)),
        // RFC 4954 §6: who we are is not known, or not enough.
        530 | 534 | 535 | 538 => NotTaken::Credentials(Code::Smtp(code)),
        _ => NotTaken::Provider(Code::Smtp(code)),
    }
}

/// `queued as 4F2A1B3C`: what servers call a mail has a digit in it.
fn is_queue_name(word: &str) -> bool {
    (6..=64).contains(&word.len())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && word.contains(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
#[path = "smtp_tests.rs"]
mod tests;
