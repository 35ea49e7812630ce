//! Callers: who is let in, and when. What a trunk's callers present is looked into first, for a bounded time.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::super::door::{Look, Waiting};
use super::super::invite::{caller_number, carriers_word, dialled, is_private, journey, wants_trace};
use super::super::io::Output;
use super::super::limits::Refusal;
use super::super::rules::TrunkRules;
use super::super::running::Running;
use super::Engine;
use crate::call::{self, Call, NewCall};
use crate::secret::Secret;
use crate::sip::stir::{Reason, Verdict};
use crate::sip::{Incoming, Name, Path, SessionId, UserToUser};
use crate::units::CallId;

impl Engine {
    /// A caller at the door.
    pub(super) fn incoming(&mut self, now: Instant, session: SessionId, path: Path, invite: Incoming) {
        let trunk: Option<Arc<str>> = self.trunks.find(path.remote.ip()).map(Arc::from);
        let held = self.calls.len() + self.door.len();
        if let Err(why) = self.limits.admit(held, self.draining, trunk.is_some()) {
            self.refuse(now, session, why);
            return;
        }
        let Some(trunk) = trunk else { return };
        let place = match self.rules(&trunk).admission.as_ref().map(|of| of.admit(now)).transpose() {
            Ok(place) => place,
            Err(why) => {
                self.refuse(now, session, why);
                return;
            }
        };
        let id = self.new_id();
        let invite = Box::new(invite);
        let at = self.lineup.running.epoch.unix_at(now);
        let rules = self.rules(&trunk);
        let look = if rules.verified {
            let asserted = rules.asserted(&invite);
            self.vouching.look(&rules.numbers, &invite, asserted.as_ref().unwrap_or(&invite.from.uri), at)
        } else {
            Look::Settled(None)
        };
        let waiting = Waiting { session, path, trunk, invite, place };
        self.sessions.insert(session, id);
        match look {
            Look::Settled(verdict) => self.begin(now, id, waiting, verdict),
            Look::Vouch(vouch) => {
                self.door.wait(id, waiting);
                self.timers.set(id, Some(self.vouching.until(now)));
                self.out.push_back(Output::Vouch(id, vouch));
            }
        }
    }

    pub(super) fn refuse(&mut self, now: Instant, session: SessionId, why: Refusal) {
        self.counters.refused(why);
        self.endpoint_touched = true;
        self.endpoint.reject(now, session, why.status(), why.retry_after(self.limits.retry_after));
    }

    /// What came of looking into a caller's number; late when they were let in without it, or gave up.
    pub(super) fn vouched(&mut self, now: Instant, id: CallId, verdict: Verdict) {
        match self.door.take(id) {
            Some(waiting) => {
                self.timers.set(id, None);
                self.begin(now, id, waiting, Some(verdict));
            }
            None => self.counters.late = self.counters.late.saturating_add(1),
        }
    }

    /// The time that a call asked for has come, or that a caller may be kept waiting.
    pub(super) fn on_due(&mut self, now: Instant, id: CallId) {
        match self.door.take(id) {
            Some(waiting) => {
                self.begin(now, id, waiting, Some(Verdict::Unverified(Reason::TooSlow)));
            }
            None => self.tell(now, id, call::Input::Timeout),
        }
    }

    fn rules(&self, trunk: &Arc<str>) -> &TrunkRules {
        self.rules.get(trunk).unwrap_or(&self.usual)
    }

    /// Lets a caller in.
    fn begin(&mut self, now: Instant, id: CallId, waiting: Waiting, verdict: Option<Verdict>) {
        let Waiting { session, path, trunk, invite, place } = waiting;
        let (version, canary) = self.lineup.choose(id);
        let version = Arc::clone(version);
        let [to_running, to_canary] = &mut self.begun;
        *(if canary { to_canary } else { to_running }) += 1;
        let rules = self.rules(&trunk);
        let carriers = || rules.attests.then(|| carriers_word(&invite));
        let asserted = rules.asserted(&invite);
        let told = UserToUser::of(&invite.headers).filter(|_| rules.trusted);
        let new = NewCall {
            call: id,
            session,
            path,
            trunk: Arc::clone(&trunk),
            terms: rules.media,
            from: caller_number(asserted.as_ref().unwrap_or(&invite.from.uri))
                .map(|number| Secret::new(rules.number(number))),
            asserted: asserted.is_some(),
            journey: journey(&invite, rules, told.as_ref()),
            user_to_user: told.map(|told| Secret::new(told.value)),
            to: rules.number(dialled(&invite)),
            identities: signed(&invite, verdict),
            verdict: verdict.or_else(carriers),
            watched: rules.traced && wants_trace(&invite),
            canary,
            offer: invite.offer.clone(),
        };
        tracing::info!(call = %id, %trunk, "call begins");
        let call = Call::new(now, new, version, self.entropy.fork());
        self.out.push_back(Output::Begun(call.source().clone()));
        self.calls.insert(id, Running::Inbound { call: Box::new(call), _place: place });
        self.counters.admitted = self.counters.admitted.saturating_add(1);
        self.touch(id);
    }
}

/// What was signed for the caller, when it holds: it may be passed on, unless they hide their number.
fn signed(invite: &Incoming, verdict: Option<Verdict>) -> Vec<Bytes> {
    match verdict {
        Some(Verdict::Valid(_)) if !is_private(invite) => {
            invite.headers.all(Name::Identity).cloned().collect()
        }
        _ => Vec::new(),
    }
}
