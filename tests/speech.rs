//! Prompts that nobody recorded are spoken when an application is loaded: by espeak-ng, by a script, by one that
//! misbehaves.

#![expect(clippy::disallowed_methods, reason = "a server that misbehaves is a thread")]
#![expect(clippy::print_stderr, reason = "what was not tried is said")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

use countersign::audio::level;
use countersign::diagnostic::render;
use countersign::driver::application::{ApplicationError, ApplicationSource, Loaded, load_with, open_with};
use countersign::driver::secrets::SecretConfig;
use countersign::driver::speech::{Method, Speech, SpeechConfig, SpeechHttpConfig};
use countersign::flow::{self, ClipKey};

/// A folder with an application and a data folder, which goes away with the test.
struct Site(PathBuf);

impl Site {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("countersign-speech-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&root));
        let site = Self(root);
        fs::create_dir_all(site.application().join("prompts")).expect("a temporary folder");
        site.write(
            "app/a.flow.yaml",
            "callflow: 1\nid: a\ntitle: A\nvars:\n  left: {type: number}\nblocks:\n  start:\n    - answer:\n    - set: {left: \
             2}\n    - say: [opening_offer, left]\n    - hangup: normal\n",
        );
        site.write(
            "app/prompts/en-GB.yaml",
            "language: en-GB\nvoice: amy\nprompts:\n  opening_offer: \"Our offer of the summer.\"\n  left: \"${left, plural, \
             one {One try left.} other {# tries left.}}\"\n",
        );
        site
    }

    fn application(&self) -> PathBuf {
        self.0.join("app")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a temporary file");
        path
    }

