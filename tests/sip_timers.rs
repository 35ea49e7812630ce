//! The whole schedules of the four transactions, instant by instant, on both kinds of transport.
//!
//! RFC 3261 Table 4 and Figures 5–8, RFC 6026 Figures 5 and 7. T1 = 500 ms, T2 = 4 s, T4 = 5 s.

use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::sip::timers::TimerConfig;
use countersign::sip::transaction::{
    Class, ClientInvite, ClientInviteInput, ClientNonInvite, ClientNonInviteInput, Failure, Output,
    ServerInvite, ServerInviteInput, ServerNonInvite, ServerNonInviteInput,
};

const REQUEST: Bytes = Bytes::from_static(b"request");
const TRYING: Bytes = Bytes::from_static(b"100");
const RINGING: Bytes = Bytes::from_static(b"180");
const FINAL: Bytes = Bytes::from_static(b"final");
const ACK: Bytes = Bytes::from_static(b"ack");

/// One shape over the four machines, so that one clock can drive them all.
trait Machine {
    fn poll(&mut self) -> Output;
    fn wake(&mut self, now: Instant);
    fn is_terminated(&self) -> bool;
}

macro_rules! machine {
    ($name:ty, $input:ident) => {
        impl Machine for $name {
            fn poll(&mut self) -> Output {
                self.poll()
            }
            fn wake(&mut self, now: Instant) {
                self.handle(now, $input::Timeout);
            }
            fn is_terminated(&self) -> bool {
                self.is_terminated()
            }
        }
    };
}
machine!(ClientInvite, ClientInviteInput);
machine!(ClientNonInvite, ClientNonInviteInput);
machine!(ServerInvite, ServerInviteInput);
machine!(ServerNonInvite, ServerNonInviteInput);

/// What happened, in milliseconds after the start.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Sent(u128, Bytes),
    Delivered(u128),
    Failed(u128, Failure),
    Terminated(u128),
}

struct Clock {
    start: Instant,
    now: Instant,
    log: Vec<Seen>,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "virtual time needs some first instant")]
    fn new() -> Self {
        let start = Instant::now();
        Self { start, now: start, log: Vec::new() }
    }

    fn ms(&self) -> u128 {
        self.now.duration_since(self.start).as_millis()
    }

    /// Takes what the machine orders now; the next deadline.
    fn drain(&mut self, machine: &mut impl Machine) -> Option<Instant> {
        loop {
            match machine.poll() {
                Output::Transmit(bytes) => self.log.push(Seen::Sent(self.ms(), bytes)),
                Output::Deliver => self.log.push(Seen::Delivered(self.ms())),
                Output::Failed(failure) => self.log.push(Seen::Failed(self.ms(), failure)),
                Output::Timeout(at) => {
                    if machine.is_terminated() && !matches!(self.log.last(), Some(Seen::Terminated(_))) {
                        self.log.push(Seen::Terminated(self.ms()));
                    }
                    return at;
                }
            }
        }
    }

    /// Runs until `ms` after the start, waking the machine exactly at its deadlines.
    fn run_to(&mut self, machine: &mut impl Machine, ms: u64) {
        let end = self.start + Duration::from_millis(ms);
        while let Some(at) = self.drain(machine).filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline that has passed is not asked for again");
            self.now = at;
            machine.wake(at);
        }
        self.now = end;
    }

    fn sent(&self, what: &Bytes) -> Vec<u128> {
        let when = |seen: &Seen| match seen {
            Seen::Sent(at, bytes) if bytes == what => Some(*at),
            _ => None,
        };
        self.log.iter().filter_map(when).collect()
    }

    fn tail(&self, n: usize) -> &[Seen] {
        &self.log[self.log.len() - n..]
    }
}

fn timers() -> TimerConfig {
    TimerConfig::default()
}

const LONG: u64 = 200_000;

