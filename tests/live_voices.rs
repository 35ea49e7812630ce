//! Voices in calls, judged by the vault: who is accepted, what is refused whatever the voice, what is counted and told.

mod spoken_world;
mod vault_world;

use std::sync::Arc;
use std::time::Duration;

use countersign::audio::Clip;
use countersign::auth::factor::voiceprint::{Joined, JoinedWords, Mode};
use countersign::auth::{
    Answer, Enrolment, FactorId, Poor, Question, Refused, Response, Said, Spoken, SubjectRef, Verdict, Words,
};
use countersign::driver::retention::Class;
use countersign::driver::vault::{Consent, Fraudster, Known, Vault};
use countersign::secret::Secret;
use countersign::units::CallId;
use countersign::voice::liveness::SpoofModel;
use countersign::voice::print::calibration::Likeness;
use countersign::voice::print::compare::Heard;
use countersign::voice::print::fingerprint::Fingerprint;
use countersign::voice::{Ended, Utterance};
use spoken_world::{MODEL, calibration, policy, said, samples, utterance, voice, voices};
use vault_world::{ACCOUNT, Folder, NOON, PIN, add_customer, grant, later, secret, subject};

const UNKNOWN: &str = "55230999";
const NOTICE: &str = "voice_biometrics, version 2026-01, en-GB, agreed to in call 7";
const ANA: u16 = 1;
const BEN: u16 = 2;

fn known(speaker: u16) -> Known {
    let heard = |take| Heard { voice: voice(speaker, take, 0), seconds: 3.0 };
    let all = [heard(901), heard(902), heard(903)];
    Known {
        heard: Heard::together(&all).expect("a voice"),
        model: MODEL.to_owned(),
        fingerprints: [901, 902, 903].map(|take| Fingerprint::of(&samples(speaker, take, 0))).into(),
        consent: Consent { notice: NOTICE.to_owned(), at: NOON.0 },
    }
}

/// A vault with Ana's voice.
fn vault(folder: &Folder, mode: Mode) -> Vault {
    let vault = folder.vault();
    vault.set_policy(Arc::new(policy(mode)));
    vault.set_voices(Some(voices(MODEL)));
    add_customer(&vault);
    vault.enrol_voice(NOON, "C1", &known(ANA)).expect("enrolled");
    vault
}

fn judged(vault: &Vault, subject: &SubjectRef, said: Vec<Said>) -> (Verdict, bool) {
    let response = Response::Spoken(Spoken { said, consent: String::new() });
    let factor = FactorId::Voiceprint;
    match vault.answer(NOON, Question::Verify { subject: subject.clone(), factor, response, call: CallId(7) })
    {
        Answer::Verdict { verdict, locked, expired: false, left: None }
        | Answer::Voice { verdict, locked, .. } => (verdict, locked),
        other => panic!("{other:?}"),
    }
}

fn told(folder: &Folder) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder.path()).expect("read") {
        let path = entry.expect("entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains("audit")) && path.is_file() {
            text += &String::from_utf8_lossy(&std::fs::read(path).expect("read"));
        }
    }
    text
}

fn offered(vault: &Vault, subject: &SubjectRef) -> Vec<FactorId> {
    match vault.answer(NOON, Question::Enrolled { subject: subject.clone() }) {
        Answer::Enrolled(found) => found.expect("not locked"),
        other => panic!("{other:?}"),
    }
}

const ACCEPTED: (Verdict, bool) = (Verdict::Accept, false);
const REJECTED: (Verdict, bool) = (Verdict::Reject, false);
const IN_DOUBT: (Verdict, bool) = (Verdict::Inconclusive, false);

#[test]
fn the_right_voice_is_accepted_and_another_is_not() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    let ana = subject(&vault, ACCOUNT);
    assert!(offered(&vault, &ana).contains(&FactorId::Voiceprint));
    assert_eq!(judged(&vault, &ana, vec![said(BEN, 1, 0)]), REJECTED);
    assert_eq!(judged(&vault, &ana, vec![said(ANA, 1, 0)]), ACCEPTED);
    let log = told(&folder);
    for part in ["voice_compared", MODEL, "\"1%\"", "\"different\"", "\"same\""] {
        assert!(log.contains(part), "{part} is missing in {log}");
    }
    for part in ["score", "ratio", "numbers"] {
        let compared = log.lines().filter(|line| line.contains("voice_compared"));
        assert!(compared.into_iter().all(|line| !line.contains(part)), "{part} is told");
    }
}