    /// A program that speaks: counts its runs, then does as the script says.
    fn script(&self, script: &str) -> SpeechConfig {
        let log = self.0.join("runs");
        let text = format!("#!/bin/sh\necho \"$1\" >> '{}'\n{script}\n", log.display());
        let path = self.write("speaker", &text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
        settings(&["/bin/sh", &path.display().to_string(), "{voice}"], "amy-8k")
    }

    fn runs(&self) -> Vec<String> {
        let log = fs::read_to_string(self.0.join("runs")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    fn load(&self, settings: &SpeechConfig) -> Result<Loaded, ApplicationError> {
        let speech = self.speech(settings);
        load_with(&ApplicationSource::Folder(self.application()), &speech)
    }

    fn speech(&self, settings: &SpeechConfig) -> Speech {
        let secret = SecretConfig { file: Some(self.0.join("key")), ..SecretConfig::default() };
        let secrets = BTreeMap::from([("tts/key".to_owned(), secret)]);
        Speech::new(&self.0.join("data"), std::slice::from_ref(settings), secrets).expect("settings")
    }

    /// What a load says when it fails.
    fn refused(&self, settings: &SpeechConfig) -> String {
        match self.load(settings) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it loads"),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn settings(command: &[&str], voice: &str) -> SpeechConfig {
    SpeechConfig {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        http: None,
        voices: BTreeMap::from([("en-GB".to_owned(), voice.to_owned())]),
        timeout_seconds: 20,
    }
}

/// A recording of this crate, for a script to give back.
fn recording() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("audio/en-GB/greeting.wav").display().to_string()
}

#[test]
fn espeak_ng_speaks_what_nobody_recorded() {
    if std::process::Command::new("espeak-ng").arg("--version").output().is_err() {
        let must = std::env::var_os("COUNTERSIGN_PEERS").is_some();
        assert!(!must, "espeak-ng is not installed");
        eprintln!("espeak-ng is not installed: not tried");
        return;
    }
    for (name, command) in [
        ("stdout", ["espeak-ng", "-v", "{voice}", "--stdout", "-z"]),
        ("argument", ["espeak-ng", "-v", "{voice}", "--stdout", "{text}"]),
        ("file", ["espeak-ng", "-v", "{voice}", "-w", "{out}"]),
    ] {
        let site = Site::new(&format!("espeak-{name}"));
        let loaded = site.load(&settings(&command, "en-gb")).expect("it speaks");
        let lengths = ["en-GB/opening_offer", "en-GB/left-1-one", "en-GB/left-1-other"].map(|name| {
            let clip = loaded.clips.get(&ClipKey::new(name)).expect("spoken");
            let loud = level::active_dbm0(&clip.pcm());
            assert!((-23.0..-17.0).contains(&loud), "{name} is at {loud} dBm0");
            clip.duration().as_millis()
        });
        assert!(lengths.iter().all(|millis| (300..4_000).contains(millis)), "{lengths:?}");
        assert!(lengths[0] > lengths[2], "the longer text is spoken longer: {lengths:?}");
    }
}

#[test]
fn what_was_spoken_once_is_not_spoken_again_until_something_changes() {
    let site = Site::new("cache");
    let mut settings = site.script(&format!("cat > /dev/null; cat '{}'", recording()));
    site.load(&settings).expect("it speaks");
    assert_eq!(site.runs(), ["amy-8k"; 3]);
    site.load(&settings).expect("it speaks");
    assert_eq!(site.runs().len(), 3);
    settings.voices.insert("en-GB/amy".to_owned(), "amy-16k".to_owned());
    site.load(&settings).expect("it speaks");
    assert_eq!(site.runs().get(3..), Some(&["amy-16k"; 3].map(str::to_owned)[..]), "the catalogue's wish");
    let catalogue = site.application().join("prompts/en-GB.yaml");
    let text = fs::read_to_string(&catalogue).expect("the catalogue");
    fs::write(&catalogue, text.replace("summer", "winter")).expect("a new text");
    site.load(&settings).expect("it speaks");
    assert_eq!(site.runs().len(), 7);
}

#[test]
fn a_recording_comes_before_a_synthesiser() {
    let site = Site::new("recorded");
    let audio = site.application().join("audio/en-GB");
    fs::create_dir_all(&audio).expect("a folder");
    for name in ["opening_offer", "left-1-one", "left-1-other"] {
        fs::copy(recording(), audio.join(format!("{name}.wav"))).expect("a recording");
    }
    site.load(&site.script("exit 1")).expect("nothing is to be spoken");
    assert!(site.runs().is_empty());
}

#[test]
fn a_synthesiser_that_fails_is_named_with_the_prompt_and_its_words() {
    let site = Site::new("fails");
    let refused = site.refused(&site.script("echo 'no voice of that name' >&2; exit 3"));
    let expected = "error[E177]: en-GB/opening_offer can't be spoken by `/bin/sh`: it ended with exit status: 3: no voice \
                    of that name";
    assert!(refused.contains(expected), "{refused}");
    assert!(refused.contains("prompts/en-GB.yaml:4:"), "{refused}");
    assert!(refused.contains("record it as audio/en-GB/opening_offer.wav"), "{refused}");
    assert!(!site.0.join("data/speech").exists(), "nothing is kept of a failure");
}

#[test]
fn garbage_silence_and_floods_are_refused() {
    for (name, script, expected) in [
        ("garbage", "echo this is not a sound", "no audio that can be played"),
        ("nothing", "exit 0", "it wrote no audio"),
        ("flood", "head -c 104857600 /dev/zero", "it wrote more than 30 MB"),
    ] {
        let site = Site::new(name);
        let refused = site.refused(&site.script(script));
        assert!(refused.contains(expected), "{name}: {refused}");
    }
}

#[test]
fn a_synthesiser_that_hangs_is_given_up_after_a_few_texts() {
    let site = Site::new("hangs");
    let mut prompts = String::from("language: en-GB\nprompts:\n  left: \"${left} tries\"\n");
    let mut said = String::new();
    for number in 0..40 {
        prompts.push_str(&format!("  offer{number}: \"Offer {number}.\"\n"));
        said.push_str(&format!(", offer{number}"));
    }
    site.write("app/prompts/en-GB.yaml", &prompts);
    let flow = fs::read_to_string(site.application().join("a.flow.yaml")).expect("the flow");
    site.write("app/a.flow.yaml", &flow.replace("opening_offer, left", &format!("left{said}")));
    let settings = SpeechConfig { timeout_seconds: 1, ..site.script("exec >&-; exec 2>&-; sleep 300") };
    let refused = site.refused(&settings);
    assert!(refused.contains("it did not end within 1s"), "{refused}");
    assert!(refused.contains("it was not asked, after"), "{refused}");
    assert!(site.runs().len() < 10, "{} runs", site.runs().len());
}

#[test]
fn check_tells_what_will_be_spoken_and_what_nobody_can_say() {
    let site = Site::new("check");
    let source = ApplicationSource::Folder(site.application());
    let speech = site.speech(&site.script("exit 1"));
    let files = open_with(&source, &speech).expect("a folder");
    let (_, warnings) = flow::load(files.as_ref()).expect("nothing is wrong");
    let told = render(&warnings);
    assert!(told.contains("warning[W176]: 3 recordings in en-GB spoken by a synthesiser"), "{told}");
    assert!(told.contains("left-1-one, left-1-other, opening_offer"), "{told}");
    assert!(site.runs().is_empty(), "checking starts nothing");

    // A language whose words nobody taught this program: what they are is told in the catalogue.
    let german = SpeechConfig {
        voices: BTreeMap::from([("de-DE".to_owned(), "de".to_owned())]),
        ..site.script("exit 1")
    };
    let catalogue = site.application().join("prompts/en-GB.yaml");
    let text = fs::read_to_string(&catalogue).expect("the catalogue");
    let mut words = String::from("vocabulary:\n");
    for (word, spoken) in
        [("and", "und"), ("hundred", "hundert"), ("million", "Millionen"), ("minus", "minus")]
    {
        words.push_str(&format!("  \"numbers/{word}\": \"{spoken}\"\n"));
    }
    fs::remove_file(&catalogue).expect("the catalogue");
    site.write("app/prompts/de-DE.yaml", &format!("{}{words}", text.replace("en-GB", "de-DE")));
    let files = open_with(&source, &site.speech(&german)).expect("a folder");
    let told = render(&flow::load(files.as_ref()).expect_err("one word is missing"));
    assert_eq!(told.matches("error[E173]").count(), 1, "{told}");
    assert!(told.contains("under `vocabulary:` in prompts/de-DE.yaml, as `\"numbers/thousand\""), "{told}");
    fs::remove_file(site.application().join("prompts/de-DE.yaml")).expect("the catalogue");
    fs::write(&catalogue, text).expect("the catalogue");

    let files = open_with(&source, &Speech::default()).expect("a folder");
    let told = render(&flow::load(files.as_ref()).expect_err("nobody says it"));
    assert!(told.contains("error[E173]: there is no recording en-GB/left-1-one"), "{told}");
    assert!(told.contains("record \"One try left.\" as audio/en-GB/left-1-one.wav"), "{told}");
}

/// A server on loopback: gives every request the same answer, and tells what it was asked.
fn server(status: &str, media: &str, body: Vec<u8>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (asked_to, asked) = sync_channel(100);
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // It ends with the process: nobody waits for it.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let mut request = String::new();
            while reader.read_line(&mut request).is_ok_and(|read| read > 2) {}
            let length = request.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let mut text = vec![0; length.unwrap_or(0)];
            drop(reader.read_exact(&mut text));
            request.push_str(&String::from_utf8_lossy(&text));
            drop(asked_to.try_send(request));
            let mut writer = &stream;
            drop(writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(&body)));
        }
    });
    (address, asked)
}