#[test]
fn an_unanswered_invite_doubles_timer_a_and_fails_at_timer_b() {
    let mut clock = Clock::new();
    let mut invite = ClientInvite::new(clock.now, REQUEST, false, timers());
    clock.run_to(&mut invite, LONG);
    assert_eq!(clock.sent(&REQUEST), [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(clock.tail(2), [Seen::Failed(32_000, Failure::TimedOut), Seen::Terminated(32_000)]);
}

#[test]
fn an_unanswered_invite_on_a_reliable_transport_is_sent_once_and_fails_at_timer_b() {
    let mut clock = Clock::new();
    let mut invite = ClientInvite::new(clock.now, REQUEST, true, timers());
    clock.run_to(&mut invite, LONG);
    assert_eq!(
        clock.log,
        [Seen::Sent(0, REQUEST), Seen::Failed(32_000, Failure::TimedOut), Seen::Terminated(32_000)]
    );
}

#[test]
fn a_provisional_response_ends_the_retransmission_of_an_invite() {
    for reliable in [false, true] {
        let mut clock = Clock::new();
        let mut invite = ClientInvite::new(clock.now, REQUEST, reliable, timers());
        clock.run_to(&mut invite, 400);
        invite.handle(clock.now, ClientInviteInput::Provisional);
        clock.run_to(&mut invite, LONG);
        assert_eq!(clock.log, [Seen::Sent(0, REQUEST), Seen::Delivered(400)]);
        assert!(invite.is_proceeding() && !invite.is_terminated());
    }
}

#[test]
fn a_failed_invite_acknowledges_every_repeat_until_timer_d() {
    let mut clock = Clock::new();
    let mut invite = ClientInvite::new(clock.now, REQUEST, false, timers());
    clock.run_to(&mut invite, 100);
    for at in [100, 600, 1600] {
        clock.run_to(&mut invite, at);
        invite.handle(clock.now, ClientInviteInput::Failure { ack: ACK });
    }
    clock.run_to(&mut invite, LONG);
    assert_eq!(
        clock.log,
        [
            Seen::Sent(0, REQUEST),
            Seen::Sent(100, ACK),
            Seen::Delivered(100),
            Seen::Sent(600, ACK),
            Seen::Sent(1600, ACK),
            Seen::Terminated(32_100),
        ]
    );
}

#[test]
fn a_failed_invite_on_a_reliable_transport_is_over_with_its_ack() {
    let mut clock = Clock::new();
    let mut invite = ClientInvite::new(clock.now, REQUEST, true, timers());
    clock.run_to(&mut invite, 100);
    invite.handle(clock.now, ClientInviteInput::Failure { ack: ACK });
    clock.run_to(&mut invite, LONG);
    assert_eq!(
        clock.log,
        [Seen::Sent(0, REQUEST), Seen::Sent(100, ACK), Seen::Delivered(100), Seen::Terminated(100)]
    );
}

#[test]
fn an_accepted_invite_passes_every_2xx_up_until_timer_m_on_both_transports() {
    for reliable in [false, true] {
        let mut clock = Clock::new();
        let mut invite = ClientInvite::new(clock.now, REQUEST, reliable, timers());
        for at in [100, 600, 1600] {
            clock.run_to(&mut invite, at);
            invite.handle(clock.now, ClientInviteInput::Success);
        }
        // A failure that another fork sends late is not taken.
        invite.handle(clock.now, ClientInviteInput::Failure { ack: ACK });
        clock.run_to(&mut invite, LONG);
        assert_eq!(clock.sent(&ACK), [] as [u128; 0]);
        assert_eq!(
            clock.tail(4),
            [Seen::Delivered(100), Seen::Delivered(600), Seen::Delivered(1600), Seen::Terminated(32_100)]
        );
    }
}

#[test]
fn an_unanswered_request_repeats_up_to_t2_and_fails_at_timer_f() {
    let mut clock = Clock::new();
    let mut request = ClientNonInvite::new(clock.now, REQUEST, false, timers());
    clock.run_to(&mut request, LONG);
    assert_eq!(
        clock.sent(&REQUEST),
        [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
    );
    assert_eq!(clock.tail(2), [Seen::Failed(32_000, Failure::TimedOut), Seen::Terminated(32_000)]);
}

#[test]
fn an_unanswered_request_on_a_reliable_transport_is_sent_once_and_fails_at_timer_f() {
    let mut clock = Clock::new();
    let mut request = ClientNonInvite::new(clock.now, REQUEST, true, timers());
    clock.run_to(&mut request, LONG);
    assert_eq!(
        clock.log,
        [Seen::Sent(0, REQUEST), Seen::Failed(32_000, Failure::TimedOut), Seen::Terminated(32_000)]
    );
}

#[test]
fn a_provisional_response_slows_a_request_to_t2_and_timer_f_still_ends_it() {
    let mut clock = Clock::new();
    let mut request = ClientNonInvite::new(clock.now, REQUEST, false, timers());
    clock.run_to(&mut request, 600);
    request.handle(clock.now, ClientNonInviteInput::Response(Class::Provisional));
    clock.run_to(&mut request, LONG);
    assert_eq!(clock.sent(&REQUEST), [0, 500, 1500, 5500, 9500, 13_500, 17_500, 21_500, 25_500, 29_500]);
    assert_eq!(clock.tail(2), [Seen::Failed(32_000, Failure::TimedOut), Seen::Terminated(32_000)]);
}

#[test]
fn an_answered_request_absorbs_repeats_until_timer_k() {
    for (reliable, end) in [(false, 5700), (true, 700)] {
        let mut clock = Clock::new();
        let mut request = ClientNonInvite::new(clock.now, REQUEST, reliable, timers());
        clock.run_to(&mut request, 700);
        for _ in 0..3 {
            request.handle(clock.now, ClientNonInviteInput::Response(Class::Success));
        }
        clock.run_to(&mut request, LONG);
        assert_eq!(clock.tail(2), [Seen::Delivered(700), Seen::Terminated(end)]);
    }
}

fn respond(class: Class, response: &Bytes) -> ServerInviteInput {
    ServerInviteInput::Respond { class, response: response.clone() }
}

#[test]
fn a_repeated_invite_gets_the_last_provisional_response() {
    let mut clock = Clock::new();
    let mut invite = ServerInvite::new(TRYING, false, timers());
    clock.run_to(&mut invite, 500);
    invite.handle(clock.now, ServerInviteInput::Retransmission);
    clock.run_to(&mut invite, 1000);
    invite.handle(clock.now, respond(Class::Provisional, &RINGING));
    clock.run_to(&mut invite, 1500);
    invite.handle(clock.now, ServerInviteInput::Retransmission);
    clock.run_to(&mut invite, LONG);
    assert_eq!(
        clock.log,
        [
            Seen::Sent(0, TRYING),
            Seen::Sent(500, TRYING),
            Seen::Sent(1000, RINGING),
            Seen::Sent(1500, RINGING)
        ]
    );
}

#[test]
fn a_refused_invite_repeats_its_failure_by_timer_g_and_gives_up_at_timer_h() {
    let mut clock = Clock::new();
    let mut invite = ServerInvite::new(TRYING, false, timers());
    invite.handle(clock.now, respond(Class::Failure, &FINAL));
    clock.run_to(&mut invite, LONG);
    assert_eq!(
        clock.sent(&FINAL),
        [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
    );
    assert_eq!(clock.tail(2), [Seen::Failed(32_000, Failure::TimedOut), Seen::Terminated(32_000)]);
}

#[test]
fn a_refused_invite_on_a_reliable_transport_waits_for_its_ack_until_timer_h() {
    let mut clock = Clock::new();
    let mut invite = ServerInvite::new(TRYING, true, timers());
    invite.handle(clock.now, respond(Class::Failure, &FINAL));
    clock.run_to(&mut invite, LONG);
    assert_eq!(
        clock.log,
        [
            Seen::Sent(0, TRYING),
            Seen::Sent(0, FINAL),
            Seen::Failed(32_000, Failure::TimedOut),
            Seen::Terminated(32_000)
        ]
    );
}

#[test]
fn an_ack_stops_the_failure_and_timer_i_absorbs_further_acks() {
    for (reliable, end) in [(false, 6000), (true, 1000)] {
        let mut clock = Clock::new();
        let mut invite = ServerInvite::new(TRYING, reliable, timers());
        invite.handle(clock.now, respond(Class::Failure, &FINAL));
        clock.run_to(&mut invite, 1000);
        invite.handle(clock.now, ServerInviteInput::Ack);
        invite.handle(clock.now, ServerInviteInput::Ack);
        invite.handle(clock.now, ServerInviteInput::Retransmission);
        clock.run_to(&mut invite, LONG);
        assert_eq!(clock.log.last(), Some(&Seen::Terminated(end)));
        assert!(!clock.log.iter().any(|seen| matches!(seen, Seen::Delivered(_) | Seen::Failed(..))));
    }
}

#[test]
fn an_accepted_invite_absorbs_repeats_passes_acks_up_and_ends_at_timer_l() {
    for reliable in [false, true] {
        let mut clock = Clock::new();
        let mut invite = ServerInvite::new(TRYING, reliable, timers());
        invite.handle(clock.now, respond(Class::Success, &FINAL));
        clock.run_to(&mut invite, 500);
        invite.handle(clock.now, ServerInviteInput::Retransmission);
        invite.handle(clock.now, respond(Class::Success, &FINAL));
        clock.run_to(&mut invite, 700);
        invite.handle(clock.now, ServerInviteInput::Ack);
        clock.run_to(&mut invite, LONG);
        assert_eq!(
            clock.log,
            [
                Seen::Sent(0, TRYING),
                Seen::Sent(0, FINAL),
                Seen::Sent(500, FINAL),
                Seen::Delivered(700),
                Seen::Terminated(32_000)
            ]
        );
    }
}

#[test]
fn a_repeated_request_gets_its_answer_again_until_timer_j() {
    let mut clock = Clock::new();
    let mut request = ServerNonInvite::new(clock.now, false, timers());
    request.handle(clock.now, ServerNonInviteInput::Retransmission);
    clock.run_to(&mut request, 200);
    for response in [FINAL, RINGING] {
        let input = ServerNonInviteInput::Respond { class: Class::Success, response };
        request.handle(clock.now, input);
    }
    for at in [700, 1700] {
        clock.run_to(&mut request, at);
        request.handle(clock.now, ServerNonInviteInput::Retransmission);
    }
    clock.run_to(&mut request, LONG);
    assert_eq!(clock.sent(&FINAL), [200, 700, 1700]);
    assert_eq!(clock.sent(&RINGING), [] as [u128; 0], "a second final response is discarded");
    assert_eq!(clock.log.last(), Some(&Seen::Terminated(32_200)));
}

#[test]
fn an_answered_request_on_a_reliable_transport_is_over_at_once() {
    let mut clock = Clock::new();
    let mut request = ServerNonInvite::new(clock.now, true, timers());
    clock.run_to(&mut request, 200);
    let input = ServerNonInviteInput::Respond { class: Class::Failure, response: FINAL };
    request.handle(clock.now, input);
    clock.run_to(&mut request, LONG);
    assert_eq!(clock.log, [Seen::Sent(200, FINAL), Seen::Terminated(200)]);
}

#[test]
fn a_failed_transport_ends_what_still_waits_for_it() {
    let mut clock = Clock::new();
    let mut invite = ClientInvite::new(clock.now, REQUEST, true, timers());
    invite.handle(clock.now, ClientInviteInput::TransportFailed);
    clock.run_to(&mut invite, 10);
    let mut refused = ServerInvite::new(TRYING, true, timers());
    refused.handle(clock.now, respond(Class::Failure, &FINAL));
    refused.handle(clock.now, ServerInviteInput::TransportFailed);
    clock.run_to(&mut refused, 20);
    let mut bye = ClientNonInvite::new(clock.now, REQUEST, true, timers());
    bye.handle(clock.now, ClientNonInviteInput::TransportFailed);
    clock.run_to(&mut bye, 30);
    let failures = clock.log.iter().filter(|seen| matches!(seen, Seen::Failed(_, Failure::Transport)));
    assert_eq!(failures.count(), 3);
    assert!(invite.is_terminated() && refused.is_terminated() && bye.is_terminated());
}