/// How much of somebody else is in a voice that is neither accepted nor refused.
fn in_doubt() -> u16 {
    let calibration = calibration(MODEL);
    let line = calibration.line(1).expect("a line");
    let likeness = |doubt| {
        let score = calibration.common.score(&known(ANA).heard.voice, &voice(ANA, 50, doubt));
        line.likeness(score, 0.01).expect("a rate")
    };
    (0..100).find(|doubt| likeness(*doubt) == Likeness::Unsure).expect("something between")
}

#[test]
fn what_is_in_doubt_takes_another_utterance_and_stays_counted() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    let ana = subject(&vault, ACCOUNT);
    let doubtful = said(ANA, 50, in_doubt());
    assert_eq!(judged(&vault, &ana, vec![doubtful.clone()]), IN_DOUBT);
    assert_eq!(judged(&vault, &ana, vec![doubtful, said(ANA, 51, 0)]), ACCEPTED);
    // Doubt alone, call after call, ends as any guessing does.
    for take in 60..63 {
        assert_ne!(judged(&vault, &ana, vec![said(ANA, take, 99)]).0, Verdict::Accept);
    }
    assert!(judged(&vault, &ana, vec![said(ANA, 63, in_doubt())]).1, "five failures lock");
    assert_eq!(
        judged(&vault, &ana, vec![said(ANA, 64, 0)]),
        (Verdict::Reject, true),
        "and nothing is right then"
    );
}

#[test]
fn what_was_heard_before_is_refused_whatever_the_voice() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    let ana = subject(&vault, ACCOUNT);
    assert_eq!(judged(&vault, &ana, vec![said(ANA, 1, 0)]), ACCEPTED, "the control: said anew");
    for (take, why) in [(902, "it was enrolled with"), (1, "it was accepted before")] {
        assert_eq!(judged(&vault, &ana, vec![said(ANA, take, 0)]), REJECTED, "{why}");
    }
    // Softer, through the codec of a line, it is still a copy.
    let softer: Vec<i16> =
        samples(ANA, 1, 0).iter().enumerate().map(|(at, s)| if at < 3 { *s } else { s / 3 }).collect();
    let replayed = Said { utterance: utterance(softer, Some(Duration::from_secs(1))), words: Words::Right };
    assert_eq!(judged(&vault, &ana, vec![replayed]), REJECTED);
    assert_eq!(told(&folder).matches("\"replay\"").count(), 3);
    assert_eq!(judged(&vault, &ana, vec![said(ANA, 4, 0)]), ACCEPTED, "the control: said anew again");
    // The same twice in one call is a copy of itself.
    assert_eq!(judged(&vault, &ana, vec![said(ANA, 5, 0), said(ANA, 5, 0)]), REJECTED);
}

/// Tells joins by what the recording says of itself: its fourth sample.
struct Splices;

const SPLICED: i16 = 77;

impl SpoofModel for Splices {
    fn identity(&self) -> &str {
        "splices 1"
    }

    fn score(&self, samples: &[i16]) -> Option<u8> {
        Some(if samples.get(3) == Some(&SPLICED) { 61 } else { 60 })
    }
}

fn spliced(take: u16) -> Said {
    let mut samples = samples(ANA, take, 0);
    samples[3] = SPLICED;
    Said { utterance: utterance(samples, Some(Duration::from_secs(1))), words: Words::Right }
}

