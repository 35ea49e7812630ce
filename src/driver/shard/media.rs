//! The media sockets of a shard: when they are looked at, what is taken from them, what is sent.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Loop;
use crate::driver::datagrams::{Arrival, Inbox, Way};
use crate::driver::os;
use crate::driver::ports::Channel;
use crate::engine::Input;
use crate::units::{CallId, LegSide, MediaAddress, MediaPort};

const PACKETS_PER_SOCKET_AND_TURN: usize = 32;
/// A socket has one packet each 20 ms, more after a gap or when the other side's packets are short.
const PACKETS_AT_ONCE: usize = 8;
/// Longer datagrams are no media of ours.
const LARGEST_PACKET: usize = 2048;
/// No packet waits longer at a socket that is looked at each 20 ms; a clock that was set may say so.
const OLDEST: Duration = Duration::from_millis(100);
/// Every socket is looked at once in this time.
const ROUND: Duration = Duration::from_millis(20);
/// Sending goes before receiving when it is later than this.
const LATE: Duration = Duration::from_millis(1);

pub(super) fn inbox() -> Inbox {
    Inbox::new(Way::best(), PACKETS_AT_ONCE, LARGEST_PACKET)
}

impl Loop {
    /// Looks at the sockets whose turn has come.
    pub(super) fn go_round(&mut self) {
        // What becomes due meanwhile waits for the next time: mail and SIP come in between, however late the machine is.
        let now = os::now();
        while let Some((turn, ports)) = self.rounds.take(now) {
            for &port in &ports {
                self.receive(port, Channel::Rtp);
            }
            let pairs = &self.ports;
            self.rounds.keep(turn, ports, |port| pairs.pair(port).is_some());
        }
    }

    /// Reads what lies at a socket, some packets at a time so that no socket starves the others.
    pub(super) fn receive(&mut self, port: MediaPort, channel: Channel) {
        let mut left = PACKETS_PER_SOCKET_AND_TURN;
        while left > 0 {
            let Some(pair) = self.ports.pair(port) else { return };
            let is_steady = pair.steady && channel == Channel::Rtp;
            let most = if is_steady { 1 } else { PACKETS_AT_ONCE };
            let count = match self.inbox.receive_some(pair.socket(channel), most) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.note(port, is_steady, false);
                    return;
                }
                // A peer's closed port comes back as an error of the next receive: not ours to die of.
                Err(_) => {
                    left -= 1;
                    continue;
                }
            };
            let now = os::now();
            let is_alone =
                count == 1 && self.inbox.datagram(0).is_some_and(|(first, _)| is_of_this_round(&first));
            self.take_in(now, port, channel, count);
            if self.wake.is_some_and(|at| at + LATE <= now) {
                self.tick(now);
            }
            // A socket that is watched tells again only after it was found empty.
            if channel == Channel::Rtp && (is_alone || !is_steady) && count < PACKETS_AT_ONCE {
                self.note(port, is_steady, is_alone);
                return;
            }
            self.note(port, is_steady, false);
            left = left.saturating_sub(count);
        }
        // More lies there than may be taken now: go on in the next turn.
        self.backlog.push((port, channel));
    }

    /// Notes whether the next look at a socket may expect a single packet, when that has changed.
    fn note(&mut self, port: MediaPort, was_steady: bool, is_steady: bool) {
        if was_steady != is_steady
            && let Some(pair) = self.ports.pair_mut(port)
        {
            pair.steady = is_steady;
        }
    }

    /// Hands on the datagrams that were taken from a socket, each with the time at which it came.
    fn take_in(&mut self, now: Instant, port: MediaPort, channel: Channel, count: usize) {
        for number in 0..count {
            // Lent out while it is handled: what comes of it may be anything but another datagram.
            let Some((arrival, bytes)) = self.inbox.datagram(number) else { return };
            self.received += 1;
            let from = arrival.from;
            let input = match channel {
                Channel::Rtp => {
                    let age = arrival.age.unwrap_or_default().min(OLDEST);
                    Input::Rtp { port, came: now.checked_sub(age).unwrap_or(now), from, bytes }
                }
                Channel::Rtcp => Input::Rtcp { port, from, bytes },
            };
            self.engine.handle(now, input);
            self.drain(now);
        }
    }

    pub(super) fn open(&mut self, call: CallId, leg: LegSide, local: IpAddr) -> Option<MediaAddress> {
        match self.ports.open_quiet(self.poll.registry(), self.bind) {
            Ok(address) => {
                let beat = Some(self.rounds.add(address.port));
                Some(MediaAddress { rtp: SocketAddr::new(local, address.rtp.port()), beat, ..address })
            }
            Err(error) => {
                self.counters.no_port.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%call, ?leg, %error, "no media port for a leg");
                None
            }
        }
    }

    pub(super) fn send(&mut self, port: MediaPort, channel: Channel, to: SocketAddr, bytes: &[u8]) {
        let Some(pair) = self.ports.pair(port) else { return };
        if pair.socket(channel).send_to(bytes, to).is_ok() {
            self.sent += 1;
        } else {
            // A full socket buffer or an unreachable peer: the tick goes on, the packet is gone (law 7).
            self.counters.media_unsent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// It came since its socket was looked at the last time, so none came before it. Where the system does not tell, it may
/// be one of many.
fn is_of_this_round(arrival: &Arrival) -> bool {
    arrival.age.is_some_and(|age| age < ROUND)
}
