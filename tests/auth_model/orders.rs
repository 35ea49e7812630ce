//! Random orders of events.

use super::*;

/// Some of the factors, each once, in any order.
fn factors() -> impl Strategy<Value = Vec<FactorId>> {
    let some = proptest::sample::subsequence(USED.to_vec(), 0..=USED.len());
    prop_oneof![
        3 => Just(USED.to_vec()),
        1 => Just(vec![FactorId::Pin, FactorId::Totp]),
        4 => some.prop_shuffle(),
    ]
}

fn factor() -> impl Strategy<Value = FactorId> {
    proptest::sample::select(USED.to_vec())
}

fn choose() -> impl Strategy<Value = Choose> {
    prop_oneof![Just(Choose::Policy), Just(Choose::Caller), Just(Choose::StrongestFirst)]
}

fn prepared() -> impl Strategy<Value = Reply> {
    prop_oneof![
        2 => Just(Prepared::Sent { match_number: None }),
        2 => Just(Prepared::TooSoon),
        2 => Just(Prepared::Exhausted),
        2 => Just(Prepared::Unavailable),
        1 => Just(Prepared::Locked),
        1 => Just(Prepared::Questions(vec!["first_pet".into()])),
        1 => Just(Prepared::Questions(vec![])),
    ]
    .prop_map(Reply::Prepared)
}

fn reply() -> impl Strategy<Value = Reply> {
    let verdict = prop_oneof![
        8 => Just(Verdict::Accept),
        2 => Just(Verdict::Reject),
        1 => Just(Verdict::Inconclusive),
    ];
    let wrong = (
        prop_oneof![Just(Verdict::Reject), Just(Verdict::Inconclusive)],
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.3),
    );
    prop_oneof![
        40 => (factors(), verdict).prop_map(|(enrolled, verdict)| Reply::Fitting(enrolled, verdict)),
        2 => factors().prop_map(Reply::Enrolled),
        1 => prop_oneof![Just(Refused::Locked), Just(Refused::Unavailable)].prop_map(Reply::Refused),
        5 => prepared(),
        2 => Just(Reply::Verdict(Verdict::Accept, false, false)),
        1 => Just(Reply::Verdict(Verdict::Accept, true, false)),
        1 => Just(Reply::Verdict(Verdict::Accept, false, true)),
        4 => wrong.prop_map(|(verdict, locked, expired)| Reply::Verdict(verdict, locked, expired)),
        1 => Just(Reply::Verdict(Verdict::Unavailable, false, false)),
        1 => prop_oneof![Just(Reply::Audited), Just(Reply::Unavailable), Just(Reply::Identified)],
    ]
}

fn stale() -> impl Strategy<Value = Reply> {
    prop_oneof![
        3 => Just(Reply::Verdict(Verdict::Accept, false, false)),
        1 => factors().prop_map(Reply::Enrolled),
        1 => prepared(),
        1 => Just(Reply::Unavailable),
    ]
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => (0_u8..3).prop_map(Event::Claim),
        4 => (prop_oneof![4 => Just("strong"), 2 => Just("basic"), 1 => Just("unheard-of")], factors(), choose())
            .prop_map(|(level, offer, choose)| Event::Begin { level, offer, choose }),
        1 => factor().prop_map(Event::Verify),
        6 => factor().prop_map(Event::Chosen),
        14 => Just(Event::Respond),
        3 => Just(Event::Again),
        2 => Just(Event::Unable),
        3 => Just(Event::Another),
        26 => reply().prop_map(Event::Answer),
        2 => stale().prop_map(Event::Stale),
        1 => Just(Event::Abandon),
        3 => prop_oneof![0_u64..30, 800_u64..1000].prop_map(Event::Wait),
    ]
}
