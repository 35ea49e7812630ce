//! A word to the supervisor each time that every thread has answered.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::driver::pulse::{self, Heart};

/// The thread that feels the pulses; dropping this ends it.
pub struct Watchdog {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Feels all of them this often, and feeds when all answered.
    #[expect(clippy::disallowed_methods, reason = "the watchdog is a thread")]
    pub(super) fn start(
        every: Duration,
        mut hearts: Vec<Heart>,
        feed: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            let mut silent = 0_u32;
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                if pulse::all_alive(&mut hearts) {
                    silent = 0;
                    feed();
                    continue;
                }
                silent += 1;
                // One turn is the time that the first questions take.
                if silent == 2 {
                    tracing::error!("not all threads turn: the watchdog is not fed");
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop = None;
        // A watchdog that panicked has said so on its way out.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use super::*;
    use crate::driver::pulse::Pulse;
    use crate::driver::{house, shard};

    const STEP: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(20);

    fn watch(hearts: Vec<Heart>) -> (Watchdog, Receiver<()>) {
        let (fed, words) = sync_channel(1);
        let watchdog = Watchdog::start(STEP, hearts, move || _ = fed.try_send(())).expect("a thread");
        (watchdog, words)
    }

    #[test]
    fn it_is_fed_while_all_threads_turn_and_not_when_a_shard_does_not() {
        let (turns, mail) = house::mailbox();
        let (asked, others) = sync_channel::<Pulse>(1);
        let house = Heart::new(move |pulse| turns.try_send(house::Mail::Pulse(pulse)).is_ok());
        let other = Heart::new(move |pulse| asked.try_send(pulse).is_ok());
        let (watchdog, words) = watch(vec![house, other]);
        let turn = || {
            if let house::Mail::Pulse(pulse) = mail.recv_timeout(LONG).expect("asked") {
                pulse.beat();
            }
            others.recv_timeout(LONG).expect("asked").beat();
            words.recv_timeout(LONG)
        };
        assert_eq!([turn(), turn()], [Ok(()), Ok(())]);
        drop(watchdog);

        // A shard whose thread never comes to its mail.
        let (mailbox, _stuck) = shard::prepare().expect("a mailbox");
        let (heard, all) = sync_channel(64);
        let stuck = Heart::new(move |pulse| mailbox.send(shard::Mail::Pulse(pulse)).is_ok());
        let quick = Heart::new(move |pulse: Pulse| {
            pulse.beat();
            heard.try_send(()).is_ok()
        });
        let (watchdog, words) = watch(vec![quick, stuck]);
        all.recv_timeout(LONG).expect("it looked");
        drop(watchdog);
        assert!(words.try_recv().is_err(), "not a word");
    }
}
