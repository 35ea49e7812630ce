use super::*;
use crate::sip::Transport;
use crate::units::test_start;

const PULSE: Pulse =
    Pulse { every: Duration::from_secs(30), doubt: Duration::from_secs(5), patience: Duration::from_secs(4) };

fn hop(n: u8) -> Hop {
    Hop { transport: Transport::Udp, remote: ([192, 0, 2, n], 5060).into() }
}

fn said(status: u16) -> Answer {
    let status = StatusCode::new(status).expect("a status");
    Answer { status, expires: None, least: None, after: None }
}

/// A carrier in virtual time: what each server answers, by its last octet; `None` is silence.
struct Carrier {
    line: Line,
    start: Instant,
    now: Instant,
    /// Second, what was asked and of whom.
    asked: Vec<(u64, &'static str, u8)>,
    changes: Vec<(u64, Change)>,
}

impl Carrier {
    fn new(pulse: Option<Pulse>, registration: Option<RegistrationConfig>, servers: &[u8]) -> Self {
        let start = test_start();
        let mut line = Line::new(pulse, registration, start, Entropy::from_seed([7; 32]));
        line.handle(start, Input::Servers(servers.iter().copied().map(hop).collect()));
        Self { line, start, now: start, asked: Vec::new(), changes: Vec::new() }
    }

    /// So many seconds pass.
    fn run(&mut self, seconds: u64, answers: impl Fn(Ask) -> Option<Answer>) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            match self.line.poll() {
                Output::Ask { ask, .. } => {
                    let (what, Hop { remote, .. }) = match ask {
                        Ask::Options(hop) => ("options", hop),
                        Ask::Register(hop) => ("register", hop),
                    };
                    let std::net::IpAddr::V4(ip) = remote.ip() else { panic!("an IPv4 address") };
                    self.asked.push(((self.now - self.start).as_secs(), what, ip.octets()[3]));
                    let silent = matches!(ask, Ask::Register(_)).then(|| said(408));
                    if let Some(answer) = answers(ask).or(silent) {
                        let mut rest = Vec::new();
                        while let output @ (Output::Ask { .. } | Output::Changed(_)) = self.line.poll() {
                            rest.push(output);
                        }
                        self.line.handle(self.now, Input::Answered(ask, answer));
                        rest.into_iter().rev().for_each(|output| self.line.out.push_front(output));
                    }
                }
                Output::Changed(change) => {
                    self.changes.push(((self.now - self.start).as_secs(), change));
                }
                Output::Timeout(at) => {
                    let Some(at) = at.filter(|at| *at <= end) else { break };
                    assert!(at > self.now || self.asked.len() < 10_000, "time goes on");
                    self.now = at.max(self.now);
                    self.line.handle(self.now, Input::Timeout);
                }
            }
        }
        self.now = end;
    }

    fn registrations(&self) -> Vec<u8> {
        self.asked.iter().filter(|(_, what, _)| *what == "register").map(|(.., of)| *of).collect()
    }
}

#[test]
fn a_server_that_falls_silent_is_down_after_two_questions_and_up_after_two_answers() {
    let mut carrier = Carrier::new(Some(PULSE), None, &[1, 2]);
    carrier.run(50, |_| Some(said(200)));
    carrier.run(60, |ask| (ask == Ask::Options(hop(2))).then(|| said(200)));
    carrier.run(120, |_| Some(said(404)));
    let of_one: Vec<(u64, Change)> = carrier
        .changes
        .iter()
        .filter(|(_, change)| matches!(change, Change::Up(of) | Change::Down(of) if *of == hop(1)))
        .copied()
        .collect();
    // Asked at 60, silent at 64, asked again at 69, down at 73.
    assert_eq!(of_one.len(), 3, "{:?}", carrier.changes);
    assert_eq!(of_one[..2], [(0, Change::Up(hop(1))), (73, Change::Down(hop(1)))]);
    assert!(matches!(of_one[2], (at, Change::Up(_)) if (121..=160).contains(&at)), "{of_one:?}");
    assert!(carrier.line.servers().all(|(_, condition)| condition == Condition::Up));
}

#[test]
fn what_is_known_of_a_server_is_kept_when_the_names_are_looked_up_again() {
    let mut carrier = Carrier::new(Some(PULSE), None, &[1, 2]);
    carrier.run(20, |ask| (ask == Ask::Options(hop(2))).then(|| said(200)));
    carrier.line.handle(carrier.now, Input::Servers(vec![hop(3), hop(1)]));
    let known: Vec<_> = carrier.line.servers().collect();
    assert_eq!(known, [(hop(3), Condition::Untried), (hop(1), Condition::Down)]);
}

