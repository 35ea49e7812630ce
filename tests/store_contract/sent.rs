//! What every store promises of letters and of the codes in them.

use super::*;

fn letter(number: u8, at: i64) -> LetterRow {
    LetterRow {
        id: LetterId([number; 16]),
        at: UnixTime(at),
        channel: Channel::Sms,
        purpose: Purpose::Notice,
        subject: SubjectKey([1; 16]),
        address: [2; 32],
        same: None,
        status: Status::Queued,
        changed: UnixTime(at),
        sender: None,
        reference: None,
        reason: None,
    }
}

pub(super) fn letters_are_counted_and_what_became_of_them_is_kept(store: &dyn Store) {
    let budgets =
        LettersConfig { address: PerHourAndDay { hour: 3, day: 9 }, ..LettersConfig::default() }.budgets();
    let now = NOON.0;
    let same = |number, at| LetterRow { same: Some([9; 32]), ..letter(number, at) };
    let take = |row: &LetterRow| store.take_letter(row, &budgets).expect("counts");
    assert_eq!(take(&same(1, now)), Taken::New);
    assert_eq!(take(&same(2, now + 59_999)), Taken::Again(LetterId([1; 16])));
    assert_eq!(take(&same(2, now + 60_000)), Taken::New);
    let ghost = LetterRow { status: Status::Pretended, ..letter(3, now + 60_000) };
    assert_eq!(take(&ghost), Taken::New);
    assert_eq!(take(&letter(4, now + 60_000)), Taken::Spent(Scope::Address));
    let by = |status, reference| Move {
        at: UnixTime(now + 70_000),
        status,
        sender: Some("one"),
        reference,
        reason: None,
    };
    let [one, two] = [LetterId([1; 16]), LetterId([2; 16])];
    assert!(!store.move_letter(one, &by(Status::Accepted, None)).expect("stays"), "no sender has it");
    assert!(store.move_letter(one, &by(Status::Queued, None)).expect("is handed over"));
    assert!(store.move_letter(one, &by(Status::Accepted, Some("m-1"))).expect("moves"));
    let other = Move { sender: Some("two"), ..by(Status::Delivered, None) };
    assert!(!store.move_letter(one, &other).expect("stays"), "another's");
    assert_eq!(store.letter_called("one", "m-1").expect("finds"), Some(one));
    assert_eq!(store.letter_called("two", "m-1").expect("finds"), None);
    assert!(store.move_letter(one, &by(Status::Delivered, None)).expect("moves"));
    assert!(!store.move_letter(one, &by(Status::Failed, None)).expect("stays"));
    assert_eq!(store.abandon_letters(UnixTime(now + 80_000)).expect("tells"), 1);
    let rows = store.letters(9).expect("rows");
    let kept: Vec<_> = rows.iter().map(|row| (row.id, row.status, row.reference.as_deref())).collect();
    assert_eq!(kept, [(two, Status::Failed, None), (one, Status::Delivered, Some("m-1"))]);
    store.forget_letters(SubjectKey([1; 16])).expect("forgets");
    assert!(store.letters(9).expect("rows").is_empty());
}

pub(super) fn a_letter_at_the_end_of_a_budgets_time_makes_room(store: &dyn Store) {
    let config = LettersConfig { address: PerHourAndDay { hour: 1, day: 2 }, ..LettersConfig::default() };
    let (budgets, now, hour) = (config.budgets(), NOON.0, 3_600_000);
    let take = |number, at| store.take_letter(&letter(number, at), &budgets).expect("counts");
    assert_eq!(take(1, now), Taken::New);
    assert_eq!(take(2, now + hour - 1), Taken::Spent(Scope::Address));
    assert_eq!(take(2, now + hour), Taken::New);
    assert_eq!(take(3, now + 2 * hour), Taken::Spent(Scope::Address));
    // A clock that was put back gives no budget back.
    assert_eq!(take(3, now - 5 * hour), Taken::Spent(Scope::Address));
    assert_eq!(take(3, now + 24 * hour), Taken::New);
}

fn sent(number: u8, expires: u64) -> RequestRow {
    let mut sends = Sends::default();
    sends.sent(NOON);
    RequestRow {
        subject: SubjectKey([1; 16]),
        factor: FactorId::OtpSms,
        request: [number; 16],
        tag: [number; 32],
        call: CallId(u64::MAX),
        expires: NOON.plus(Duration::from_secs(expires)),
        generation: 1,
        used: false,
        sends,
        link: None,
        approved: false,
    }
}

