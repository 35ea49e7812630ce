//! One by one, by calls that every system has.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};

use super::{Arrival, Sent};

pub(super) fn receive(
    socket: BorrowedFd<'_>,
    octets: &mut [u8],
    room: usize,
    places: usize,
    arrivals: &mut Vec<Arrival>,
) -> io::Result<()> {
    for place in octets.chunks_exact_mut(room).take(places) {
        match recvfrom(socket, place, RecvFlags::DONTWAIT) {
            Ok((length, _, from)) => {
                let Some(from) = from.and_then(|from| SocketAddr::try_from(from).ok()) else { continue };
                arrivals.push(Arrival { from, length: length.min(room), age: None });
            }
            Err(_) if !arrivals.is_empty() => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(super) fn send(
    socket: BorrowedFd<'_>,
    octets: &[u8],
    room: usize,
    waiting: &[(SocketAddr, usize)],
) -> Sent {
    let mut sent = Sent::default();
    for ((to, length), place) in waiting.iter().zip(octets.chunks_exact(room)) {
        match sendto(socket, place.get(..*length).unwrap_or_default(), SendFlags::DONTWAIT, to) {
            Ok(_) => sent.taken += 1,
            Err(_) => sent.refused += 1,
        }
    }
    sent
}