#[test]
fn a_registration_is_kept_for_a_day_and_goes_to_another_server_when_the_first_is_gone() {
    let config = RegistrationConfig::default();
    let mut carrier = Carrier::new(Some(PULSE), Some(config), &[1, 2]);
    carrier.run(24 * 3600, |_| Some(said(200)));
    let made = carrier.registrations();
    assert!((180..=206).contains(&made.len()), "600 s, after 70 to 80 %: {}", made.len());
    assert!(
        made.iter().all(|of| *of == 1)
            && !carrier.changes.iter().any(|(_, change)| *change == Change::RanOut)
    );
    let of_second =
        |ask| matches!(ask, Ask::Options(of) | Ask::Register(of) if of == hop(2)).then(|| said(200));
    let before = carrier.now;
    carrier.run(3600, of_second);
    let moved = carrier
        .changes
        .iter()
        .find(|(_, change)| matches!(change, Change::Registered(of, _) if *of == hop(2)));
    let moved = moved.expect("it moves").0 - (before - carrier.start).as_secs();
    assert!(moved <= 45, "when OPTIONS show that the first is gone, not when it runs out: {moved}");
    assert!(!carrier.changes.iter().any(|(_, change)| *change == Change::RanOut));
    assert!(carrier.registrations()[made.len()..].iter().filter(|of| **of == 1).count() <= 1);
}

#[test]
fn all_servers_are_asked_before_the_pause_and_a_refusal_is_asked_of_one() {
    let config = RegistrationConfig::default();
    let mut silent = Carrier::new(None, Some(config), &[1, 2, 3]);
    silent.run(1, |_| None);
    assert_eq!(silent.registrations(), [1, 2, 3]);
    let [(0, Change::NotRegistered(of, StatusCode::REQUEST_TIMEOUT, pause))] = silent.changes[..] else {
        panic!("told once: {:?}", silent.changes)
    };
    assert!(of == hop(3) && pause <= Duration::from_secs(30));
    let mut refused = Carrier::new(None, Some(config), &[1, 2, 3]);
    refused.run(299, |_| Some(said(403)));
    assert_eq!(refused.registrations(), [1]);
}

#[test]
fn a_registration_goes_elsewhere_when_options_show_that_nobody_will_answer_it() {
    let config = RegistrationConfig::default();
    let mut carrier = Carrier::new(Some(PULSE), Some(config), &[1, 2]);
    let [start, mut now] = [carrier.start; 2];
    let mut registered = Vec::new();
    loop {
        let mut lives = Vec::new();
        let wake = loop {
            match carrier.line.poll() {
                Output::Ask { ask: Ask::Register(of), .. } => registered.push(of),
                Output::Ask { ask, .. } if ask == Ask::Options(hop(2)) => lives.push(ask),
                Output::Ask { .. } | Output::Changed(_) => {}
                Output::Timeout(wake) => break wake,
            }
        };
        if registered.last() == Some(&hop(2)) {
            break;
        }
        if lives.is_empty() {
            now = wake.expect("something is due");
            assert!(now - start <= Duration::from_secs(15), "a REGISTER without an answer lasts 32 s");
            carrier.line.handle(now, Input::Timeout);
        }
        for ask in lives {
            carrier.line.handle(now, Input::Answered(ask, said(200)));
        }
    }
    assert_eq!(registered, [hop(1), hop(2)]);
    carrier.line.handle(now, Input::Answered(Ask::Register(hop(2)), said(200)));
    // What was given up says nothing of what came after it.
    carrier.line.handle(now + Duration::from_secs(20), Input::Answered(Ask::Register(hop(1)), said(408)));
    let (by, registration) = carrier.line.registration().expect("a registration");
    assert_eq!((by, registration.refused()), (Some(hop(2)), None));
    assert!(matches!(registration.state(), Registered::Until(_)));
}

#[test]
fn nothing_is_asked_while_no_server_is_known() {
    let mut line = Line::new(
        Some(PULSE),
        Some(RegistrationConfig::default()),
        test_start(),
        Entropy::from_seed([1; 32]),
    );
    line.handle(test_start(), Input::Servers(Vec::new()));
    assert_eq!(line.poll(), Output::Timeout(None));
}
