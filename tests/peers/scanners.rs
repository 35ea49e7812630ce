//! SIPVicious, as anybody may run it: it finds that somebody listens, and no user, no password, no difference.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::driver::application::ApplicationSource;
use countersign::driver::embedded;
use countersign::driver::os;
use countersign::driver::serve::{self, ServeSettings};
use countersign::driver::vault::Vault;

/// One of its tools, where .ci/run has put it.
fn python(tool: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin");
    Command::new(folder.join(format!("sipvicious_{tool}")))
}

/// What one prints that is led to this port, without what it says of our own machine's ports.
fn tool(name: &str, port: u16, arguments: &[&str], words: Option<(&Path, &str)>) -> String {
    let mut command = python(name);
    command.args(arguments).args(["-p", &port.to_string()]);
    if let Some((folder, text)) = words {
        let file = folder.join(format!("words-{name}"));
        fs::write(&file, text).expect("written");
        command.arg("-d").arg(file);
    }
    let output = command.arg("127.0.0.1").output().expect("SIPVicious is installed by .ci/run");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// A deployment to which this machine is a stranger, or one of the phones' network.
fn scanned(name: &str, phones: &str, ports: std::ops::RangeInclusive<u16>) {
    let data: PathBuf = std::env::temp_dir().join(format!("countersign-scan-{name}-{}", std::process::id()));
    fs::create_dir_all(&data).expect("a folder");
    let settings = format!(
        "trunks: [{{name: carrier, addresses: [\"127.0.0.2\"]}}]\nphones: {{from: [\"{phones}\"]}}\n\
         queues: {{general: {{}}, cards: {{}}, payments: {{}}, fraud: {{}}}}\nagents: [{{name: ana, queues: [general]}}]\n"
    );
    fs::write(data.join("countersign.yaml"), settings).expect("the settings");
    let vault = Vault::open_data(&data).expect("a vault");
    let password = vault.generate_agent_password(os::unix_now(), "ana").expect("a password");
    drop(vault);
    let application = ApplicationSource::Embedded(embedded::DEFAULT_APPLICATION);
    let settings = ServeSettings {
        sip: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ServeSettings::on_loopback(application, data.clone(), ports)
    };
    let deployment = serve::start(&settings).expect("a deployment");
    let port = deployment.sip.port();
    let found = tool("svmap", port, &[], None);
    assert!(found.contains("unknown") && !found.to_lowercase().contains("countersign"), "{found}");
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        // The last two are numbers of the world, which nobody is put through to from here.
        let users = "ana\nnobody\nbank\n1000\n0015005550000\n+15005550000\n";
        let found = tool("svwar", port, &["-m", method, "--force"], Some((&data, users)));
        assert!(found.contains("found nothing"), "{method}: {found}");
    }
    for user in ["ana", "nobody"] {
        let found =
            tool("svcrack", port, &["-u", user, "--maximumtime=5"], Some((&data, "1234\nana\nsecret\n")));
        assert!(!found.contains("Password"), "{found}");
    }
    // What makes a scanner of its own kind fall over.
    let crash =
        python("svcrash").args(["-d", "127.0.0.1", "-p", &port.to_string()]).output().expect("it runs");
    let text = String::from_utf8_lossy(&crash.stdout).into_owned() + &String::from_utf8_lossy(&crash.stderr);
    assert!(crash.status.success() && text.contains("Attacking"), "{}: {text}", crash.status);
    if phones == "127.0.0.1" {
        // The control: it does find a password, when it is given the right one.
        let right = format!("1234\n{}\n", password.expose());
        let found = tool("svcrack", port, &["-u", "ana"], Some((&data, &right)));
        assert!(found.contains(password.expose().as_str()), "{found}");
    }
    assert_eq!(deployment.broken(), None);
    deployment.stop();
    let _ = fs::remove_dir_all(data);
}

#[test]
fn a_scanner_finds_that_somebody_listens_and_nothing_else() {
    if super::peers("scanners") {
        scanned("stranger", "127.0.0.3", 42_000..=42_019);
        scanned("phone", "127.0.0.1", 42_020..=42_039);
    }
}
