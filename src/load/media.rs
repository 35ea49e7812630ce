//! The media of the crowd: twenty sockets, one for each millisecond of the packet time.
//!
//! A caller belongs to a millisecond; its socket sends for all callers of that millisecond with one call, and a packet
//! that comes is given to the caller that the other side's address stands for.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::call::{Caller, PACKET_TIME, Words};
use super::histogram::Histogram;
use crate::audio::Codec;
use crate::driver::datagrams::{Inbox, Outbox, Sent, Way, stamp_arrivals};
use crate::driver::os;
use crate::media::rtp::packet;
use crate::media::rtp::reception::Reception;
use crate::units::Digit;

/// Milliseconds of the packet time.
pub(super) const SLOTS: usize = 20;
const PLACES: usize = 256;
const ROOM: usize = 512;
const RECEIVE_BUFFER: usize = 4 << 20;

pub(super) struct Media {
    sockets: Vec<UdpSocket>,
    inbox: Inbox,
    outbox: Outbox,
    words: Words,
    /// Who is at which address, by socket.
    callers: Vec<HashMap<SocketAddr, usize>>,
    pub(super) sent: Sent,
    /// Packets from addresses of no caller.
    pub(super) strange: u64,
    /// How far gaps between packets are from 20 ms, in the measured time.
    pub(super) deviation: Histogram,
    pub(super) is_stamped: bool,
}

impl Media {
    pub(super) fn new(ip: IpAddr, codecs: &[Codec]) -> std::io::Result<Self> {
        let way = Way::best();
        let mut is_stamped = way == Way::Batched;
        let mut sockets = Vec::with_capacity(SLOTS);
        for _ in 0..SLOTS {
            let socket = UdpSocket::bind((ip, 0))?;
            socket.set_nonblocking(true)?;
            // The system may grant less; what is lost for want of it is counted.
            let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
            is_stamped &= stamp_arrivals(&socket);
            sockets.push(socket);
        }
        Ok(Self {
            sockets,
            inbox: Inbox::new(way, PLACES, ROOM),
            outbox: Outbox::new(way, PLACES, ROOM),
            words: Words::new(codecs),
            callers: vec![HashMap::new(); SLOTS],
            sent: Sent::default(),
            strange: 0,
            deviation: Histogram::default(),
            is_stamped,
        })
    }

    /// Where a caller receives.
    pub(super) fn address(&self, caller: usize) -> Option<SocketAddr> {
        self.sockets.get(caller % SLOTS)?.local_addr().ok()
    }

    /// Its sockets' ports.
    pub(super) fn ports(&self) -> Vec<u16> {
        self.sockets
            .iter()
            .filter_map(|socket| socket.local_addr().ok())
            .map(|address| address.port())
            .collect()
    }

    /// A caller talks to this address; `false` when another one of the same socket does.
    pub(super) fn join(&mut self, caller: usize, to: SocketAddr) -> bool {
        let Some(callers) = self.callers.get_mut(caller % SLOTS) else { return false };
        if callers.contains_key(&to) {
            return false;
        }
        callers.insert(to, caller);
        true
    }

    pub(super) fn leave(&mut self, caller: usize, to: SocketAddr) {
        if let Some(callers) = self.callers.get_mut(caller % SLOTS) {
            callers.remove(&to);
        }
    }

    /// Sends for all callers of a millisecond.
    pub(super) fn send(&mut self, slot: usize, callers: &mut [Caller], keys: &[Digit]) {
        let Some(socket) = self.sockets.get(slot) else { return };
        for line in callers.iter_mut().skip(slot).step_by(SLOTS).filter_map(|caller| caller.line.as_mut()) {
            if let Some(packet) = line.next(keys, &self.words) {
                self.outbox.push(line.to, &packet);
                if self.outbox.is_full() {
                    add(&mut self.sent, self.outbox.send(socket));
                }
            }
        }
        add(&mut self.sent, self.outbox.send(socket));
    }

    /// Takes what has come. `measures`: it counts for gaps and shares.
    pub(super) fn receive(&mut self, start: Instant, callers: &mut [Caller], measures: bool) {
        for (socket, known) in self.sockets.iter().zip(&self.callers) {
            while let Ok(count) = self.inbox.receive(socket) {
                let read = os::now().saturating_duration_since(start);
                for (arrival, octets) in (0..count).filter_map(|number| self.inbox.datagram(number)) {
                    let caller = known.get(&arrival.from).and_then(|caller| callers.get_mut(*caller));
                    let at = read.saturating_sub(arrival.age.unwrap_or_default());
                    match caller {
                        Some(caller) => {
                            came(caller, at, start, octets, measures.then_some(&mut self.deviation))
                        }
                        None => self.strange += 1,
                    }
                }
                if count < self.inbox.places() {
                    break;
                }
            }
        }
    }
}

/// A packet of a caller's.
fn came(caller: &mut Caller, at: Duration, start: Instant, octets: &[u8], measured: Option<&mut Histogram>) {
    if packet::is_rtcp(octets) {
        return;
    }
    let Some((header, _)) = packet::read(octets) else { return };
    let heard = &mut caller.heard;
    match heard.reception.as_mut().filter(|reception| reception.ssrc == header.ssrc) {
        Some(reception) => drop(reception.count(header.seq)),
        None => heard.reception = Some(Reception::new(start + at, header.ssrc, header.seq)),
    }
    heard.first.get_or_insert(at);
    let before = heard.last.replace(at);
    if let Some(deviation) = measured {
        heard.measured += 1;
        if let Some(before) = before {
            deviation.add(at.saturating_sub(before).abs_diff(PACKET_TIME));
        }
    }
}

fn add(all: &mut Sent, more: Sent) {
    all.taken += more.taken;
    all.refused += more.refused;
}