fn spend(store: &dyn Store, number: u8, at: u64) -> bool {
    let (subject, factor) = (SubjectKey([1; 16]), FactorId::OtpSms);
    let (request, now) = ([number; 16], NOON.plus(Duration::from_secs(at)));
    change(store, Change::Spend { subject, factor, request, now, reserved: &nothing() })
}

/// Nobody has to be enrolled: a ghost's codes are kept like a subject's.
pub(super) fn the_newest_code_that_was_sent_counts_once_and_in_its_time(store: &dyn Store) {
    let (subject, factor) = (SubjectKey([1; 16]), FactorId::OtpSms);
    assert_eq!(store.request(subject, factor).expect("reads"), None);
    assert!(!spend(store, 1, 0), "nothing was sent");
    store.keep_request(&sent(1, 300), NOON).expect("keeps");
    assert_eq!(store.request(subject, factor).expect("reads"), Some(sent(1, 300)));
    assert_eq!(store.request(subject, FactorId::OtpEmail).expect("reads"), None);
    reserve(store, subject, NOON, &Lockout::default());
    store.keep_request(&sent(2, 300), NOON).expect("keeps");
    assert!(!spend(store, 1, 1), "a newer one was sent");
    assert!(!spend(store, 2, 300), "too old");
    assert_eq!(store.throttle(subject).expect("reads").failures(), 1);
    assert!(spend(store, 2, 299));
    assert_eq!(store.throttle(subject).expect("reads").failures(), 0, "the reservation is given back");
    assert!(!spend(store, 2, 299), "a second time");
    let used = store.request(subject, factor).expect("reads").expect("is kept");
    assert!(used.used && used.sends == Sends::default());
    store.keep_request(&sent(3, 300), NOON).expect("keeps");
    let burn = Change::Burn { subject, factor, request: [3; 16], now: NOON };
    assert!(change(store, burn));
    assert!(!spend(store, 3, 1), "burnt");
    assert_ne!(store.request(subject, factor).expect("reads").expect("is kept").sends, Sends::default());
    let other = RequestRow { subject: SubjectKey([2; 16]), ..sent(4, 300) };
    store.keep_request(&other, NOON.plus(Duration::from_secs(2 * 3600))).expect("keeps");
    assert_eq!(store.request(subject, factor).expect("reads"), None, "older than anybody asks about");
    let reserved = nothing();
    let spent =
        Change::Spend { subject: other.subject, factor, request: [4; 16], now: NOON, reserved: &reserved };
    assert!(matches!(store.audited(spent, &mut broken), Err(StoreError::Audit(_))));
    assert_eq!(store.request(other.subject, factor).expect("reads"), Some(other), "not used: not on record");
}

pub(super) fn a_sent_code_used_64_times_at_once_is_right_once(store: &dyn Store) {
    for round in 1..=15 {
        store.keep_request(&sent(round, 300), NOON).expect("keeps");
        let right = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| right.fetch_add(u32::from(spend(store, round, 1)), Ordering::Relaxed));
            }
        });
        assert_eq!(right.into_inner(), 1, "round {round}");
    }
}

pub(super) fn a_page_approves_once_and_in_its_time(store: &dyn Store) {
    let push = RequestRow { factor: FactorId::Push, link: Some([9; 32]), ..sent(5, 120) };
    let approve = |request: [u8; 16], at: u64| {
        change(store, Change::Approve { request, now: NOON.plus(Duration::from_secs(at)) })
    };
    store.keep_request(&sent(6, 120), NOON).expect("keeps");
    store.keep_request(&push, NOON).expect("keeps");
    assert_eq!(store.linked(&[8; 32]).expect("reads"), None);
    assert_eq!(store.linked(&[9; 32]).expect("reads"), Some(push));
    assert!(!approve([6; 16], 1), "a code has no page");
    assert!(!approve([5; 16], 120), "too old");
    assert!(approve([5; 16], 119));
    assert!(!approve([5; 16], 119), "a second time");
    assert!(store.linked(&[9; 32]).expect("reads").is_some_and(|row| row.approved && !row.used));
}