#[test]
fn words_put_together_are_told_and_refused_where_the_policy_says_so() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    vault.set_voices(Some(voices(MODEL).joined_by(Arc::new(Splices))));
    let (ana, nobody) = (subject(&vault, ACCOUNT), subject(&vault, UNKNOWN));
    let answered = |subject: &SubjectRef, said: Said| {
        let response = Response::Spoken(Spoken { said: vec![said], consent: String::new() });
        let (subject, factor) = (subject.clone(), FactorId::Voiceprint);
        match vault.answer(NOON, Question::Verify { subject, factor, response, call: CallId(7) }) {
            Answer::Voice { verdict, joined, .. } => (verdict, joined),
            Answer::Verdict { verdict, .. } => (verdict, Joined::NotAsked),
            other => panic!("{other:?}"),
        }
    };
    let with = |joined| {
        let mut policy = policy(Mode::RandomDigits);
        policy.factors.iter_mut().for_each(|used| used.voice.joined = joined);
        vault.set_policy(Arc::new(policy));
    };
    // Unless a policy says otherwise it is told, and the verdict is that of the voice.
    assert_eq!(answered(&ana, said(ANA, 1, 0)), (Verdict::Accept, Joined::Unlikely));
    assert_eq!(answered(&ana, spliced(2)), (Verdict::Accept, Joined::Likely));
    assert_eq!(answered(&nobody, spliced(3)), (Verdict::Reject, Joined::Likely), "of whomever");
    with(JoinedWords::Refuse);
    assert_eq!(answered(&ana, spliced(4)), (Verdict::Reject, Joined::Likely));
    assert_eq!(answered(&ana, said(ANA, 5, 0)), (Verdict::Accept, Joined::Unlikely), "the control");
    with(JoinedWords::Off);
    assert_eq!(answered(&ana, spliced(6)), (Verdict::Accept, Joined::NotAsked));
    let log = told(&folder);
    let count = |part: &str| log.matches(part).count();
    assert_eq!((count("\"joined\":\"likely\""), count("\"finding\":\"joined\"")), (3, 1), "{log}");
    assert_eq!((count("\"joined\":\"not_asked\""), count("splices 1")), (1, 5));
}

#[test]
fn a_prompt_that_is_played_back_is_nobody() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    let ana = subject(&vault, ACCOUNT);
    let clip = |take| Arc::new(Clip::from_pcm(&samples(ANA, take, 0)));
    let after = |prompt: Vec<Arc<Clip>>, begins: Option<Duration>, take: u16| {
        let speech = Duration::from_millis(2_400);
        let sound = Utterance::new(Secret::new(samples(ANA, take, 0)), begins, speech, Ended::Silence);
        Said { utterance: Arc::new(sound.after_prompt(prompt)), words: Words::Right }
    };
    let soon = Some(Duration::from_millis(700));
    let played = || vec![clip(70), clip(71)];
    assert_eq!(judged(&vault, &ana, vec![after(played(), soon, 72)]), ACCEPTED, "the control: said anew");
    assert_eq!(judged(&vault, &ana, vec![after(played(), soon, 71)]), REJECTED);
    assert_eq!(told(&folder).matches("\"prompt\"").count(), 1);
    // Whoever hears themselves through a loud speaker is no recording; they are asked again.
    assert_eq!(judged(&vault, &ana, vec![after(played(), None, 71)]), IN_DOUBT);
    // Nor is anybody known by it from then on.
    let proof = Arc::new(grant(&vault, vault.policy(), PIN).expect("proved"));
    let said = (1..4).map(|take| said(ANA, take + 80, 0)).chain([after(played(), soon, 71)]).collect();
    let secret = Response::Spoken(Spoken { said, consent: NOTICE.to_owned() });
    let enrol = Question::Enrol { grant: proof, factor: FactorId::Voiceprint, secret, replace: true };
    assert_eq!(vault.answer(NOON, enrol), Answer::Enrolment(Enrolment::Poor(Poor::Copy)));
}

#[test]
fn the_right_voice_with_other_words_is_refused() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    let ana = subject(&vault, ACCOUNT);
    let saying = |take, words| vec![Said { words, ..said(ANA, take, 0) }];
    assert_eq!(judged(&vault, &ana, saying(1, Words::Other)), REJECTED);
    assert_eq!(judged(&vault, &ana, saying(2, Words::Any)), REJECTED, "nobody listened for the digits");
    assert_eq!(judged(&vault, &ana, saying(3, Words::Unsure)), IN_DOUBT);
    let slow =
        Said { utterance: utterance(samples(ANA, 4, 0), Some(Duration::from_secs(6))), ..said(ANA, 4, 0) };
    assert_eq!(judged(&vault, &ana, vec![slow]), IN_DOUBT, "a person answers sooner");
    assert_eq!(judged(&vault, &ana, saying(5, Words::Right)), ACCEPTED, "the control");
}

