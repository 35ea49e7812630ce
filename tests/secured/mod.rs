//! A site that speaks TLS with a certificate of an authority of the test's own, and whoever connects to it.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign::driver::tls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::site::{Folder, Site, root};

/// An authority, and what it signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for a name and its key, in PEM.
    pub(crate) fn signs(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        (params.signed_by(&key, &self.issuer).expect("signed").pem(), key.serialize_pem())
    }
}

/// Puts the engine's certificate into its files.
pub(crate) fn certify(folder: &Path, authority: &Authority) {
    let (certificate, key) = authority.signs("127.0.0.1");
    fs::write(folder.join("sip.key"), key).expect("written");
    fs::set_permissions(folder.join("sip.key"), fs::Permissions::from_mode(0o600)).expect("closed");
    fs::write(folder.join("sip.pem"), certificate).expect("written");
}

/// The bank, with this in `sip.tls` and in the trunk.
pub(crate) fn serve(name: &str, authority: &Authority, more: &str, trunk: &str) -> Site {
    serve_with(name, authority, more, trunk, "")
}

/// As above, with more lines of settings.
pub(crate) fn serve_with(name: &str, authority: &Authority, more: &str, trunk: &str, lines: &str) -> Site {
    let folder = Folder::new(name);
    certify(folder.path(), authority);
    let settings = format!(
        "sip: {{tls: {{listen: \"127.0.0.1:0\", certificate: sip.pem, key: sip.key{more}}}}}\n\
         trunks: [{{name: carrier, addresses: [127.0.0.0/8]{trunk}}}]\n\
         queues: {{general: {{}}, cards: {{}}, payments: {{}}}}\n{lines}"
    );
    fs::write(folder.file("countersign.yaml"), settings).expect("settings");
    Site::in_folder(folder, &root().join("flows/bank"), 1, &[])
}

pub(crate) type Line = StreamOwned<ClientConnection, TcpStream>;

/// Connects as somebody who trusts an authority and has this certificate, if any.
pub(crate) fn connect(site: &Site, trusted: &Authority, own: Option<&(String, String)>) -> io::Result<Line> {
    connect_to(address(site), trusted, own)
}

/// As above, to any address.
pub(crate) fn connect_to(
    address: SocketAddr,
    trusted: &Authority,
    own: Option<&(String, String)>,
) -> io::Result<Line> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(tls::certificates(&trusted.pem).expect("certificates"));
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            config.with_client_auth_cert(chain, key).expect("they fit")
        }
    };
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let client = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut line = StreamOwned::new(client, socket);
    while line.conn.is_handshaking() {
        line.conn.complete_io(&mut line.sock)?;
    }
    Ok(line)
}

pub(crate) fn address(site: &Site) -> SocketAddr {
    site.deployment.listening.tls.expect("TLS is spoken")
}
