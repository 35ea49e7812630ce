//! baresip as caller and as registered agent, led over its TCP control port.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use countersign::audio::{decode_file, resample, wav};
use countersign::driver::os;
use countersign::units::SampleRate;

use super::site::{Site, end, quiet, until};

/// A running baresip.
pub(crate) struct Baresip {
    folder: PathBuf,
    child: Child,
    control: TcpStream,
    said: String,
}

impl Baresip {
    /// Starts one that says this. It listens for TLS at the port after `sip`.
    pub(crate) fn start(
        site: &Site,
        name: &str,
        sip: SocketAddr,
        rtp: (u16, u16),
        said: &[i16],
        account: &str,
    ) -> Self {
        let folder = site.folder.join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let control = sip.port() + 2;
        let config = include_str!("baresip.config")
            .replace("@SIP@", &sip.to_string())
            .replace("@HOST@", &sip.ip().to_string())
            .replace("@TLS@", &tls_settings())
            .replace("@NAME@", name)
            .replace("@FOLDER@", &folder.to_string_lossy())
            .replace("@RTP@", &format!("{}-{}", rtp.0, rtp.1))
            .replace("@CODEC@", codec_module(account))
            .replace("@MODULES@", &modules())
            .replace("@CONTROL@", &control.to_string());
        fs::write(folder.join("said.wav"), wav::write(said, SampleRate::TELEPHONE)).expect("its words");
        fs::write(folder.join("config"), config).expect("a config");
        fs::write(folder.join("accounts"), format!("{account}\n")).expect("an account");
        fs::write(folder.join("contacts"), "").expect("no contacts");
        let mut command = Command::new("baresip");
        command.arg(if sip.is_ipv6() { "-6" } else { "-4" }).arg("-f").arg(&folder);
        let child = quiet(&mut command, &folder.join("log"));
        let connected = until(Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", control)).ok());
        let control = connected.unwrap_or_else(|| {
            panic!("baresip does not listen: {}", fs::read_to_string(folder.join("log")).unwrap_or_default())
        });
        control.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        Self { folder, child, control, said: String::new() }
    }

    /// Gives a command.
    pub(crate) fn order(&mut self, command: &str, parameter: &str) {
        let json = serde_json::json!({"command": command, "params": parameter, "token": "t"}).to_string();
        write!(self.control, "{}:{json},", json.len()).expect("baresip listens");
    }

    /// Presses keys one by one.
    pub(crate) fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.order("sndcode", &key.to_string());
            os::pause(Duration::from_millis(300));
        }
    }

    /// Everything it said until now.
    pub(crate) fn said(&mut self) -> String {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.control.read(&mut buffer)
            && length > 0
        {
            self.said.push_str(&String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()));
        }
        self.said.clone()
    }

    /// Waits until it says something.
    pub(crate) fn says(&mut self, what: &str, limit: Duration) {
        let found = until(limit, || self.said().contains(what).then_some(()));
        assert!(found.is_some(), "baresip did not say {what}: {}", self.said);
    }

    /// From here on it is what it says next that counts.
    pub(crate) fn forget(&mut self) {
        self.said();
        self.said.clear();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// What it heard, when it has hung up.
    pub(crate) fn heard(&mut self) -> Vec<i16> {
        end(&mut self.child);
        let files = fs::read_dir(&self.folder).expect("a folder").flatten();
        let file = files.map(|file| file.path()).find(|path| path.to_string_lossy().ends_with("-dec.wav"));
        let bytes = fs::read(file.expect("a recording")).expect("a recording");
        let pcm = decode_file(&bytes, "wav").expect("a WAV file");
        resample(&pcm.samples, pcm.rate, SampleRate::TELEPHONE)
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Where certificates are for as long as TLS is tried.
fn certificates() -> PathBuf {
    std::env::temp_dir().join(format!("countersign-peers-certificates-{}", std::process::id()))
}

/// Makes an authority, a certificate for the engine and one for phones; their folder. From then on baresip takes certificates of
/// this authority only.
pub(crate) fn certify() -> PathBuf {
    let folder = certificates();
    certify_in(&folder);
    folder
}

/// Makes `authority.pem`, `engine.pem` with `engine.key`, and `phone.pem`, which has its key in it.
pub(crate) fn certify_in(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    // One that is named like what it signs looks as if that had signed itself.
    params.distinguished_name.push(rcgen::DnType::CommonName, "an authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("a certificate").pem();
    let issuer = rcgen::Issuer::new(params, key);
    let signed = || {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        (params.signed_by(&key, &issuer).expect("signed").pem(), key.serialize_pem())
    };
    let (engine, engine_key) = signed();
    let (phone, phone_key) = signed();
    let files = [
        ("authority.pem", authority),
        ("engine.pem", engine),
        ("engine.key", engine_key),
        ("phone.pem", phone + &phone_key),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("closed");
    }
}

fn tls_settings() -> String {
    let folder = certificates();
    if !folder.exists() {
        return String::new();
    }
    let place = |name: &str| folder.join(name).display().to_string();
    format!("sip_certificate {}\nsip_cafile {}", place("phone.pem"), place("authority.pem"))
}

/// The module of the codec that the account is bound to.
fn codec_module(account: &str) -> &'static str {
    let known = [("G722/", "module g722.so"), ("L16/", "module l16.so"), ("opus/", "module opus.so")];
    known.iter().find(|(name, _)| account.contains(name)).map_or("", |(_, module)| module)
}

/// Where the system keeps its modules.
fn modules() -> String {
    let places = ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"];
    places
        .into_iter()
        .find(|place| fs::exists(place).unwrap_or(false))
        .unwrap_or("/usr/lib/baresip/modules")
        .to_owned()
}