#[test]
fn words_are_free_where_a_voice_is_known_by_whatever_it_says() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::Passive);
    let ana = subject(&vault, ACCOUNT);
    let freely = |speaker, take| Said { words: Words::Any, ..said(speaker, take, 0) };
    assert_eq!(judged(&vault, &ana, vec![freely(BEN, 1), freely(BEN, 2)]), REJECTED);
    assert_eq!(judged(&vault, &ana, vec![freely(ANA, 1), freely(ANA, 2)]), ACCEPTED);
}

#[test]
fn a_bad_recording_is_no_failure_and_no_proof() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    let ana = subject(&vault, ACCOUNT);
    let of = |samples: Vec<i16>| Said { utterance: utterance(samples, None), words: Words::Right };
    let all = samples(ANA, 1, 0);
    let soft: Vec<i16> = all.iter().enumerate().map(|(at, s)| if at < 3 { *s } else { s / 400 }).collect();
    let hum = |(at, s): (usize, &i16)| {
        if at < 3 {
            *s
        } else if at % 2 == 0 {
            9_000
        } else {
            -9_000
        }
    };
    let noisy: Vec<i16> = all.iter().enumerate().map(hum).collect();
    for take in 0..4 {
        assert_eq!(judged(&vault, &ana, vec![of(all[..8_000].to_vec())]), IN_DOUBT, "{take}");
        assert_eq!(judged(&vault, &ana, vec![of(soft.clone())]), IN_DOUBT);
        assert_eq!(judged(&vault, &ana, vec![of(noisy.clone())]), IN_DOUBT);
        assert_eq!(judged(&vault, &ana, vec![]), IN_DOUBT);
    }
    assert_eq!(judged(&vault, &ana, vec![said(ANA, 1, 0)]), ACCEPTED, "nothing was counted");
}

#[test]
fn who_is_not_there_fails_like_who_is() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    let (ana, nobody) = (subject(&vault, ACCOUNT), subject(&vault, UNKNOWN));
    assert_eq!(offered(&vault, &ana), offered(&vault, &nobody));
    let tries: [Vec<Said>; 5] = [
        vec![said(BEN, 1, 0)],
        vec![Said { words: Words::Other, ..said(ANA, 2, 0) }],
        vec![said(ANA, 50, in_doubt())],
        vec![said(ANA, 901, 0)],
        vec![said(BEN, 3, 0)],
    ];
    for said in tries {
        assert_eq!(judged(&vault, &ana, said.clone()), judged(&vault, &nobody, said));
    }
    let locked = |subject: &SubjectRef| vault.answer(NOON, Question::Enrolled { subject: subject.clone() });
    assert_eq!(locked(&ana), Answer::Enrolled(Err(Refused::Locked)));
    assert_eq!(locked(&nobody), Answer::Enrolled(Err(Refused::Locked)));
    // Whoever is next to them is not let in as them.
    let other = subject(&vault, "55230998");
    assert_eq!(judged(&vault, &other, vec![said(ANA, 9, 0)]), REJECTED);
}

