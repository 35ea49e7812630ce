//! A server of Vosk: one that checks what it is sent, and ones that misbehave.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};

use serde_json::Value;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, WebSocket};

use super::stage::{self, Folder, Stream};
use super::{Outcome, failed, hear, recogniser, samples};

/// What the server was sent.
#[derive(Debug)]
struct Sent {
    authorization: Option<String>,
    config: Value,
    pcm: Vec<u8>,
}

const FOUR: &str = r#"{"result":[{"conf":0.9,"end":0.6,"start":0.2,"word":"four"}],"text":"four"}"#;
const ONE: &str = r#"{"result":[{"conf":0.8,"end":0.6,"start":0.2,"word":"one"}],"text":"one"}"#;
const PARTIAL: &str = r#"{"partial" : "fo"}"#;

/// As the project's own server: a reply to each piece, a last one to the word that this was all, then it goes.
#[expect(clippy::result_large_err, reason = "the callback's own type")]
fn play(stream: Box<dyn Stream>) -> Option<Sent> {
    let mut authorization = None;
    let look = |request: &Request, response: Response| {
        let header = request.headers().get("authorization");
        authorization = header.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(response)
    };
    let mut socket = tungstenite::accept_hdr(stream, look).ok()?;
    let config = socket.read().ok()?.into_text().ok()?;
    let config: Value = serde_json::from_str(&config).ok()?;
    let mut pcm = Vec::new();
    let mut pieces = 0;
    loop {
        match socket.read().ok()? {
            Message::Binary(piece) => {
                pcm.extend_from_slice(&piece);
                pieces += 1;
                let reply = if pieces == 3 { FOUR } else { PARTIAL };
                socket.send(Message::text(reply)).ok()?;
            }
            // The servers compare this text as it stands.
            Message::Text(text) if text.as_str() == r#"{"eof" : 1}"# => {
                socket.send(Message::Ping(Vec::new().into())).ok()?;
                socket.send(Message::text(ONE)).ok()?;
                let _ = socket.close(None);
                while socket.read().is_ok() {}
                return Some(Sent { authorization, config, pcm });
            }
            _ => return None,
        }
    }
}

fn server(folder: &Folder, secure: bool) -> (SocketAddr, Receiver<Option<Sent>>) {
    let (to, sent) = sync_channel(10);
    let config = secure.then(|| folder.certified());
    (stage::serve(config, move |stream| drop(to.send(play(stream)))), sent)
}

fn settings(address: SocketAddr) -> String {
    format!("{{vosk: {{url: 'ws://{address}'}}, languages: [en], timeout_seconds: 1}}")
}

#[test]
fn all_of_the_speech_is_sent_and_what_is_understood_is_put_together() {
    let folder = Folder::new();
    let (address, sent) = server(&folder, false);
    let recogniser = recogniser(&settings(address), &folder);
    let phrases = ["four".to_owned(), "one".to_owned(), "[unk]".to_owned()];
    assert_eq!(hear(&recogniser, Some(&phrases)), Outcome::Words("four one".to_owned(), 72));
    let sent = sent.recv().expect("it ends").expect("all is as it should be");
    let config = &sent.config["config"];
    assert_eq!(config["sample_rate"], 8_000);
    assert_eq!(config["phrase_list"], serde_json::json!(phrases));
    assert_eq!(config["words"], 1);
    assert_eq!(config["max_alternatives"], 0);
    let octets: Vec<u8> = samples().iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!(sent.pcm, octets);
    assert_eq!(sent.authorization, None);
    assert_eq!(hear(&recogniser, None), Outcome::Words("four one".to_owned(), 72), "again");
}

