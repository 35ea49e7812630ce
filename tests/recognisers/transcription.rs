//! The transcription call: a server that checks what it is sent, and ones that misbehave.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};

use countersign::audio::decode_file;
use countersign::units::SampleRate;

use super::stage::{self, Folder, Stream};
use super::{Outcome, failed, hear, recogniser, samples};

/// A request: its first line and its headers, in lower case, and its body.
struct Asked {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn asked(stream: &mut dyn Stream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet).ok()?;
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let (line, rest) = head.split_once("\r\n")?;
    let header =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: BTreeMap<String, String> = rest.lines().filter_map(header).collect();
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some(Asked { line: line.to_owned(), headers, body })
}

/// RFC 7578: the parts of a form, by name, with what stands above each.
fn parts(asked: &Asked) -> Option<BTreeMap<String, (String, Vec<u8>)>> {
    let bound = asked.headers.get("content-type")?.strip_prefix("multipart/form-data; boundary=")?;
    let (first, between) = (format!("--{bound}\r\n"), format!("\r\n--{bound}"));
    let find = |from: &[u8], what: &str| from.windows(what.len()).position(|part| part == what.as_bytes());
    let mut rest = asked.body.strip_prefix(first.as_bytes())?;
    let mut parts = BTreeMap::new();
    loop {
        let end = find(rest, &between)?;
        let (part, after) = rest.split_at(end);
        let head = find(part, "\r\n\r\n")?;
        let above = String::from_utf8(part[..head].to_vec()).ok()?;
        let name = above.split_once("name=\"")?.1.split_once('"')?.0.to_owned();
        parts.insert(name, (above, part[head + 4..].to_vec()));
        match &after[between.len()..] {
            b"--\r\n" => return Some(parts),
            more => rest = more.strip_prefix(b"\r\n")?,
        }
    }
}

fn reply(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const WORDS: &str = r#"{"task":"transcribe","language":"english","duration":2.1,"text":" Four, one.","segments":[
    {"id":0,"start":0.0,"end":2.1,"text":" Four, one.","tokens":[5],"temperature":0.0,"avg_logprob":-0.2231,
     "compression_ratio":0.5,"no_speech_prob":0.02}]}"#;

/// Takes one request a connection and answers with this.
fn server(folder: &Folder, secure: bool, reply: String) -> (SocketAddr, Receiver<Asked>) {
    let (to, sent) = sync_channel(10);
    let config = secure.then(|| folder.certified());
    let address = stage::serve(config, move |mut stream| {
        if let Some(asked) = asked(&mut stream) {
            let _ = to.try_send(asked);
            let _ = stream.write_all(reply.as_bytes());
            let _ = stream.flush();
        }
    });
    (address, sent)
}

fn settings(url: &str, more: &str) -> String {
    format!(
        "{{transcription: {{url: '{url}', model: whisper-1{more}}}, languages: [en], timeout_seconds: 2}}"
    )
}

#[test]
fn the_speech_is_sent_as_a_form_and_the_words_come_back() {
    let folder = Folder::new();
    let (address, sent) = server(&folder, false, reply("200 OK", WORDS));
    let url = format!("http://{address}/v1/audio/transcriptions");
    let recogniser = recogniser(&settings(&url, ", key: speech/key"), &folder);
    assert_eq!(hear(&recogniser, None), Outcome::Words("Four, one.".to_owned(), 80));
    let asked = sent.recv().expect("it was asked");
    assert_eq!(asked.line, "POST /v1/audio/transcriptions HTTP/1.1");
    assert_eq!(asked.headers.get("authorization").map(String::as_str), Some("Bearer open-sesame"));
    let parts = parts(&asked).expect("a form");
    for (name, value) in [
        ("model", "whisper-1"),
        ("language", "en"),
        ("response_format", "verbose_json"),
        ("temperature", "0"),
    ] {
        assert_eq!(parts.get(name).map(|(_, value)| value.as_slice()), Some(value.as_bytes()), "{name}");
    }
    let (above, file) = parts.get("file").expect("a file");
    assert!(above.contains("filename=\"speech.wav\"\r\nContent-Type: audio/wav"), "{above}");
    let pcm = decode_file(file, "wav").expect("a WAV file");
    assert_eq!((pcm.rate, pcm.samples), (SampleRate::TELEPHONE, samples()));
    assert_eq!(parts.len(), 5);
}

#[test]
fn over_tls_the_certificate_counts() {
    let folder = Folder::new();
    let (address, _) = server(&folder, true, reply("200 OK", WORDS));
    let url = format!("https://localhost:{}/", address.port());
    let trusting = recogniser(&settings(&url, ", ca: ca.pem"), &folder);
    assert_eq!(hear(&trusting, None), Outcome::Words("Four, one.".to_owned(), 80));
    let url = format!("https://127.0.0.1:{}/", address.port());
    let other_name = recogniser(&settings(&url, ", ca: ca.pem"), &folder);
    assert_eq!(hear(&other_name, None), failed("TLS did not come about"));
    let no_authority = recogniser(&settings(&url, ", ca: nowhere.pem"), &folder);
    assert!(
        matches!(hear(&no_authority, None), Outcome::Failed(why) if why.starts_with("there are no certificate"))
    );
}

#[test]
fn a_server_that_misbehaves_gives_no_words() {
    let folder = Folder::new();
    let says = |text: String| server(&folder, false, text).0;
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{\"text\":\"fo";
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let unreadable = "the reply can't be read: it is no `verbose_json` of a transcription";
    for (what, address, why) in [
        ("refuses", stage::nobody(), "no connection"),
        ("says nothing", stage::silent(), "no answer in time"),
        ("goes", says(String::new()), "the connection broke"),
        ("goes in the middle", says(long.to_owned()), "the connection broke"),
        ("lets nobody in", says(reply("401 Unauthorized", "{}")), "status 401"),
        ("fails", says(reply("500 Internal Server Error", WORDS)), "status 500"),
        ("sends us elsewhere", says(moved.to_owned()), "status 302"),
        ("is no HTTP", says("four\r\n\r\n".to_owned()), "the reply can't be read: it is not HTTP"),
        ("is no JSON", says(reply("200 OK", "four one")), unreadable),
        ("is other JSON", says(reply("200 OK", "{\"words\":1}")), unreadable),
        (
            "does not say how sure it is",
            says(reply("200 OK", "{\"text\":\"four one\"}")),
            "the reply can't be read: it has no `segments`, which say how sure it is",
        ),
        (
            "talks too much",
            says(reply("200 OK", &" ".repeat(300_000))),
            "the reply can't be read: it is too large",
        ),
    ] {
        let url = format!("http://{address}/");
        let settings = settings(&url, "").replace("timeout_seconds: 2", "timeout_seconds: 1");
        assert_eq!(hear(&recogniser(&settings, &folder), None), failed(why), "{what}");
    }
}

#[test]
fn what_it_hears_and_how_much_of_it_has_a_bound() {
    let folder = Folder::new();
    let (address, _) = server(&folder, false, reply("200 OK", "{\"text\": \"\"}"));
    let recogniser = recogniser(&settings(&format!("http://{address}/"), ""), &folder);
    assert!(recogniser.knows("en-GB") && recogniser.knows("en") && !recogniser.knows("es-ES"));
    assert_eq!(hear(&recogniser, None), Outcome::Nothing);
    let endless = vec![0; 31 * 8_000];
    let endless = super::outcome(recogniser.transcribe(&endless, "en-GB", None));
    assert_eq!(endless, failed("an utterance of more than 30 s"));
}
