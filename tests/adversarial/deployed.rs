//! What a deployment that is attacked is made of: an application, a gateway for short messages.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::site::SOON;

/// The beginning of a flow that asks for an account and goes on to `prove`, whoever was found.
pub(crate) fn asked_for_an_account(id: &str, title: &str) -> String {
    format!(
        "callflow: 1
id: {id}
title: {title}
entry: start
imports: {{policy: policy.yaml, prompts: prompts/}}
vars:
  account: {{type: digits, class: personal}}
defaults:
  input: {{first: 10s, between: 5s, total: 60s, tries: 3}}
blocks:
  start:
    - answer:
    - ask: account_number
      into: account
      digits: {{min: 8, max: 10, end: hash}}
      give_up: {{goto: bye}}
    - identify: customer
      by: account
      same_reply: true
      outcome: {{one: {{goto: prove}}, none: {{goto: prove}}, many: {{goto: bye}}, unavailable: {{goto: bye}}}}
"
    )
}

/// Writes an application: a flow with its name, a policy, and prompts that all say the same.
pub(crate) fn application(at: &Path, (name, flow): (&str, &str), policy: &str, prompts: &[&str]) {
    fs::create_dir_all(at.join("prompts")).expect("a folder");
    // A recording that is shipped: what is said makes no difference here.
    let said = |key: &&str| format!("  {key}: {{file: goodbye, text: \"{key}\"}}\n");
    let prompts: String = prompts.iter().map(said).collect();
    let write = |file: &str, text: &str| fs::write(at.join(file), text).expect("written");
    write(&format!("{name}.flow.yaml"), flow);
    write("policy.yaml", policy);
    write("prompts/en-GB.yaml", &format!("language: en-GB\nprompts:\n{prompts}"));
}

/// The gateway for short messages: tells what is posted to it.
pub(crate) struct Gateway {
    address: SocketAddr,
    posted: Receiver<String>,
}

impl Gateway {
    #[expect(clippy::disallowed_methods, reason = "a server is a thread")]
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (tell, posted) = sync_channel(256);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(body) = answered(stream) else { continue };
                if tell.send(body).is_err() {
                    return;
                }
            }
        });
        Self { address, posted }
    }

    /// The senders of a deployment that sends through it.
    pub(crate) fn settings(&self) -> String {
        format!(
            "secrets: {{sms/key: {{file: sms-key}}}}\nletters: {{countries: [\"+44\"]}}\nsenders:\n  - name: texts\n    \
             sms_http: {{profile: signed, url: \"http://{}/send\", secret: sms/key, from: Bank, format: json, \
             body: '{{\"to\": {{to}}, \"message\": {{text}}}}'}}\n",
            self.address
        )
    }

    /// Its key, in the data folder.
    pub(crate) fn key(data: &Path) {
        let key = data.join("sms-key");
        fs::write(&key, "a key of the gateway").expect("written");
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("permissions");
    }

    /// How many messages were posted since it was asked last.
    pub(crate) fn count(&self) -> usize {
        self.posted.try_iter().count()
    }

    /// The code in the next message.
    pub(crate) fn code(&self) -> String {
        let body = self.posted.recv_timeout(SOON).expect("a code is posted");
        let mut words = body.split(|c: char| !c.is_ascii_digit());
        words.rfind(|word: &&str| word.len() == 6).expect("a code").to_owned()
    }
}

/// Reads a request and answers it; its body.
fn answered(mut stream: TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(SOON)).ok()?;
    let (mut text, mut part) = (String::new(), [0; 4096]);
    let body = loop {
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        text.push_str(&String::from_utf8_lossy(part.get(..read)?));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
        if body.len() >= length {
            break body.to_owned();
        }
    };
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").ok()?;
    Some(body)
}