#[test]
fn a_server_is_trusted_by_its_certificate_and_told_the_key() {
    let folder = Folder::new();
    let (address, sent) = server(&folder, true);
    let of = |host: &str, more: &str| {
        let port = address.port();
        format!(
            "{{vosk: {{url: 'wss://{host}:{port}/', key: speech/key{more}}}, languages: [en], timeout_seconds: 5}}"
        )
    };
    let trusting = recogniser(&of("localhost", ", ca: ca.pem"), &folder);
    assert_eq!(hear(&trusting, None), Outcome::Words("four one".to_owned(), 72));
    let sent = sent.recv().expect("it ends").expect("all is as it should be");
    assert_eq!(sent.authorization.as_deref(), Some("Bearer open-sesame"));
    let stranger = recogniser(&of("localhost", ""), &folder);
    let refused = hear(&stranger, None);
    let known = ["TLS did not come about", "there are no certificate authorities: install their package"];
    assert!(
        matches!(&refused, Outcome::Failed(why) if known.iter().any(|known| why.starts_with(known))),
        "{refused:?}"
    );
    let other_name = recogniser(&of("127.0.0.1", ", ca: ca.pem"), &folder);
    assert_eq!(hear(&other_name, None), failed("TLS did not come about"));
}

/// Goes through the handshake, then does something else than it should.
fn odd(what: impl Fn(&mut WebSocket<Box<dyn Stream>>) + Send + 'static) -> SocketAddr {
    stage::serve(None, move |stream| {
        if let Ok(mut socket) = tungstenite::accept(stream) {
            what(&mut socket);
            while socket.read().is_ok() {}
        }
    })
}

/// Answers with this text whatever comes.
fn bare(text: String) -> SocketAddr {
    stage::serve(None, move |mut stream| {
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.flush();
        stage::drain(stream);
    })
}

#[test]
fn a_server_that_misbehaves_gives_no_words() {
    let says = |text: &str| {
        let text = text.to_owned();
        odd(move |socket| drop(socket.send(Message::text(text.clone()))))
    };
    let closed = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_owned();
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_owned();
    let folder = Folder::new();
    for (what, address, why) in [
        ("refuses", stage::nobody(), "no connection"),
        ("says nothing", stage::silent(), "no answer in time"),
        ("lets nobody in", bare(closed), "status 503"),
        ("is a page", bare(page), "status 200"),
        (
            "is something else",
            bare("SSH-2.0-x\r\n\r\n".to_owned()),
            "the reply can't be read: it is no web socket",
        ),
        ("shakes hands and waits", odd(|_| {}), "no answer in time"),
        ("goes", odd(|socket| drop(socket.close(None))), "the connection broke"),
        (
            "goes in the middle",
            odd(|socket| {
                let _ = socket.send(Message::text(FOUR));
                let _ = socket.send(Message::text(PARTIAL));
                let _ = socket.close(None);
            }),
            "the connection broke",
        ),
        (
            "breaks in a frame",
            odd(|socket| {
                let _ = socket.get_mut().write_all(&[0x81, 100, b'{']);
                let _ = socket.get_mut().flush();
            }),
            "no answer in time",
        ),
        (
            "pings for ever",
            odd(|socket| while socket.send(Message::Ping(Vec::new().into())).is_ok() {}),
            "no answer in time",
        ),
        ("is no JSON", says("four"), "the reply can't be read: it is no reply of Vosk"),
        ("is other JSON", says("{}"), "the reply can't be read: it has no `text`"),
        (
            "is unsure how sure",
            says(r#"{"text":"four"}"#),
            "the reply can't be read: its words have no `conf`",
        ),
        ("talks too much", says(&"x".repeat(100_000)), "the reply can't be read: it is too large"),
        (
            "answers in octets",
            odd(|socket| drop(socket.send(Message::Binary(vec![1].into())))),
            "the reply can't be read: it is no text",
        ),
    ] {
        let recogniser = recogniser(&settings(address), &folder);
        assert_eq!(hear(&recogniser, None), failed(why), "{what}");
    }
}

#[test]
fn a_server_that_fails_is_left_alone_for_a_while() {
    let folder = Folder::new();
    let recogniser = recogniser(&settings(stage::nobody()), &folder);
    for _ in 0..3 {
        assert_eq!(hear(&recogniser, None), failed("no connection"));
    }
    assert_eq!(hear(&recogniser, None), failed("it is left alone, after failures in a row"));
}

#[test]
fn without_tls_only_private_networks_are_reached() {
    let folder = Folder::new();
    for url in ["vosk: {url: 'ws://", "transcription: {model: x, url: 'http://"] {
        let settings = format!("{{{url}{}/'}}, languages: [en], timeout_seconds: 1}}", stage::PUBLIC);
        assert_eq!(hear(&recogniser(&settings, &folder), None), failed("no connection"));
    }
}
