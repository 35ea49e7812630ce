//! What somebody types, line by line, for a program that has other things to do meanwhile.

use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// Lines that may wait; whoever pastes more waits themselves.
const WAITING: usize = 16;

/// The lines of the standard input, until it ends.
///
/// # Errors
/// When no thread can be started.
#[expect(clippy::disallowed_methods, reason = "the driver starts threads; this one ends with its input")]
pub fn lines() -> io::Result<Receiver<String>> {
    let (sender, receiver) = sync_channel(WAITING);
    thread::Builder::new().name("typed".to_owned()).spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}