#[test]
fn without_what_compares_them_voices_are_not_asked_for() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    let ana = subject(&vault, ACCOUNT);
    let asks = |vault: &Vault| offered(vault, &ana).contains(&FactorId::Voiceprint);
    assert!(asks(&vault), "the control");
    vault.set_voices(Some(voices("test:2")));
    assert!(!asks(&vault), "the voice was made with another model");
    assert_eq!(judged(&vault, &ana, vec![said(ANA, 1, 0)]).0, Verdict::Unavailable);
    vault.set_voices(None);
    assert!(!asks(&vault));
    assert_eq!(judged(&vault, &ana, vec![said(ANA, 1, 0)]).0, Verdict::Unavailable);
    vault.set_voices(Some(voices(MODEL)));
    let mut strict = policy(Mode::RandomDigits);
    let rate = countersign::auth::factor::voiceprint::FalseAccepts::LEAST;
    strict.factors.iter_mut().for_each(|used| used.voice.accept = rate);
    vault.set_policy(Arc::new(strict));
    assert!(!asks(&vault), "the calibration has no threshold for it");
    assert_eq!(judged(&vault, &ana, vec![said(ANA, 1, 0)]).0, Verdict::Unavailable);
    // A voice is not keyed, and a PIN is not known by its sound.
    let spoken = Response::Spoken(Spoken { said: vec![said(ANA, 1, 0)], consent: String::new() });
    for (factor, response) in [(FactorId::Voiceprint, secret(PIN).into()), (FactorId::Pin, spoken)] {
        let question = Question::Verify { subject: ana.clone(), factor, response, call: CallId(7) };
        let answer = vault.answer(NOON, question);
        assert!(matches!(answer, Answer::Verdict { verdict: Verdict::Unavailable, .. }), "{answer:?}");
    }
}

#[test]
fn a_caller_who_has_proved_it_is_known_by_what_they_say() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    assert!(vault.remove_factor(NOON, "C1", FactorId::Voiceprint).expect("removed"));
    let proof = Arc::new(grant(&vault, vault.policy(), PIN).expect("proved"));
    let enrol = |said: Vec<Said>, consent: &str, replace| {
        let secret = Response::Spoken(Spoken { said, consent: consent.to_owned() });
        let grant = Arc::clone(&proof);
        vault.answer(NOON, Question::Enrol { grant, factor: FactorId::Voiceprint, secret, replace })
    };
    let ana = |takes: &[u16]| -> Vec<Said> { takes.iter().map(|take| said(ANA, *take, 0)).collect() };
    let poor = |why| Answer::Enrolment(Enrolment::Poor(why));
    assert_eq!(enrol(ana(&[1, 2]), NOTICE, false), poor(Poor::Short));
    assert_eq!(enrol(ana(&[1, 2, 3, 2]), NOTICE, false), poor(Poor::Copy));
    let two = [ana(&[1, 2, 3]), vec![said(BEN, 1, 0)]].concat();
    assert_eq!(enrol(two, NOTICE, false), poor(Poor::Others));
    let four = ana(&[1, 2, 3, 4]);
    assert_eq!(enrol(four.clone(), "", false), Answer::Unavailable, "nobody agreed");
    assert!(vault.known_voice("C1").expect("readable").is_none(), "nothing of that is kept");
    assert_eq!(enrol(four.clone(), NOTICE, false), Answer::Enrolment(Enrolment::Done));
    assert_eq!(vault.known_voice("C1").expect("readable").expect("a voice").consent.notice, NOTICE);
    let caller = subject(&vault, ACCOUNT);
    assert_eq!(judged(&vault, &caller, vec![said(ANA, 9, 0)]), ACCEPTED);
    assert_eq!(judged(&vault, &caller, vec![said(ANA, 3, 0)]), REJECTED, "it was enrolled with");
    assert_eq!(enrol(four.clone(), NOTICE, false), Answer::Enrolment(Enrolment::Exists));
    assert_eq!(enrol(ana(&[11, 12, 13, 14]), NOTICE, true), Answer::Enrolment(Enrolment::Done));
    vault.erase(NOON, "C1").expect("erased");
    assert!(vault.known_voice("C1").is_err(), "nobody is left");
}

