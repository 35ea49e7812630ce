//! What the caller says to the flow: kept by the media, understood outside, told to the flow.
//!
//! ```text
//! media ── Speaking ──▶ flow            (its timers wait)
//!       ── Said ──▶ Recognise ──▶ a worker ──▶ Heard ──▶ flow: Spoken | Unheard
//! ```
//!
//! One sound at a time is out to be understood. A caller who goes on speaking meanwhile had only paused: what they say then
//! belongs to it, and both are asked about as one. What was said for an order that is no longer is nobody's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conductor::Call;
use super::io::Output;
use crate::audio::Clip;
use crate::flow::run::{self, Spoken};
use crate::media::{self, Endpoint};
use crate::units::{HearingId, LegSide};
use crate::voice::{EarError, Ended, Hearing, Understood, Utterance};

/// What is listened for, and what of it is not understood yet.
#[derive(Default)]
pub(super) struct Listening {
    hearing: Option<Arc<Hearing>>,
    /// The number of the last sound.
    last: u64,
    /// The caller speaks.
    speaking: bool,
    pending: Option<Pending>,
    /// Since when nothing is played to the caller.
    quiet: Option<Instant>,
    /// What they heard last, or hear.
    prompt: Vec<Arc<Clip>>,
}

/// A sound that a worker has.
struct Pending {
    id: HearingId,
    since: Instant,
    sound: Arc<Utterance>,
    /// What the worker said, kept back while the caller speaks again.
    answer: Option<Result<Vec<Understood>, EarError>>,
}

impl Listening {
    /// The caller hears this from now on.
    pub(super) fn plays(&mut self, prompt: Vec<Arc<Clip>>) {
        self.quiet = None;
        self.prompt = prompt;
    }

    /// The caller hears nothing from now on.
    pub(super) const fn falls_silent(&mut self, now: Instant) {
        self.quiet = Some(now);
    }

    fn number(&mut self) -> HearingId {
        self.last += 1;
        HearingId(self.last)
    }

    /// A sound as it is to be understood: what was said just before it belongs to it.
    fn utterance(&mut self, said: media::Said) -> Utterance {
        let after = self.quiet.and_then(|quiet| said.began.checked_duration_since(quiet));
        let ended = if said.is_cut { Ended::Longest } else { Ended::Silence };
        let sound = Utterance::new(said.samples, after, said.speech, ended).after_prompt(self.prompt.clone());
        match self.pending.take() {
            Some(before) if before.sound.length() + sound.length() <= MOST => {
                before.sound.followed_by(&sound)
            }
            _ => sound,
        }
    }
}

impl Call {
    /// The flow wants to know what the caller says, or no longer.
    pub(super) fn hear(&mut self, hearing: Option<Hearing>) {
        let endpoint =
            hearing.as_ref().map(|hearing| Endpoint { silence: hearing.silence, longest: hearing.longest });
        let listening = &mut self.listening;
        // A prompt that is over changes nothing about what is being said.
        if !listening
            .hearing
            .as_deref()
            .zip(hearing.as_ref())
            .is_some_and(|(one, other)| one.asks_alike(other))
        {
            listening.pending = None;
        }
        listening.speaking &= endpoint.is_some();
        listening.hearing = hearing.map(Arc::new);
        if let Some(stream) = self.stream(LegSide::A) {
            stream.session.want(endpoint);
        }
    }

    /// The caller speaks, or does not.
    pub(super) fn caller_speaks(&mut self, on: bool) {
        if self.listening.hearing.is_none() {
            return;
        }
        self.listening.speaking = on;
        if on {
            self.tell_flow(run::Input::Speaking(true));
            return;
        }
        // It was nothing: what was said before it counts as it is.
        match &mut self.listening.pending {
            None => self.tell_flow(run::Input::Speaking(false)),
            Some(pending) => {
                if let Some(answer) = pending.answer.take() {
                    self.understood(answer);
                }
            }
        }
    }

    /// The caller said something.
    pub(super) fn caller_said(&mut self, said: media::Said) {
        let Some(hearing) = self.listening.hearing.clone() else { return };
        self.listening.speaking = false;
        if !hearing.counts {
            self.tell_flow(run::Input::Speaking(false));
            return;
        }
        let sound = Arc::new(self.listening.utterance(said));
        if hearing.grammar.is_none() {
            self.tell_flow(run::Input::Spoken(Spoken::understood(sound, Vec::new(), Duration::ZERO)));
            return;
        }
        let id = self.listening.number();
        let pending = Pending { id, since: self.now, sound: Arc::clone(&sound), answer: None };
        self.listening.pending = Some(pending);
        self.out.push_back(Output::Recognise { id, sound, hearing });
    }

    /// A worker has listened to a sound.
    pub(super) fn heard(&mut self, id: HearingId, answer: Result<Vec<Understood>, EarError>) {
        let speaking = self.listening.speaking;
        let Some(pending) = self.listening.pending.as_mut().filter(|pending| pending.id == id) else {
            return;
        };
        if speaking {
            pending.answer = Some(answer);
        } else {
            self.understood(answer);
        }
    }

    fn understood(&mut self, answer: Result<Vec<Understood>, EarError>) {
        let Some(pending) = self.listening.pending.take() else { return };
        let took = self.now.saturating_duration_since(pending.since);
        self.tell_flow(match answer {
            Ok(understood) => run::Input::Spoken(Spoken::understood(pending.sound, understood, took)),
            Err(why) => run::Input::Unheard(why),
        });
    }

    /// Nobody listens to the caller any more.
    pub(super) fn deafen(&mut self) {
        self.hear(None);
    }
}

/// The longest that recognisers listen to.
const MOST: Duration = Duration::from_secs(20);
