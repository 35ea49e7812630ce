//! Linux's `recvmmsg` and `sendmmsg`. The only unsafe code of the program is in this file: the two calls and the one
//! that turns on times of arrival, each over memory that is owned here and does not move.

#![expect(unsafe_code, reason = "the standard library has no call that moves several datagrams")]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use super::name::{self, LONGEST};
use super::{Arrival, Sent};
use crate::driver::os;

/// Room for one control message: its header and a `timespec`.
type Control = [u64; 4];
type Name = [u8; LONGEST];

/// Headers that point to places of an [`super::Inbox`].
pub(super) struct Receiving {
    headers: Vec<libc::mmsghdr>,
    names: Vec<Name>,
    controls: Vec<Control>,
    /// Pointed to by the headers.
    _pieces: Vec<libc::iovec>,
}

/// Headers that point to places of an [`super::Outbox`].
pub(super) struct Sending {
    headers: Vec<libc::mmsghdr>,
    names: Vec<Name>,
    pieces: Vec<libc::iovec>,
}

/// Whether the calls are there and allowed.
pub(super) fn is_there() -> bool {
    let Ok(probe) = std::net::UdpSocket::bind(("127.0.0.1", 0)) else { return false };
    let mut octets = [0; 8];
    let received = Receiving::new(&mut octets, 1, 8).receive(probe.as_fd(), 1, &mut Vec::new());
    let is_received = received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    let Ok(own) = probe.local_addr() else { return false };
    is_received && Sending::new(&mut octets, 1, 8).send(probe.as_fd(), &[(own, 8)]).taken == 1
}

pub(super) fn stamp_arrivals(socket: BorrowedFd<'_>) -> bool {
    let on: libc::c_int = 1;
    let Ok(length) = libc::socklen_t::try_from(size_of_val(&on)) else { return false };
    // SAFETY: the option's value is an int that lives until the call returns.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            ptr::from_ref(&on).cast(),
            length,
        )
    };
    done == 0
}

fn pieces(octets: &mut [u8], places: usize, room: usize) -> Vec<libc::iovec> {
    let places = octets.chunks_exact_mut(room).take(places);
    places.map(|place| libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: place.len() }).collect()
}

/// A header for each piece, with a name.
fn headers(pieces: &mut [libc::iovec], names: &mut [Name]) -> Vec<libc::mmsghdr> {
    let header = |(piece, name): (&mut libc::iovec, &mut Name)| {
        // SAFETY: a header is numbers and pointers, for which all zeros are a value.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        header.msg_hdr.msg_name = name.as_mut_ptr().cast();
        header.msg_hdr.msg_namelen = NAME_ROOM;
        header.msg_hdr.msg_iov = piece;
        header.msg_hdr.msg_iovlen = 1;
        header
    };
    pieces.iter_mut().zip(names).map(header).collect()
}

impl Receiving {
    /// `octets` must stay where they are as long as this is used: [`super::Inbox`] owns both.
    pub(super) fn new(octets: &mut [u8], places: usize, room: usize) -> Self {
        let mut pieces = pieces(octets, places, room);
        let mut names = vec![[0; LONGEST]; pieces.len()];
        let mut controls = vec![Control::default(); pieces.len()];
        let mut headers = headers(&mut pieces, &mut names);
        for (header, control) in headers.iter_mut().zip(&mut controls) {
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<Control>();
        }
        Self { headers, names, controls, _pieces: pieces }
    }

    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        most: usize,
        arrivals: &mut Vec<Arrival>,
    ) -> io::Result<()> {
        let places = libc::c_uint::try_from(most.min(self.headers.len())).unwrap_or(libc::c_uint::MAX);
        // SAFETY: the headers point to octets, names, controls and pieces that are owned by this and by the inbox
        // around it, and were not moved since; the socket is open while it is borrowed.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                places,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        let mut clock = None;
        for ((header, name), control) in
            self.headers.iter_mut().zip(&self.names).zip(&self.controls).take(received)
        {
            let stamped = header.msg_hdr.msg_controllen >= size_of::<Control>();
            let age = stamped.then(|| stamp(control)).flatten().map(|stamp| {
                let now = *clock.get_or_insert_with(os::since_the_epoch);
                now.saturating_sub(stamp)
            });
            // The system answers with the address' length, and wants the room's again.
            header.msg_hdr.msg_namelen = NAME_ROOM;
            header.msg_hdr.msg_controllen = size_of::<Control>();
            let length = usize::try_from(header.msg_len).unwrap_or(0);
            // A name of a family that is not ours belongs to no packet of ours.
            let from = name::read(name).unwrap_or(NOBODY);
            arrivals.push(Arrival { from, length, age });
        }
        Ok(())
    }
}

impl Sending {
    /// As [`Receiving::new`]; [`super::Outbox`] owns both.
    pub(super) fn new(octets: &mut [u8], places: usize, room: usize) -> Self {
        let mut pieces = pieces(octets, places, room);
        let mut names = vec![[0; LONGEST]; pieces.len()];
        let headers = headers(&mut pieces, &mut names);
        Self { headers, names, pieces }
    }

    pub(super) fn send(&mut self, socket: BorrowedFd<'_>, waiting: &[(SocketAddr, usize)]) -> Sent {
        let places = self.headers.iter_mut().zip(&mut self.names).zip(&mut self.pieces);
        for (((header, name), piece), (to, length)) in places.zip(waiting) {
            let (written, octets) = name::written(*to);
            *name = written;
            header.msg_hdr.msg_namelen = libc::socklen_t::try_from(octets).unwrap_or(NAME_ROOM);
            piece.iov_len = *length;
        }
        let all = waiting.len().min(self.headers.len());
        let (mut done, mut sent) = (0, Sent::default());
        while let Some(rest) = self.headers.get_mut(done..all).filter(|rest| !rest.is_empty()) {
            let count = libc::c_uint::try_from(rest.len()).unwrap_or(libc::c_uint::MAX);
            // SAFETY: as for receiving; the pieces' lengths are within the places of the outbox, which took no more.
            let taken =
                unsafe { libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), count, libc::MSG_DONTWAIT) };
            match usize::try_from(taken) {
                Ok(taken) if taken > 0 => {
                    done += taken;
                    sent.taken += taken as u64;
                }
                // The first of the rest was refused: the others may have a way.
                _ => {
                    done += 1;
                    sent.refused += 1;
                }
            }
        }
        sent
    }
}

/// The time in a control message of `SO_TIMESTAMPNS`; `None` when it is another.
fn stamp(control: &Control) -> Option<Duration> {
    let [_, kind, seconds, nanos] = *control;
    let [level, kind] = [kind.to_ne_bytes().first_chunk(), kind.to_ne_bytes().last_chunk()]
        .map(|half| half.map(|half: &[u8; 4]| i32::from_ne_bytes(*half)));
    let is_time = level == Some(libc::SOL_SOCKET) && kind == Some(libc::SCM_TIMESTAMPNS);
    is_time.then(|| Duration::new(seconds, u32::try_from(nanos).unwrap_or(0)))
}

const NAME_ROOM: libc::socklen_t = 28;
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
