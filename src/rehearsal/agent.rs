//! The agent's phone of a rehearsal, on a thread of its own: rings until it is told what to do.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::driver::os;
use crate::phone::{Phone, PhoneConfig, PhoneEvent};
use crate::sip::{Headers, SessionId, StatusCode};

/// What the agent is to do.
pub(super) enum Order {
    /// Answer.
    Accept,
    /// Turn the call away.
    Reject(StatusCode),
    /// End the talk.
    HangUp,
    /// Put the phone away.
    Stop,
}

/// What the agent's phone shows.
#[derive(Default)]
pub(super) struct Display {
    /// A call rings or is up.
    pub(super) session: Option<SessionId>,
    /// The headers that came with the last one.
    pub(super) headers: Option<Headers>,
}

/// An agent with a phone.
pub(super) struct Agent {
    pub(super) display: Arc<Mutex<Display>>,
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
    /// Where they can be called.
    pub(super) uri: String,
}

const LOOK_AGAIN: Duration = Duration::from_millis(20);
const ORDERS: usize = 16;

impl Agent {
    #[expect(clippy::disallowed_methods, reason = "the agent is another person: they act beside the caller")]
    pub(super) fn new(config: PhoneConfig) -> Result<Self, String> {
        let phone = Phone::new(config).map_err(|why| why.to_string())?;
        let uri = format!("sip:agent@{}", phone.address);
        let display = Arc::new(Mutex::new(Display::default()));
        let (orders, taken) = sync_channel(ORDERS);
        let shown = Arc::clone(&display);
        let thread = Builder::new()
            .name("agent".to_owned())
            .spawn(move || serve(phone, &shown, &taken))
            .map_err(|why| why.to_string())?;
        Ok(Self { display, orders, thread: Some(thread), uri })
    }

    /// Tells them; a full list of orders means that they left.
    pub(super) fn order(&self, order: Order) {
        let _ = self.orders.try_send(order);
    }

    /// Whether a call rings or is up.
    pub(super) fn rings(&self) -> bool {
        self.display.lock().unwrap_or_else(PoisonError::into_inner).session.is_some()
    }

    /// What the phone was told under a header's name.
    pub(super) fn told(&self, header: &str) -> Option<String> {
        let display = self.display.lock().unwrap_or_else(PoisonError::into_inner);
        display.headers.as_ref()?.text(header).map(std::borrow::Cow::into_owned)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut phone: Phone, display: &Mutex<Display>, orders: &Receiver<Order>) {
    let shown = || display.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let session = shown().session;
        match (orders.try_recv(), session) {
            (Ok(Order::Accept), Some(session)) if phone.answer(session).is_err() => {
                phone.reject(session, StatusCode::SERVICE_UNAVAILABLE);
            }
            (Ok(Order::Accept), Some(_)) => {}
            (Ok(Order::Reject(status)), Some(session)) => phone.reject(session, status),
            (Ok(Order::HangUp), Some(session)) => phone.hang_up(session),
            (Ok(Order::Stop) | Err(TryRecvError::Disconnected), _) => return,
            _ => {}
        }
        match phone.next(os::now() + LOOK_AGAIN) {
            Some(PhoneEvent::Incoming { session, headers }) => {
                phone.ring(session);
                let mut display = shown();
                display.session = Some(session);
                display.headers = Some(headers);
            }
            Some(PhoneEvent::Ended(session, _)) => {
                let mut display = shown();
                if display.session == Some(session) {
                    display.session = None;
                }
            }
            _ => {}
        }
    }
}
