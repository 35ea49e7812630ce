//! Many datagrams with few system calls: [`Inbox`] takes what lies at a socket, [`Outbox`] sends what was gathered.
//!
//! There are two ways that do the same. [`Way::Batched`] is Linux's `recvmmsg` and `sendmmsg`, with the kernel's time
//! of arrival where a socket was asked for it by [`stamp_arrivals`]. [`Way::Plain`] receives and sends one by one, and
//! is there everywhere. [`Way::best`] finds out at the start.

#[cfg(target_os = "linux")]
mod batched;
mod name;
mod plain;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

/// How datagrams are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Several with one system call.
    Batched,
    /// One by one.
    Plain,
}

impl Way {
    /// The batched way, if this system has it (a sandbox may forbid the calls).
    #[must_use]
    pub fn best() -> Self {
        #[cfg(target_os = "linux")]
        if batched::is_there() {
            return Self::Batched;
        }
        Self::Plain
    }
}

/// What is known of a datagram besides its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its source.
    pub from: SocketAddr,
    /// Its octets; what did not fit the room is cut off.
    pub length: usize,
    /// How long it lay at its socket, when the system tells.
    pub age: Option<Duration>,
}

/// Room for datagrams that are taken from a socket together.
pub struct Inbox {
    room: usize,
    octets: Vec<u8>,
    arrivals: Vec<Arrival>,
    way: Receiving,
}

enum Receiving {
    #[cfg(target_os = "linux")]
    Batched(batched::Receiving),
    Plain,
}

impl Inbox {
    /// Room for `places` datagrams of up to `room` octets.
    #[must_use]
    pub fn new(way: Way, places: usize, room: usize) -> Self {
        let mut octets = vec![0; places * room];
        let way = match way {
            #[cfg(target_os = "linux")]
            Way::Batched => Receiving::Batched(batched::Receiving::new(&mut octets, places, room)),
            #[cfg(not(target_os = "linux"))]
            Way::Batched => Receiving::Plain,
            Way::Plain => Receiving::Plain,
        };
        Self { room, octets, arrivals: Vec::with_capacity(places), way }
    }

    /// Takes what lies at a socket, without waiting, in place of what was here. Says how many; as many as there are
    /// places mean that more may lie there.
    ///
    /// # Errors
    /// What the system says when it gives none; [`io::ErrorKind::WouldBlock`] when there is none.
    pub fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        self.receive_some(socket, usize::MAX)
    }

    /// As [`Inbox::receive`], but not more than so many: to learn that no other lies there costs the system a look.
    ///
    /// # Errors
    /// As [`Inbox::receive`].
    pub fn receive_some(&mut self, socket: impl AsFd, most: usize) -> io::Result<usize> {
        self.arrivals.clear();
        let (socket, most) = (socket.as_fd(), most.min(self.places()));
        match &mut self.way {
            #[cfg(target_os = "linux")]
            Receiving::Batched(way) => way.receive(socket, most, &mut self.arrivals)?,
            Receiving::Plain => {
                plain::receive(socket, &mut self.octets, self.room, most, &mut self.arrivals)?
            }
        }
        Ok(self.arrivals.len())
    }

    /// How many datagrams are here at most.
    #[must_use]
    pub fn places(&self) -> usize {
        self.octets.len() / self.room.max(1)
    }

    /// A datagram that was taken.
    #[must_use]
    pub fn datagram(&self, number: usize) -> Option<(Arrival, &[u8])> {
        let arrival = *self.arrivals.get(number)?;
        let start = number * self.room;
        Some((arrival, self.octets.get(start..start + arrival.length)?))
    }
}

/// What became of the datagrams of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Taken by the system.
    pub taken: u64,
    /// Refused by it: a full buffer, no way there.
    pub refused: u64,
}

/// Datagrams that are sent from one socket together.
pub struct Outbox {
    room: usize,
    octets: Vec<u8>,
    waiting: Vec<(SocketAddr, usize)>,
    way: Sending,
}

enum Sending {
    #[cfg(target_os = "linux")]
    Batched(batched::Sending),
    Plain,
}

impl Outbox {
    /// Room for `places` datagrams of up to `room` octets.
    #[must_use]
    pub fn new(way: Way, places: usize, room: usize) -> Self {
        let mut octets = vec![0; places * room];
        let way = match way {
            #[cfg(target_os = "linux")]
            Way::Batched => Sending::Batched(batched::Sending::new(&mut octets, places, room)),
            #[cfg(not(target_os = "linux"))]
            Way::Batched => Sending::Plain,
            Way::Plain => Sending::Plain,
        };
        Self { room, octets, waiting: Vec::with_capacity(places), way }
    }

    /// Puts a datagram in; `false` when it is too long or there is no room until [`Outbox::send`].
    pub fn push(&mut self, to: SocketAddr, datagram: &[u8]) -> bool {
        let start = self.waiting.len() * self.room;
        let fits = datagram.len() <= self.room;
        match self.octets.get_mut(start..start + datagram.len()).filter(|_| fits) {
            Some(place) if start + self.room <= self.waiting.capacity() * self.room => {
                place.copy_from_slice(datagram);
                self.waiting.push((to, datagram.len()));
                true
            }
            _ => false,
        }
    }

    /// Whether nothing more fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        (self.waiting.len() + 1) * self.room > self.octets.len()
    }

    /// Sends what is in it, without waiting, and empties it.
    pub fn send(&mut self, socket: impl AsFd) -> Sent {
        let socket = socket.as_fd();
        let sent = match &mut self.way {
            _ if self.waiting.is_empty() => Sent::default(),
            #[cfg(target_os = "linux")]
            Sending::Batched(way) => way.send(socket, &self.waiting),
            Sending::Plain => plain::send(socket, &self.octets, self.room, &self.waiting),
        };
        self.waiting.clear();
        sent
    }
}

/// Asks the system to tell when each datagram came to this socket; `false` where it can't.
pub fn stamp_arrivals(socket: impl AsFd) -> bool {
    #[cfg(target_os = "linux")]
    return batched::stamp_arrivals(socket.as_fd());
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        false
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
