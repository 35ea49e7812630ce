//! A real Chromium without a window, told what to do over its debugging pipe, with an authenticator of its own.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser, with one page.
pub(crate) struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    number: u64,
    session: Option<String>,
}

impl Browser {
    /// Starts it with its profile in this folder. It trusts the certificate with this key, and no other that it
    /// would not trust by itself.
    pub(crate) fn start(folder: &Path, key_hash: &str) -> Self {
        let pipe = |name: &str| {
            let path = folder.join(name);
            let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
            assert!(made.success(), "a pipe");
            path
        };
        let (orders, told) = (pipe("orders"), pipe("told"));
        let options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--remote-debugging-pipe",
        ];
        let child = Command::new("sh")
            .args(["-c", r#"in=$1; out=$2; shift 2; exec chromium "$@" 3<"$in" 4>"$out""#, "sh"])
            .args([&orders, &told])
            .args(options)
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .arg(format!("--ignore-certificate-errors-spki-list={key_hash}"))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("chromium.log")).expect("a log"))
            .spawn()
            .expect("chromium starts");
        let to = OpenOptions::new().write(true).open(&orders).expect("its orders");
        let reader = BufReader::new(File::open(&told).expect("what it tells"));
        let (sender, from) = sync_channel(10_000);
        std::thread::spawn(move || {
            for message in reader.split(0).map_while(Result::ok) {
                let _ = sender.send(serde_json::from_slice(&message).unwrap_or(Value::Null));
            }
        });
        let mut browser = Self { child, to, from, number: 0, session: None };
        let page = browser.order("Target.createTarget", json!({"url": "about:blank"}));
        let page = page["targetId"].as_str().expect("a page").to_owned();
        let session = browser.order("Target.attachToTarget", json!({"targetId": page, "flatten": true}));
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        browser.order("Page.enable", json!({}));
        browser.order("WebAuthn.enable", json!({}));
        browser
    }

    fn order(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.clone().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        loop {
            let reply = self.from.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{method}: no reply"));
            if reply["id"] == self.number {
                assert!(reply["error"].is_null(), "{method}: {}", reply["error"]);
                return reply["result"].clone();
            }
        }
    }

    /// A device with a user whom it knows by face, finger or code; its name.
    pub(crate) fn add_device(&mut self) -> String {
        let options = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "automaticPresenceSimulation": true,
        });
        let added = self.order("WebAuthn.addVirtualAuthenticator", json!({"options": options}));
        added["authenticatorId"].as_str().expect("a device").to_owned()
    }

    pub(crate) fn remove_device(&mut self, device: &str) {
        self.order("WebAuthn.removeVirtualAuthenticator", json!({"authenticatorId": device}));
    }

    /// The credentials that a device has.
    pub(crate) fn credentials(&mut self, device: &str) -> Vec<Value> {
        let told = self.order("WebAuthn.getCredentials", json!({"authenticatorId": device}));
        told["credentials"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn add_credential(&mut self, device: &str, credential: &Value) {
        let given = json!({"authenticatorId": device, "credential": credential});
        self.order("WebAuthn.addCredential", given);
    }

    /// Whether the device knows who holds it from now on.
    pub(crate) fn verifies(&mut self, device: &str, verified: bool) {
        let given = json!({"authenticatorId": device, "isUserVerified": verified});
        self.order("WebAuthn.setUserVerified", given);
    }

    /// Opens a page. A link that differs behind `#` only is opened anew as well.
    pub(crate) fn open(&mut self, address: &str) {
        self.order("Page.navigate", json!({"url": "about:blank"}));
        self.until("location.href === 'about:blank'");
        let opened = self.order("Page.navigate", json!({"url": address}));
        assert!(opened["errorText"].is_null(), "{address}: {}", opened["errorText"]);
        self.until("document.readyState === 'complete' && location.protocol === 'https:'");
    }

    /// What a script comes to in the page.
    pub(crate) fn run(&mut self, script: &str) -> Value {
        let given =
            json!({"expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let told = self.order("Runtime.evaluate", given);
        assert!(told["exceptionDetails"].is_null(), "{script}: {}", told["exceptionDetails"]);
        told["result"]["value"].clone()
    }

    /// Waits until this holds in the page.
    pub(crate) fn until(&mut self, condition: &str) {
        let script = format!(
            "(async () => {{ const end = Date.now() + 50000; while (Date.now() < end) {{ if ({condition}) \
             {{ return true; }} await new Promise((go) => setTimeout(go, 20)); }} return false; }})()"
        );
        if self.run(&script) != true {
            let text = self.run("document.body.innerText");
            panic!("waited for {condition}; the page says: {text}");
        }
    }

    /// Types into a field.
    pub(crate) fn type_into(&mut self, id: &str, text: &str) {
        self.run(&format!(
            "document.getElementById('{id}').focus(); document.getElementById('{id}').value = ''"
        ));
        self.order("Input.insertText", json!({"text": text}));
    }

    pub(crate) fn click(&mut self, id: &str) {
        self.run(&format!("document.getElementById('{id}').click()"));
    }

    /// What the page tells.
    pub(crate) fn told(&mut self) -> String {
        self.text("told")
    }

    pub(crate) fn text(&mut self, id: &str) -> String {
        let text = self.run(&format!("document.getElementById('{id}').textContent"));
        text.as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
