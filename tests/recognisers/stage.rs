//! Servers of the test's own, and where their certificates and the engine's key lie.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign::driver::secrets::{SecretConfig, Secrets};
use countersign::driver::tls;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A data folder that goes when the test ends.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("countersign-recognisers-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        fs::write(path.join("key"), "open-sesame\n").expect("written");
        fs::set_permissions(path.join("key"), fs::Permissions::from_mode(0o600)).expect("closed");
        Self(path)
    }

    pub(crate) fn secrets(&self) -> Secrets {
        let place = SecretConfig { file: Some("key".into()), ..SecretConfig::default() };
        Secrets::new(&self.0, BTreeMap::from([("speech/key".to_owned(), place)]))
    }

    /// A certificate for `localhost`, which is put into `ca.pem`, and who serves with it.
    pub(crate) fn certified(&self) -> Arc<ServerConfig> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(self.0.join("ca.pem"), made.cert.pem()).expect("written");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key);
        Arc::new(config.expect("a server"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Either end of a connection.
pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// Serves one connection after the other with this play, until the test ends.
pub(crate) fn serve(
    config: Option<Arc<ServerConfig>>,
    play: impl Fn(Box<dyn Stream>) + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let stream: Box<dyn Stream> = match &config {
                None => Box::new(stream),
                Some(config) => {
                    let connection = ServerConnection::new(Arc::clone(config)).expect("a connection");
                    Box::new(StreamOwned::new(connection, stream))
                }
            };
            play(stream);
        }
    });
    address
}

/// Where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("an address")
}

/// Reads what comes until the other side goes.
pub(crate) fn drain(mut stream: impl Read) {
    let mut buffer = [0; 4_096];
    while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

/// Where a server that accepts and says nothing is.
pub(crate) fn silent() -> SocketAddr {
    serve(None, drain)
}

/// An address of no private network (RFC 5737), where nothing is sent.
pub(crate) const PUBLIC: &str = "198.51.100.7:9";