fn over_http(url: String, method: Method, body: &str) -> SpeechConfig {
    let headers = BTreeMap::from([("Authorization".to_owned(), "Bearer secret:tts/key".to_owned())]);
    let http = SpeechHttpConfig { url, method, headers, body: body.to_owned() };
    SpeechConfig { command: Vec::new(), http: Some(http), ..settings(&[], "amy \"8k\"") }
}

impl Site {
    fn with_key(self) -> Self {
        let path = self.write("key", "k-4711\n");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a private file");
        self
    }
}

#[test]
fn a_service_speaks_and_gets_the_text_and_the_secret() {
    let site = Site::new("http").with_key();
    let wav = fs::read(recording()).expect("a recording");
    let (address, asked) = server("200 OK", "audio/wav", wav);
    let post =
        over_http(format!("http://{address}/say"), Method::Post, r#"{"text": {text}, "voice": {voice}}"#);
    site.load(&post).expect("it speaks");
    let requests: Vec<String> = asked.try_iter().collect();
    assert_eq!(requests.len(), 3);
    let offer = requests.iter().find(|request| request.contains("summer")).expect("the offer");
    assert!(offer.starts_with("POST /say HTTP/1.1\r\n"), "{offer}");
    assert!(offer.to_lowercase().contains("authorization: bearer k-4711\r\n"), "{offer}");
    assert!(offer.ends_with(r#"{"text": "Our offer of the summer.", "voice": "amy \"8k\""}"#), "{offer}");
    site.load(&post).expect("it is kept");
    assert_eq!(asked.try_iter().count(), 0);

    let get = over_http(format!("http://{address}/say?q={{text}}&v={{voice}}"), Method::Get, "");
    site.load(&get).expect("it speaks");
    let requests: Vec<String> = asked.try_iter().collect();
    let offer = requests.iter().find(|request| request.contains("summer")).expect("the offer");
    assert!(
        offer.starts_with("GET /say?q=Our%20offer%20of%20the%20summer.&v=amy%20%228k%22 HTTP/1.1"),
        "{offer}"
    );
}

#[test]
fn a_service_that_refuses_is_told_without_the_secret() {
    let site = Site::new("http-refuses").with_key();
    let body = b"the key k-4711 is not known here".to_vec();
    let (address, _asked) = server("401 Unauthorized", "text/plain", body);
    let refused = site.refused(&over_http(format!("http://{address}/say"), Method::Post, "{text}"));
    let expected =
        format!("can't be spoken by `http://{address}/say`: status 401: the key … is not known here");
    assert!(refused.contains(&expected), "{refused}");
    assert!(!refused.contains("4711"), "{refused}");
}

#[test]
fn a_service_that_sends_no_speech_is_refused() {
    let site = Site::new("http-wrong").with_key();
    let (address, _asked) = server("200 OK", "text/html", b"<html>hello</html>".to_vec());
    let refused = site.refused(&over_http(format!("http://{address}/say"), Method::Post, "{text}"));
    assert!(refused.contains("what came is no audio that can be played"), "{refused}");
    let (address, asked) = server("302 Found\r\nLocation: http://127.0.0.1:9/x", "text/plain", Vec::new());
    let refused = site.refused(&over_http(format!("http://{address}/say"), Method::Post, "{text}"));
    assert!(refused.contains("status 302"), "{refused}");
    assert!(asked.try_iter().count() >= 1);
    let without = Site::new("http-no-key");
    let refused = without.refused(&over_http(format!("http://{address}/say"), Method::Post, "{text}"));
    assert!(refused.contains("the secret `tts/key` can't be read"), "{refused}");
    assert_eq!(asked.try_iter().count(), 0, "nothing is asked without the key");
}

#[test]
fn settings_that_can_not_speak_are_refused() {
    let base = settings(&["espeak-ng"], "en-gb");
    let http = |url: &str, body: &str| SpeechConfig {
        command: Vec::new(),
        ..over_http(url.to_owned(), Method::Post, body)
    };
    let cases = [
        (SpeechConfig { command: Vec::new(), ..base.clone() }, "names no program"),
        (SpeechConfig { voices: BTreeMap::new(), ..base.clone() }, "has no voices"),
        (SpeechConfig { timeout_seconds: 0, ..base.clone() }, "write 1 to 300"),
        (SpeechConfig { http: http("https://a.example", "{text}").http, ..base }, "make two entries"),
        (http("ftp://a.example", "{text}"), "is no address of a service"),
        (http("https://a.example", "{}"), "does not hold the text"),
    ];
    for (settings, expected) in cases {
        let error = settings.check().expect_err(expected).to_string();
        assert!(error.contains(expected) && error.contains("help:"), "{error}");
    }
}
