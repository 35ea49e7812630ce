//! The demo agent: a phone that answers, says how far the caller is verified, and then repeats what the
//! caller says, so that a newcomer hears both directions work.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Phone, PhoneEvent};
use crate::audio::Clip;
use crate::driver::os;
use crate::sip::{SessionId, StatusCode};

/// What the demo agent can say, by level; the entry for `none` serves unknown levels.
pub type Greetings = HashMap<String, Arc<Clip>>;

/// The header that tells an agent how far the caller is verified.
pub const LEVEL_HEADER: &str = "X-Countersign-Level";

/// Conversations at once; one agent has one caller, the rest is for callers who transfer.
const CONVERSATIONS: usize = 16;
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Answers calls until `stop` is set.
pub fn run(mut phone: Phone, greetings: &Greetings, stop: &AtomicBool) {
    let mut repeating: HashMap<SessionId, bool> = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(event) = phone.next(os::now() + LOOK_AGAIN) else { continue };
        match event {
            PhoneEvent::Incoming { session, headers } => {
                if repeating.len() >= CONVERSATIONS {
                    phone.reject(session, StatusCode::BUSY_HERE);
                    continue;
                }
                let level = headers.text(LEVEL_HEADER).unwrap_or_default().into_owned();
                if phone.answer(session).is_err() {
                    phone.reject(session, StatusCode::SERVICE_UNAVAILABLE);
                    continue;
                }
                repeating.insert(session, false);
                let greeting = greetings.get(&level).or_else(|| greetings.get("none"));
                if let Some(greeting) = greeting {
                    phone.play(session, vec![Arc::clone(greeting)], false);
                }
            }
            PhoneEvent::PlayFinished(session, _) => {
                repeating.insert(session, true);
            }
            PhoneEvent::Heard(session, samples) if repeating.get(&session) == Some(&true) => {
                phone.speak(session, &samples);
            }
            PhoneEvent::Ended(session, _) => {
                repeating.remove(&session);
            }
            _ => {}
        }
    }
    for session in repeating.into_keys() {
        phone.hang_up(session);
    }
}
