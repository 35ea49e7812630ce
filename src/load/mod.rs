//! A generator of load for any SIP system that answers calls and plays something: `countersign load`.
//!
//! Many calls from one thread, over SIP by UDP and RTP with packets of 20 ms: each call sends paced audio, presses
//! keys as telephone-events, and counts what comes back. Calls share twenty media sockets, one for each millisecond of
//! the 20 ms, so that a generator costs a fraction of what it measures; a call is known by the address that the other
//! side sends from, which must differ between the calls of a socket.
//!
//! Times of arrival are the kernel's, so a generator that reads late does not blame the other side. What it does
//! itself is measured as well: how late it sent, what its sockets lost, how busy it was. When that is too much, the
//! report says that the generator was the bottleneck.

mod call;
mod crowd;
mod histogram;
mod media;
mod process;
mod report;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::audio::Codec;
use crate::phone::PhoneError;
use crate::units::Digit;

pub use histogram::Histogram;
pub use process::{Process, Usage};
pub use report::{Own, Quantiles, Report, table};

/// What a crowd of callers does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whom to call: `sip:USER@ADDRESS:PORT` with a numeric address.
    pub target: String,
    /// Calls at once.
    pub calls: usize,
    /// New calls a second.
    pub per_second: u32,
    /// How long all stay when the last has been answered; the measured time.
    pub hold: Duration,
    /// What each presses.
    pub keys: Vec<Digit>,
    /// When, after the answer.
    pub keys_after: Duration,
    /// The codecs that are offered; packets of them are made beforehand.
    pub codecs: Vec<Codec>,
    /// Whether media is encrypted (SRTP by SDES). What comes is counted by its header, and not opened.
    pub encrypted: bool,
    /// The address that calls come from; what the system would choose when absent.
    pub bind: Option<IpAddr>,
    /// The process that is measured, when it runs on this machine.
    pub process: Option<u32>,
}

impl Plan {
    /// Callers who press nothing.
    #[must_use]
    pub fn new(target: &str, calls: usize) -> Self {
        Self {
            target: target.to_owned(),
            calls,
            per_second: 100,
            hold: Duration::from_secs(10),
            keys: Vec::new(),
            keys_after: Duration::from_secs(1),
            codecs: Codec::G711.to_vec(),
            encrypted: false,
            bind: None,
            process: None,
        }
    }
}

/// Lets the crowd call, stay and leave.
///
/// # Errors
/// [`PhoneError`]: the target can't be dialled, or the system gives no sockets.
pub fn run(plan: &Plan) -> Result<Report, PhoneError> {
    crowd::Crowd::new(plan)?.run()
}

/// Exchanges packets with these addresses as a crowd does once its calls are up, without SIP: to measure what does
/// nothing but move packets. Flows of one address are told apart by nothing, so their gaps are not measured.
///
/// # Errors
/// [`PhoneError::Socket`].
pub fn run_flows(targets: &[SocketAddr], hold: Duration) -> Result<Report, PhoneError> {
    let ip = targets.first().map_or(IpAddr::from([127, 0, 0, 1]), SocketAddr::ip);
    let target = format!("sip:flows@{}", SocketAddr::new(ip, 5060));
    let plan = Plan { hold, bind: Some(ip), ..Plan::new(&target, targets.len()) };
    let mut crowd = crowd::Crowd::new(&plan)?;
    crowd.join(targets);
    crowd.run()
}

/// The address to call from.
fn local_ip(plan: &Plan) -> Result<IpAddr, PhoneError> {
    match plan.bind {
        Some(ip) => Ok(ip),
        None => crate::phone::local_address_for(&plan.target).map(|address: SocketAddr| address.ip()),
    }
}
