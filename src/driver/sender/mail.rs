//! A letter as a mail: headers and body of RFC 5322, in plain text.

use jiff::Timestamp;

use super::letter::{Letter, LetterId};
use super::outcome::NotTaken;
use crate::secret::Secret;
use crate::units::UnixTime;

/// Whom mails come from.
pub(super) struct From<'a> {
    pub(super) address: &'a str,
    pub(super) name: &'a str,
}

/// The whole mail, lines ending in CRLF, ready to be sent behind DATA but for its dots.
pub(super) fn write(
    from: &From<'_>,
    id: LetterId,
    letter: &Letter,
    now: UnixTime,
) -> Result<Secret<String>, NotTaken> {
    let date = Timestamp::from_millisecond(now.0).map_err(|_| NotTaken::Unfit)?;
    let domain = from.address.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let subject = letter.title.as_deref().unwrap_or("Message");
    let text = letter.text.expose();
    if text.is_empty() {
        return Err(NotTaken::Unfit);
    }
    let sender = match from.name {
        "" => from.address.to_owned(),
        name => format!("{} <{}>", encoded(name), from.address),
    };
    let mut mail = Secret::new(String::new());
    let language: String =
        letter.language.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let headers = [
        ("From", sender),
        ("To", letter.to.expose().clone()),
        ("Subject", encoded(subject)),
        ("Date", date.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()),
        ("Message-ID", format!("<{id}@{domain}>")),
        // RFC 3834 §5: no holiday note is sent in reply.
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("Content-Language", language),
        ("MIME-Version", "1.0".to_owned()),
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
    ];
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        // Nothing that is given can begin a line of its own.
        if value.replace("\r\n ", " ").contains(char::is_control) {
            return Err(NotTaken::Unfit);
        }
        mail.expose_mut().push_str(&format!("{name}: {value}\r\n"));
    }
    let plain = text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE);
    if plain {
        mail.expose_mut().push_str("Content-Transfer-Encoding: 7bit\r\n\r\n");
        for line in text.lines() {
            let clean: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
            mail.expose_mut().push_str(Secret::new(clean).expose());
            mail.expose_mut().push_str("\r\n");
        }
    } else {
        mail.expose_mut().push_str("Content-Transfer-Encoding: base64\r\n\r\n");
        let encoded = Secret::new(data_encoding::BASE64.encode(text.as_bytes()));
        // RFC 2045 §6.8: lines of at most 76.
        for line in encoded.expose().as_bytes().chunks(76) {
            mail.expose_mut().push_str(std::str::from_utf8(line).unwrap_or_default());
            mail.expose_mut().push_str("\r\n");
        }
    }
    Ok(mail)
}

/// RFC 5322 §2.1.1: 998 at most; 78 should be, which a body of one sentence need not heed.
const LONGEST_LINE: usize = 998;
/// Octets of text in one encoded word: 56 characters of base 64, which with their frame and the name of the header
/// stay below the 75 of a word and the 76 of a line (RFC 2047 §2).
const WORD: usize = 42;

/// A text of a header: as it is when that is plain, else in encoded words.
fn encoded(text: &str) -> String {
    let plain =
        text.len() <= 60 && text.chars().all(|c| c.is_ascii_alphanumeric() || " '-_.!?:,".contains(c));
    if plain && !text.contains([',', ':']) {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        // RFC 2047 §5: no character is split between words.
        if word.len() + c.len_utf8() > WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", data_encoding::BASE64.encode(word.as_bytes())))
        .collect();
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::SubjectKey;
    use crate::driver::sender::{Channel, Purpose};

    fn mail(title: &str, text: &str) -> String {
        let letter = Letter {
            channel: Channel::Email,
            to: Secret::new("amelia@customer.example".to_owned()),
            subject: SubjectKey([1; 16]),
            language: "en-GB".to_owned(),
            text: Secret::new(text.to_owned()),
            code: None,
            title: Some(title.to_owned()),
            purpose: Purpose::Code,
            until: UnixTime(0).plus(Duration::from_secs(600)),
        };
        let from = From { address: "no-reply@bank.example", name: "The Bank" };
        let written = write(&from, LetterId([7; 16]), &letter, UnixTime(1_767_268_800_000));
        written.map_or_else(|why| why.to_string(), |mail| mail.expose().clone())
    }

    #[test]
    fn a_plain_mail_is_written_as_it_is_read() {
        let expected = "From: The Bank <no-reply@bank.example>\r\n\
            To: amelia@customer.example\r\n\
            Subject: Your code\r\n\
            Date: Thu, 01 Jan 2026 12:00:00 +0000\r\n\
            Message-ID: <07070707070707070707070707070707@bank.example>\r\n\
            Auto-Submitted: auto-generated\r\n\
            Content-Language: en-GB\r\n\
            MIME-Version: 1.0\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: 7bit\r\n\r\n\
            Your code is 804215.\r\n.\r\nBye\r\n";
        assert_eq!(mail("Your code", "Your code is 804215.\n.\nBye"), expected);
    }

    #[test]
    fn other_alphabets_are_encoded_and_come_back() {
        let title = "Ваш код подтверждения для входа в банк — ñandú";
        let written = mail(title, "Ваш код: 804215");
        assert!(written.is_ascii() && written.lines().all(|line| line.len() <= 78), "{written}");
        let subject = written.split_once("Subject: ").expect("one").1.split_once("\r\nDate").expect("next").0;
        let decoded: String = subject
            .split("\r\n ")
            .map(|word| {
                let inner = word.strip_prefix("=?utf-8?B?").and_then(|word| word.strip_suffix("?="));
                let bytes = data_encoding::BASE64.decode(inner.expect("a word").as_bytes()).expect("base 64");
                String::from_utf8(bytes).expect("whole characters")
            })
            .collect();
        assert_eq!(decoded, title);
        let body = written.split_once("base64\r\n\r\n").expect("a body").1.replace("\r\n", "");
        assert_eq!(
            data_encoding::BASE64.decode(body.as_bytes()).expect("base 64"),
            "Ваш код: 804215".as_bytes()
        );
    }

    #[test]
    fn nothing_that_is_given_makes_a_header_of_its_own() {
        let written = mail("Code\r\nBcc: x@y.example", "text");
        assert!(!written.contains("\r\nBcc"), "{written}");
        let body = mail("Code", "one\r\n.\r\nQUIT\u{7}");
        assert!(body.ends_with("one\r\n.\r\nQUIT\r\n"), "{body}");
        assert_eq!(mail("Code", ""), "the letter does not fit this channel");
    }
}
