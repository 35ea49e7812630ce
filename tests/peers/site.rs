//! A deployment of the bank in a process of its own, on ports of its own, with customers and agents.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use countersign::auth::token::{self, Claims};
use countersign::driver::keys::Keys;
use countersign::driver::vault::Vault;
use countersign::driver::{demo, os};
use serde_json::Value;

/// What one customer types.
pub(crate) struct Customer {
    pub(crate) account: String,
    pub(crate) pin: String,
}

/// A running `countersign serve`.
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
    address: SocketAddr,
    pub(crate) customers: Vec<Customer>,
    pub(crate) agent_password: String,
    engine: Child,
}

/// The engine's media ports; the peers' are above.
pub(crate) const ENGINE_RTP: std::ops::RangeInclusive<u16> = 41_000..=41_199;

impl Site {
    /// Starts one; `agents` are lines below `agents:`, `limits` lines below `limits:`.
    pub(crate) fn start(name: &str, sip: u16, agents: &str, limits: &str) -> Self {
        Self::with_media(["", ""], "", name, sip, agents, limits)
    }

    /// As above, with more for the media of the trunk and for that of the agents' phones, such as `, srtp: required`, and with
    /// more lines of settings.
    pub(crate) fn with_media(
        media: [&str; 2],
        more: &str,
        name: &str,
        sip: u16,
        agents: &str,
        limits: &str,
    ) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, sip).into(), media, more, name, (agents, limits))
    }

    /// As above, at any address.
    pub(crate) fn at(
        address: SocketAddr,
        media: [&str; 2],
        more: &str,
        name: &str,
        below: (&str, &str),
    ) -> Self {
        let bank = Path::new(env!("CARGO_MANIFEST_DIR")).join("flows/bank");
        Self::serving(&bank, media, more, name, address, below)
    }

    /// As above, with a flow of its own; whoever calls is trusted.
    pub(crate) fn with_flow(flow: &str, more: &str, name: &str, sip: u16) -> Self {
        let ana = super::agents(&[("ana", None)]);
        Self::switching(flow, [", trusted: true", ""], more, name, sip, &ana)
    }

    /// As above, with more for the trunk and for phones.
    pub(crate) fn switching(
        flow: &str,
        media: [&str; 2],
        more: &str,
        name: &str,
        sip: u16,
        agents: &str,
    ) -> Self {
        let app = std::env::temp_dir().join(format!("countersign-flow-{name}-{}", std::process::id()));
        fs::create_dir_all(&app).expect("a folder");
        fs::write(app.join("main.flow.yaml"), flow).expect("a flow");
        let site = Self::serving(&app, media, more, name, (Ipv4Addr::LOCALHOST, sip).into(), (agents, ""));
        let _ = fs::remove_dir_all(&app);
        site
    }

    fn serving(
        app: &Path,
        [trunk, phones]: [&str; 2],
        more: &str,
        name: &str,
        address: SocketAddr,
        (agents, limits): (&str, &str),
    ) -> Self {
        let folder = std::env::temp_dir().join(format!("countersign-peers-{name}-{}", std::process::id()));
        let data = folder.join("data");
        fs::create_dir_all(&data).expect("a folder");
        let settings = format!(
            "{more}trunks:\n  - {{name: carrier, addresses: [127.0.0.0/8, \"::1\"]{trunk}}}\nphones: {{from: [127.0.0.0/8, \"::1\"]{phones}}}\n\
             queues:\n  general: {{}}\n  cards: {{}}\n  payments: {{}}\nagents:\n{agents}limits:\n  calls: 100\n{limits}"
        );
        fs::write(data.join("countersign.yaml"), settings).expect("the settings");
        let vault = Vault::open_data(&data).expect("a vault");
        let made = demo::create_customers(&vault, &data, os::unix_now()).expect("customers");
        let password = vault.generate_agent_password(os::unix_now(), "ana").expect("a password");
        let customers = made.customers.iter();
        let customers = customers
            .map(|made| Customer { account: made.account.to_owned(), pin: made.pin.expose().clone() })
            .collect();
        drop(vault);
        let output = File::create(folder.join("engine.log")).expect("a log");
        let engine = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .arg("serve")
            .arg(app)
            .args(["--sip", &address.to_string(), "--shards", "1", "--data"])
            .arg(&data)
            .args(["--rtp-ports", &format!("{}-{}", ENGINE_RTP.start(), ENGINE_RTP.end())])
            .env("COUNTERSIGN_LOG", "info")
            .stdout(output.try_clone().expect("a log"))
            .stderr(output)
            .spawn()
            .expect("the engine starts");
        let agent_password = password.expose().clone();
        let mut site = Self { folder, address, customers, agent_password, engine };
        let ready = until(Duration::from_secs(150), || site.log().contains("ready;").then_some(()));
        assert!(ready.is_some(), "the engine did not start: {:?}\n{}", site.engine.try_wait(), site.log());
        site
    }

    /// Where to dial.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("engine.log")).unwrap_or_default()
    }

    /// The records of `count` calls, oldest first.
    pub(crate) fn records(&self, count: usize) -> Vec<Value> {
        let vault = Vault::open_data(&self.folder.join("data")).expect("the vault opens beside the engine");
        let found = until(Duration::from_secs(10), || {
            let calls = vault.calls(100).expect("records");
            (calls.len() >= count).then_some(calls)
        });
        let calls = found.unwrap_or_else(|| panic!("{count} records do not come\n{}", self.log()));
        assert_eq!(calls.len(), count, "one record for each call");
        calls.iter().rev().map(|call| serde_json::from_str(&call.record).expect("JSON")).collect()
    }

    /// What a token says, after its signature is found good for that agent.
    pub(crate) fn claims(&self, token: &str, agent: &str) -> Claims {
        let keys = Keys::open(&self.folder.join("data")).expect("the keys");
        token::verify(&keys.token().verifying_key(), token, os::unix_now(), agent).expect("a good token")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        end(&mut self.engine);
        if !std::thread::panicking() {
            // What stays behind is in the folder for temporary files.
            let _ = fs::remove_dir_all(&self.folder);
        } else {
            eprintln!("see {}", self.folder.display());
        }
    }
}

/// A port that nobody has, for UDP and for TCP.
pub(crate) fn free_port() -> u16 {
    let found = until(Duration::from_secs(5), || {
        let port = UdpSocket::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).ok()?.port();
        let free = TcpListener::bind(("127.0.0.1", port)).is_ok();
        (free && !(41_000..=42_999).contains(&port)).then_some(port)
    });
    found.expect("a port")
}

/// Interrupts a process and waits for its end.
pub(crate) fn end(child: &mut Child) {
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let (Some(id), Ok(None)) = (id, child.try_wait()) {
        let _ = rustix::process::kill_process(id, rustix::process::Signal::INT);
    }
    let ended = until(Duration::from_secs(5), || child.try_wait().ok().flatten());
    if ended.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Looks again until there is something, at most for `limit`.
pub(crate) fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        os::pause(Duration::from_millis(50));
    }
}

/// A process without standard streams of ours.
pub(crate) fn quiet(command: &mut Command, log: &Path) -> Child {
    let output = File::create(log).expect("a log");
    command.stdin(Stdio::null()).stdout(output.try_clone().expect("a log")).stderr(output);
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
