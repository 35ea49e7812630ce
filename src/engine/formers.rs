//! Which stream came to a pair of ports in the call before: whoever sends it may not have noticed the end of that call
//! (RTP bleed), and is nobody to the next one.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::units::Ssrc;

/// The last stream of each pair of ports. There are as many as there are ports at most.
#[derive(Debug, Default)]
pub(super) struct Formers(HashMap<u16, (SocketAddr, Ssrc)>);

impl Formers {
    /// The stream that came to this address of ours in the call before.
    pub(super) fn at(&self, rtp: SocketAddr) -> Option<(SocketAddr, Ssrc)> {
        self.0.get(&rtp.port()).copied()
    }

    /// Keeps the stream of a call that is over. One that heard nobody leaves what was known: that stream may go on still.
    pub(super) fn keep(&mut self, rtp: SocketAddr, heard: Option<(SocketAddr, Ssrc)>) {
        if let Some(stream) = heard {
            self.0.insert(rtp.port(), stream);
        }
    }
}
