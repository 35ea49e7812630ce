use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::time::Duration;

use super::*;
use crate::auth::SubjectKey;
use crate::driver::sender::{Purpose, SenderConfig};
use crate::units::UnixTime;

/// A mail server that says what it is told, line by line; gives what it was told. For what real servers do not do.
fn server(script: &'static [&'static str]) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let work = move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut lines = BufReader::new(stream.try_clone().expect("a twin")).lines();
        let mut told = Vec::new();
        for say in script {
            if stream.write_all(say.as_bytes()).is_err() {
                break;
            }
            loop {
                let Some(Ok(line)) = lines.next() else { return told };
                let data = told.iter().any(|line| line == "DATA") && !told.iter().any(|line| line == ".");
                told.push(line.clone());
                if !data || line == "." {
                    break;
                }
            }
        }
        told
    };
    #[expect(clippy::disallowed_methods, reason = "a server beside the client")]
    (port, std::thread::spawn(work))
}

fn sender(port: u16, more: &str) -> Box<dyn Sender> {
    let text = format!(
        "{{name: m, smtp: {{server: 127.0.0.1, port: {port}, from: no-reply@bank.example, {more}}}}}"
    );
    let config: SenderConfig = serde_saphyr::from_str(&text).expect("settings");
    config.check().expect("usable");
    let secrets = Arc::new(Secrets::new(std::path::Path::new("/nowhere"), Default::default()));
    config.open(&secrets, Arc::new(|_| {})).expect("opens")
}

fn deliver(sender: &dyn Sender) -> Result<Accepted, NotTaken> {
    let letter = Letter {
        channel: Channel::Email,
        to: Secret::new("amelia@customer.example".to_owned()),
        subject: SubjectKey([1; 16]),
        language: "en-GB".to_owned(),
        text: Secret::new("Code 804215\n.dot".to_owned()),
        code: None,
        title: None,
        purpose: Purpose::Code,
        until: UnixTime(0),
    };
    sender.deliver(LetterId([7; 16]), &letter, os::now() + Duration::from_secs(3))
}

const HELLO: &str = "220 mail\r\n";
const PLAIN: &str = "250-mail\r\n250 8BITMIME\r\n";

#[test]
fn a_mail_is_handed_over_with_its_dots_doubled() {
    let (port, told) =
        server(&[HELLO, PLAIN, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 2.0.0 queued as 4F2A1B3C\r\n"]);
    let accepted = deliver(&*sender(port, "tls: none"));
    assert_eq!(accepted, Ok(Accepted { reference: Some("4F2A1B3C".to_owned()), delivered: false }));
    let told = told.join().expect("a server");
    assert_eq!(
        told[..4],
        [
            "EHLO bank.example",
            "MAIL FROM:<no-reply@bank.example>",
            "RCPT TO:<amelia@customer.example>",
            "DATA"
        ]
    );
    assert_eq!(told[told.len() - 4..], ["Code 804215", "..dot", ".", "QUIT"]);
}

#[test]
fn replies_that_refuse_are_told_apart() {
    let cases: [(&'static [&'static str], NotTaken); 7] = [
        (&["554 go away\r\n"], NotTaken::Provider(Code::Smtp(554))),
        (&["421 busy\r\n"], NotTaken::Throttled(Code::Smtp(421))),
        (&[HELLO, PLAIN, "530 who\r\n"], NotTaken::Credentials(Code::Smtp(530))),
        (&[HELLO, PLAIN, "250 ok\r\n", "550 no such user\r\n"], NotTaken::Address(Code::Smtp(550))),
        (&[HELLO, PLAIN, "250 ok\r\n", "450 later\r\n"], NotTaken::Throttled(Code::Smtp(450))),
        (&["hello\r\n"], NotTaken::Garbage),
        (
            &[HELLO, PLAIN, "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "552 too much\r\n"],
            NotTaken::Provider(Code::Smtp(552)),
        ),
    ];
    for (script, expected) in cases {
        let (port, _) = server(script);
        assert_eq!(deliver(&*sender(port, "tls: none")), Err(expected), "{script:?}");
    }
}

#[test]
fn without_tls_nothing_is_sent_where_tls_is_wanted() {
    let (port, told) = server(&[HELLO, PLAIN]);
    assert_eq!(deliver(&*sender(port, "tls: starttls")), Err(NotTaken::Tls));
    assert_eq!(told.join().expect("a server"), ["EHLO bank.example"]);
    // Words put before the handshake by somebody on the way.
    let (port, told) = server(&[HELLO, "250-mail\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"]);
    assert_eq!(deliver(&*sender(port, "tls: starttls")), Err(NotTaken::Garbage));
    assert_eq!(told.join().expect("a server"), ["EHLO bank.example", "STARTTLS"]);
}

#[test]
fn a_server_without_end_is_not_listened_to_for_ever() {
    let long: &'static str = Box::leak("x".repeat(10_000).into_boxed_str());
    let (port, _) = server(Box::leak(Box::new([long])));
    assert_eq!(deliver(&*sender(port, "tls: none")), Err(NotTaken::Garbage));
}

#[test]
fn settings_that_would_send_a_password_in_clear_are_refused() {
    let check = |more: &str| {
        let text = format!("{{name: m, smtp: {{server: mail.example, from: a@b.example, {more}}}}}");
        let config: SenderConfig = serde_saphyr::from_str(&text).expect("settings");
        config.check().map_err(|error| error.to_string())
    };
    assert_eq!(check("user: u, password: p"), Ok(()));
    for wrong in
        ["tls: none, user: u, password: p", "user: u", "from_name: \"a\\nb\"", "port: 25, password: p"]
    {
        assert!(check(wrong).is_err_and(|told| told.contains("help:")), "{wrong}");
    }
}