#[test]
fn a_voice_on_the_list_of_fraudsters_is_a_signal_and_ends_by_itself() {
    let folder = Folder::new();
    let vault = vault(&folder, Mode::RandomDigits);
    let listed = Fraudster {
        name: "case-12".to_owned(),
        reason: "took over two accounts in May, case 12".to_owned(),
        model: MODEL.to_owned(),
        heard: known(BEN).heard,
        until: later(Duration::from_secs(30 * 24 * 3600)).0,
    };
    let suspected = |now, speaker| {
        let said = vec![said(speaker, 1, 0), said(speaker, 2, 0)];
        vault.answer(now, Question::Suspect { said, call: CallId(7) })
    };
    assert_eq!(suspected(NOON, BEN), Answer::Suspected(false), "the list is empty");
    for broken in [
        Fraudster { name: "Ben Smith".to_owned(), ..listed.clone() },
        Fraudster { reason: "bad".to_owned(), ..listed.clone() },
        Fraudster { until: NOON.0, ..listed.clone() },
    ] {
        assert!(vault.list_fraudster(NOON, &broken).is_err());
    }
    vault.list_fraudster(NOON, &listed).expect("listed");
    assert_eq!(suspected(NOON, BEN), Answer::Suspected(true));
    assert_eq!(suspected(NOON, ANA), Answer::Suspected(false));
    assert_eq!(
        suspected(later(Duration::from_secs(31 * 24 * 3600)), BEN),
        Answer::Suspected(false),
        "it has ended"
    );
    // What has ended is forgotten, and what has not is not.
    let short = Fraudster {
        name: "case-9".to_owned(),
        until: later(Duration::from_secs(24 * 3600)).0,
        ..listed.clone()
    };
    vault.list_fraudster(NOON, &short).expect("listed");
    let two_days = later(Duration::from_secs(2 * 24 * 3600));
    vault.sweep(two_days, Class::Remembered, NOON).expect("swept");
    let kept = vault.fraudsters_at(NOON).expect("a list");
    assert_eq!(kept.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["case-12"]);
    // Whoever was not asked for their consent is compared with the customer alone; who is on the list can't enrol.
    let ana = subject(&vault, ACCOUNT);
    assert_eq!(judged(&vault, &ana, vec![said(BEN, 5, 0)]), REJECTED);
    let proof = Arc::new(grant(&vault, vault.policy(), PIN).expect("proved"));
    let said = (1..5).map(|take| said(BEN, take + 20, 0)).collect();
    let secret = Response::Spoken(Spoken { said, consent: NOTICE.to_owned() });
    let enrol = Question::Enrol { grant: proof, factor: FactorId::Voiceprint, secret, replace: true };
    assert_eq!(vault.answer(NOON, enrol), Answer::Enrolment(Enrolment::Refused));
    assert_eq!(told(&folder).matches("fraudster_heard").count(), 2);
    assert!(vault.remove_fraudster(NOON, "case-12").expect("removed"));
    assert!(!vault.remove_fraudster(NOON, "case-12").expect("nothing there"));
    assert_eq!(suspected(NOON, BEN), Answer::Suspected(false));
    let mut octets = Vec::new();
    for entry in std::fs::read_dir(folder.path()).expect("read") {
        let path = entry.expect("entry").path();
        if path.is_file() && path.extension().is_none_or(|extension| extension != "key") {
            octets.extend(std::fs::read(&path).expect("read"));
        }
    }
    assert!(!octets.windows(9).any(|window| window == b"\"numbers\""), "no voice is in the files in clear");
}

#[test]
fn a_voice_counts_beside_something_that_is_had() {
    let mut policy = policy(Mode::RandomDigits);
    let (pin, totp, voice) = (FactorId::Pin, FactorId::Totp, FactorId::Voiceprint);
    let proves = |policy: &countersign::auth::Policy, level: &str, factors: &[FactorId]| {
        policy.proves(policy.level(&level.into()).expect("shipped"), factors)
    };
    assert!(proves(&policy, "strong", &[pin, totp]) && proves(&policy, "strong", &[totp, voice]));
    assert!(!proves(&policy, "basic", &[voice]) && !proves(&policy, "strong", &[pin, voice]));
    assert!(!policy.reachable(&"strong".into(), &[totp, voice]), "somebody may not be able to speak");
    policy
        .factors
        .iter_mut()
        .for_each(|used| used.voice.alone_because = Some("ordered by the board".to_owned()));
    assert!(proves(&policy, "strong", &[pin, voice]), "the policy says so in writing");
    let alone = policy.problems();
    assert!(alone.iter().any(|problem| problem.to_string().contains("by itself")), "{alone:?}");
}
