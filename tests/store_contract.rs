//! What every store promises, run over all of them.

mod vault_world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign::auth::factor::otp::Sends;
use countersign::auth::tally::Counted;
use countersign::auth::throttle::{Admission, Attempt, Lane, Throttle};
use countersign::auth::{FactorId, Lockout, Policy, SourceLimit, SubjectKey};
use countersign::driver::audit_log::{AuditError, Head};
use countersign::driver::sender::{Channel, LetterId, LettersConfig, PerHourAndDay, Purpose, Scope, Status};
use countersign::driver::store::letters::{LetterRow, Move, Taken};
use countersign::driver::store::memory::MemoryStore;
use countersign::driver::store::sqlite::SqliteStore;
use countersign::driver::store::tokens::TokenRow;
use countersign::driver::store::{
    CallRow, Change, EnrolmentRow, Identifier, OrderRow, Place, RequestRow, Reservation, Store, StoreError,
    SubjectRow, Trace,
};
use countersign::units::{CallId, UnixTime};
use vault_world::{Folder, NOON};

/// Runs every promise over every store.
macro_rules! contract {
    ($($promise:ident,)+) => {
        mod memory {
            $(#[test] fn $promise() { super::$promise(&super::MemoryStore::default()); })+
        }
        mod sqlite {
            $(#[test] fn $promise() {
                let folder = super::Folder::new();
                super::$promise(&super::SqliteStore::open(&folder.file("store.db")).expect("opens"));
            })+
        }
    };
}

contract! {
    orders_of_a_service_come_in_their_turn,
    a_subject_is_found_by_what_it_has_until_it_is_erased,
    subjects_are_added_all_or_none,
    an_unwritten_audit_record_undoes_its_change,
    a_step_moves_forward_only,
    a_verdict_on_what_is_not_kept_any_more_changes_nothing,
    one_code_used_64_times_at_once_is_right_once,
    a_reservation_is_a_failure_until_it_succeeds,
    failures_from_one_place_count_over_all_subjects,
    enrolling_again_replaces_and_forgives_the_run,
    the_nearest_subject_is_found_around_the_end,
    a_small_value_is_kept_once,
    the_head_moves_with_each_record,
    calls_come_back_newest_first,
    lists_come_by_the_page,
    tokens_are_kept_by_their_names,
    a_factor_is_removed_once,
    what_is_remembered_is_kept_for_its_time_and_by_its_owner,
    the_newest_code_that_was_sent_counts_once_and_in_its_time,
    a_sent_code_used_64_times_at_once_is_right_once,
    a_page_approves_once_and_in_its_time,
    letters_are_counted_and_what_became_of_them_is_kept,
    a_letter_at_the_end_of_a_budgets_time_makes_room,
    what_is_kept_of_a_number_is_forgotten_as_of_a_time,
    keys_are_wrapped_anew_and_small_values_replaced,
}

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

fn letters_are_counted_and_what_became_of_them_is_kept(store: &dyn Store) {
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
    assert!(store.move_letter(one, &by(Status::Accepted, Some("m-1"))).expect("moves"));
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

fn a_letter_at_the_end_of_a_budgets_time_makes_room(store: &dyn Store) {
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

fn what_is_kept_of_a_number_is_forgotten_as_of_a_time(store: &dyn Store) {
    let call = |at| CallRow {
        at: UnixTime(at),
        record: format!("{{\"call\":\"{at}\"}}"),
        caller_hash: Some([3; 32]),
        caller: Some(vec![9]),
    };
    store.add_calls(&[call(10), call(20)]).expect("kept");
    store.remember(&[1; 32], &[2; 32], b"v", UnixTime(0), UnixTime(100)).expect("kept");
    store.remember(&[1; 32], &[3; 32], b"v", UnixTime(0), UnixTime(101)).expect("kept");
    let trace = Trace { owner: [1; 32], until: UnixTime(100), caller: [3; 32], at: UnixTime(15) };
    store.forget_traces(&[trace]).expect("forgotten");
    let recalled = |name| store.recall(&[1; 32], &[name; 32], UnixTime(1)).expect("read").is_some();
    assert_eq!([recalled(2), recalled(3)], [false, true]);
    let callers: Vec<bool> = store.calls(9).expect("read").iter().map(|call| call.caller.is_some()).collect();
    assert_eq!(callers, [true, false], "newest first");
}

fn keys_are_wrapped_anew_and_small_values_replaced(store: &dyn Store) {
    add(store, &[row(1, 1), row(2, 2)], &[]);
    store.rewrap(&[(SubjectKey([1; 16]), vec![42])]).expect("wrapped");
    let wrapped = |number| store.subject(SubjectKey([number; 16])).expect("read").expect("there").wrapped_key;
    assert_eq!([wrapped(1), wrapped(2)], [vec![42], vec![2, 1]]);
    store.set_meta("name", b"one").expect("set");
    store.set_meta("name", b"two").expect("set");
    assert_eq!(store.meta("name").expect("read"), Some(b"two".to_vec()));
}

fn row(number: u8, account: u8) -> SubjectRow {
    SubjectRow {
        key: SubjectKey([number; 16]),
        wrapped_key: vec![number, 1],
        profile: vec![number, 2],
        identifiers: vec![
            (Identifier::Id, [number; 32]),
            (Identifier::Account, [account; 32]),
            (Identifier::Phone, [99; 32]),
        ],
    }
}

fn enrolment(number: u8, factor: FactorId) -> EnrolmentRow {
    let subject = SubjectKey([number; 16]);
    EnrolmentRow { subject, factor, data: vec![7], key_id: "pepper".into(), last_step: None }
}

/// An audit log that counts.
fn counted(head: &Head, _: bool) -> Result<Head, AuditError> {
    Ok(Head { seq: head.seq + 1, ..head.clone() })
}

fn broken(_: &Head, _: bool) -> Result<Head, AuditError> {
    Err(AuditError::Io { path: "audit.jsonl".into(), source: std::io::Error::other("disk full") })
}

fn change(store: &dyn Store, change: Change<'_>) -> bool {
    store.audited(change, &mut counted).expect("takes the change")
}

fn add(store: &dyn Store, subjects: &[SubjectRow], enrolments: &[EnrolmentRow]) {
    assert!(change(store, Change::AddSubjects { subjects, enrolments }));
}

fn a_subject_is_found_by_what_it_has_until_it_is_erased(store: &dyn Store) {
    add(
        store,
        &[row(1, 1), row(2, 2), row(3, 3)],
        &[enrolment(1, FactorId::Pin), enrolment(1, FactorId::Totp)],
    );
    let key = SubjectKey([1; 16]);
    assert_eq!(store.find(Identifier::Account, &[1; 32]).expect("find"), [key]);
    assert_eq!(store.find(Identifier::Id, &[1; 32]).expect("find"), [key]);
    assert_eq!(store.find(Identifier::Phone, &[99; 32]).expect("find").len(), 2, "two are many");
    assert_eq!(store.find(Identifier::Account, &[9; 32]).expect("find"), []);
    assert_eq!(store.subject(key).expect("read"), Some(row(1, 1)));
    assert_eq!(store.enrolled(key).expect("read"), [FactorId::Pin, FactorId::Totp]);
    reserve(store, key, NOON, &Lockout::default());
    assert!(change(store, Change::Erase(key)));
    assert!(!change(store, Change::Erase(key)), "it is gone");
    store.scrub().expect("scrub");
    assert_eq!(store.find(Identifier::Account, &[1; 32]).expect("find"), []);
    assert_eq!(store.subject(key).expect("read"), None);
    assert_eq!(store.enrolled(key).expect("read"), []);
    assert_eq!(store.enrolment(key, FactorId::Pin).expect("read"), None);
    assert_eq!(store.throttle(key).expect("read"), Throttle::default());
    assert_eq!(store.subjects().expect("read"), [SubjectKey([2; 16]), SubjectKey([3; 16])]);
}

fn subjects_are_added_all_or_none(store: &dyn Store) {
    add(store, &[row(1, 1)], &[]);
    let clash = Change::AddSubjects { subjects: &[row(2, 2), row(3, 1)], enrolments: &[] };
    let refused = store.audited(clash, &mut counted);
    assert!(matches!(refused, Err(StoreError::Taken(Identifier::Account))));
    assert_eq!(store.subjects().expect("read"), [SubjectKey([1; 16])]);
}

fn an_unwritten_audit_record_undoes_its_change(store: &dyn Store) {
    add(store, &[row(1, 1)], &[enrolment(1, FactorId::Pin)]);
    let key = SubjectKey([1; 16]);
    let head = store.audit_head().expect("read");
    let reserved = nothing();
    let step = Some(5);
    for change in [
        Change::Nothing,
        Change::Erase(key),
        Change::AddSubjects { subjects: &[row(2, 2)], enrolments: &[] },
        Change::Enrol(&enrolment(1, FactorId::Totp)),
        Change::SetAgent { name: "alice", sealed: b"x" },
        Change::Succeed {
            subject: key,
            factor: FactorId::Pin,
            reserved: &reserved,
            of: None,
            step,
            renewed: Some(vec![8]),
            key_id: None,
        },
    ] {
        assert!(matches!(store.audited(change, &mut broken), Err(StoreError::Audit(_))));
    }
    assert_eq!(store.subjects().expect("read"), [key]);
    assert_eq!(store.enrolled(key).expect("read"), [FactorId::Pin]);
    assert_eq!(store.enrolment(key, FactorId::Pin).expect("read"), Some(enrolment(1, FactorId::Pin)));
    assert_eq!(store.agent("alice").expect("read"), None);
    assert_eq!(store.audit_head().expect("read"), head);
}

const PLACE: Place = Place {
    key: [5; 32],
    limit: SourceLimit { failures: 6, within: Duration::from_secs(3600), lock: Duration::from_secs(3600) },
};

fn reserve(store: &dyn Store, subject: SubjectKey, now: UnixTime, limits: &Lockout) -> Reservation {
    let attempt = Attempt::of(&Policy::default(), FactorId::Pin, Lane::Open);
    store.reserve(subject, now, attempt, limits, &[PLACE]).expect("reserve")
}

/// A reservation that counted nothing.
fn nothing() -> Reservation {
    let counted = Counted { admission: Admission::Reserved { codes: 1 }, locked: false, closed: Vec::new() };
    Reservation { counted, before: Throttle::default(), at: NOON, places: Vec::new() }
}

fn failures_from_one_place_count_over_all_subjects(store: &dyn Store) {
    add(store, &[row(1, 1)], &[enrolment(1, FactorId::Pin)]);
    let limits = Lockout::default();
    for subject in [2, 3, 4, 5] {
        assert!(reserve(store, SubjectKey([subject; 16]), NOON, &limits).counted.admission.may());
    }
    let (subject, factor) = (SubjectKey([1; 16]), FactorId::Pin);
    let right = reserve(store, subject, NOON, &limits);
    assert!(change(
        store,
        Change::Succeed {
            subject,
            factor,
            reserved: &right,
            of: None,
            step: None,
            renewed: None,
            key_id: None
        }
    ));
    assert_eq!(
        store.tally(&PLACE).expect("read").failures(NOON, &PLACE.limit),
        4,
        "the right one counts not"
    );
    assert_eq!(reserve(store, SubjectKey([6; 16]), NOON, &limits).counted.closed, Vec::<usize>::new());
    let sixth = reserve(store, SubjectKey([7; 16]), NOON, &limits);
    assert_eq!((sixth.counted.closed, sixth.counted.locked), (vec![0], true));
    let shut = reserve(store, SubjectKey([8; 16]), NOON, &limits);
    assert!(!shut.counted.admission.may());
    assert_eq!(store.throttle(SubjectKey([8; 16])).expect("read").failures(), 0, "nothing was judged");
    let after = NOON.plus(Duration::from_secs(2 * 3600 + 60));
    assert!(reserve(store, SubjectKey([8; 16]), after, &limits).counted.admission.may());
    assert_eq!(store.tally(&PLACE).expect("read").failures(after, &PLACE.limit), 1);
}

fn use_step(store: &dyn Store, step: Option<u64>) -> bool {
    let (subject, factor) = (SubjectKey([1; 16]), FactorId::Totp);
    change(
        store,
        Change::Succeed {
            subject,
            factor,
            reserved: &nothing(),
            of: None,
            step,
            renewed: None,
            key_id: None,
        },
    )
}

fn a_step_moves_forward_only(store: &dyn Store) {
    assert!(!use_step(store, Some(1)), "nothing is enrolled");
    add(store, &[row(1, 1)], &[enrolment(1, FactorId::Totp)]);
    assert!(use_step(store, Some(5)));
    assert!(!use_step(store, Some(5)));
    assert!(!use_step(store, Some(4)));
    assert!(use_step(store, Some(6)));
    let row = store.enrolment(SubjectKey([1; 16]), FactorId::Totp).expect("read");
    assert_eq!(row.and_then(|row| row.last_step), Some(6));
}

fn a_verdict_on_what_is_not_kept_any_more_changes_nothing(store: &dyn Store) {
    let old = enrolment(1, FactorId::Pin);
    add(store, &[row(1, 1)], std::slice::from_ref(&old));
    let (subject, factor) = (old.subject, old.factor);
    let new = EnrolmentRow { data: vec![77; 8], ..old.clone() };
    let right = |of: &[u8]| {
        let (of, renewed) = (Some(of), Some(old.data.clone()));
        change(
            store,
            Change::Succeed { subject, factor, reserved: &nothing(), of, step: None, renewed, key_id: None },
        )
    };
    assert!(right(&old.data), "the control: what was judged is kept");
    assert!(change(store, Change::Offer(&old)));
    assert!(change(store, Change::Enrol(&new)));
    assert!(store.offered(subject, factor).expect("read").is_none(), "what was handed out before is void");
    assert!(!right(&old.data));
    assert!(!change(store, Change::Renew { subject, factor, of: &old.data, data: old.data.clone() }));
    let kept = store.enrolment(subject, factor).expect("read").expect("there");
    assert_eq!(kept.data, new.data);
    assert!(change(store, Change::Renew { subject, factor, of: &new.data, data: vec![78; 8] }));
}

fn one_code_used_64_times_at_once_is_right_once(store: &dyn Store) {
    add(store, &[row(1, 1)], &[enrolment(1, FactorId::Totp)]);
    let at_once = |step: Option<u64>| {
        let right = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| right.fetch_add(u32::from(use_step(store, step)), Ordering::Relaxed));
            }
        });
        right.into_inner()
    };
    // The control: without a step to compare, all would be right.
    assert_eq!(at_once(None), 64);
    for round in 1..=15 {
        assert_eq!(at_once(Some(round)), 1, "round {round}");
    }
}

fn a_reservation_is_a_failure_until_it_succeeds(store: &dyn Store) {
    add(store, &[row(1, 1)], &[enrolment(1, FactorId::Pin)]);
    let (subject, factor, limits) = (SubjectKey([1; 16]), FactorId::Pin, Lockout::default());
    for failures in 1..=4 {
        let reserved = reserve(store, subject, NOON, &limits);
        assert_eq!((reserved.counted.admission.may(), reserved.counted.locked), (true, false));
        assert_eq!(store.throttle(subject).expect("read").failures(), failures);
    }
    let fifth = reserve(store, subject, NOON, &limits);
    assert_eq!((fifth.counted.admission.may(), fifth.counted.locked), (true, true));
    let sixth = reserve(store, subject, NOON, &limits);
    assert!(!sixth.counted.admission.may());
    assert!(store.throttle(subject).expect("read").locked(NOON));
    let success = Change::Succeed {
        subject,
        factor,
        reserved: &fifth,
        of: None,
        step: None,
        renewed: Some(vec![8]),
        key_id: Some("newer".into()),
    };
    assert!(change(store, success));
    let throttle = store.throttle(subject).expect("read");
    assert_eq!((throttle.failures(), throttle.locked(NOON)), (4, false));
    let kept = store.enrolment(subject, factor).expect("read").map(|row| (row.data, row.key_id));
    assert_eq!(kept, Some((vec![8], "newer".into())), "renewed data is kept, with its pepper");
    assert_eq!(store.key_uses("newer").expect("read"), [(factor, 1)]);
    assert_eq!(store.key_uses("pepper").expect("read"), []);
    assert!(change(store, Change::Void { key_id: "newer", factors: &[FactorId::Totp] }));
    assert_eq!(store.key_uses("newer").expect("read"), [(factor, 1)], "another factor's are void");
    assert!(change(store, Change::Unlock(subject)));
    assert_eq!(store.throttle(subject).expect("read"), Throttle::default());
}

fn enrolling_again_replaces_and_forgives_the_run(store: &dyn Store) {
    add(store, &[row(1, 1)], &[enrolment(1, FactorId::Pin)]);
    let (subject, factor) = (SubjectKey([1; 16]), FactorId::Pin);
    let limits = Lockout { hard_stop: 2, ..Lockout::default() };
    for day in 0..2 {
        let at = NOON.plus(Duration::from_secs(day * 86_400));
        reserve(store, subject, at, &limits);
    }
    assert!(store.throttle(subject).expect("read").stopped(factor, &limits));
    let new = EnrolmentRow { data: vec![9], ..enrolment(1, factor) };
    assert!(change(store, Change::Enrol(&new)));
    assert!(!store.throttle(subject).expect("read").stopped(factor, &limits));
    assert_eq!(store.enrolment(subject, factor).expect("read"), Some(new));
}

fn the_nearest_subject_is_found_around_the_end(store: &dyn Store) {
    assert_eq!(store.nearest(SubjectKey([5; 16])).expect("read"), None);
    add(store, &[row(2, 2), row(4, 4)], &[]);
    for (from, nearest) in [(1, 2), (2, 2), (3, 4), (4, 4), (5, 2)] {
        let found = store.nearest(SubjectKey([from; 16])).expect("read");
        assert_eq!(found, Some(SubjectKey([nearest; 16])), "from {from}");
    }
}

fn a_small_value_is_kept_once(store: &dyn Store) {
    assert_eq!(store.meta("x").expect("read"), None);
    assert_eq!(store.keep_meta("x", b"first").expect("keep"), b"first");
    assert_eq!(store.keep_meta("x", b"second").expect("keep"), b"first");
    assert_eq!(store.meta("x").expect("read"), Some(b"first".to_vec()));
}

fn the_head_moves_with_each_record(store: &dyn Store) {
    assert_eq!(store.audit_head().expect("read"), Head::default());
    change(store, Change::Nothing);
    change(store, Change::SetAgent { name: "alice", sealed: b"x" });
    assert_eq!(store.audit_head().expect("read").seq, 2);
    assert_eq!(store.agent("alice").expect("read"), Some(b"x".to_vec()));
    let corrected = store.correct_head(&mut |head| Ok(Head { seq: head.seq + 5, ..head }));
    assert_eq!(corrected.expect("correct").seq, 7);
    assert!(store.correct_head(&mut |head| broken(&head, true)).is_err());
    assert_eq!(store.audit_head().expect("read").seq, 7);
}

fn calls_come_back_newest_first(store: &dyn Store) {
    let call = |at, caller: Option<Vec<u8>>| CallRow {
        at: UnixTime(at),
        record: format!("{{\"at\":{at}}}"),
        caller_hash: caller.as_ref().map(|_| [3; 32]),
        caller,
    };
    store.add_calls(&[call(1, None)]).expect("add");
    store.add_calls(&[call(2, Some(vec![1])), call(3, Some(vec![1]))]).expect("add");
    store.add_calls(&[]).expect("add nothing");
    assert_eq!(store.calls(2).expect("read"), [call(3, Some(vec![1])), call(2, Some(vec![1]))]);
    assert_eq!(store.calls(9).expect("read").len(), 3);
}

fn lists_come_by_the_page(store: &dyn Store) {
    add(store, &[row(3, 3), row(1, 1), row(2, 2)], &[]);
    let key = |number| SubjectKey([number; 16]);
    assert_eq!(store.subjects_after(None, 2).expect("read"), [key(1), key(2)]);
    assert_eq!(store.subjects_after(Some(key(2)), 2).expect("read"), [key(3)]);
    let call = |at| CallRow { at: UnixTime(at), record: "{}".to_owned(), caller_hash: None, caller: None };
    store.add_calls(&[call(1), call(2), call(3)]).expect("add");
    let page = store.calls_before(None, 2).expect("read");
    assert_eq!(page.iter().map(|(_, row)| row.at.0).collect::<Vec<_>>(), [3, 2]);
    let rest = store.calls_before(page.last().map(|(number, _)| *number), 2).expect("read");
    assert_eq!(rest.iter().map(|(_, row)| row.at.0).collect::<Vec<_>>(), [1]);
    let first = rest.first().map_or(0, |(number, _)| *number);
    let later = store.calls_after(first, 1).expect("read");
    assert_eq!(later.iter().map(|(_, row)| row.at.0).collect::<Vec<_>>(), [2]);
    store.set_note("x", b"1").expect("noted");
    store.set_note("x", b"2").expect("noted");
    assert_eq!(store.meta("x").expect("read"), Some(b"2".to_vec()));
}

fn tokens_are_kept_by_their_names(store: &dyn Store) {
    let token = |id: &str, sealed: u8| TokenRow { id: id.to_owned(), hash: [7; 32], sealed: vec![sealed] };
    let keep = |rows: &[TokenRow]| {
        store.audited(Change::KeepTokens(rows), &mut |head, _| Ok(head.clone())).expect("kept");
    };
    keep(&[token("b", 1), token("a", 1)]);
    keep(&[token("b", 2)]);
    assert_eq!(store.tokens().expect("read"), [token("a", 1), token("b", 2)]);
    assert_eq!(store.token("b").expect("read"), Some(token("b", 2)));
    assert_eq!(store.token("c").expect("read"), None);
}

fn a_factor_is_removed_once(store: &dyn Store) {
    add(store, &[row(1, 1)], &[enrolment(1, FactorId::Pin), enrolment(1, FactorId::Totp)]);
    let remove = || {
        let change = Change::Remove { subject: SubjectKey([1; 16]), factor: FactorId::Totp };
        store.audited(change, &mut |head, _| Ok(head.clone())).expect("done")
    };
    assert_eq!([remove(), remove()], [true, false]);
    assert_eq!(store.enrolled(SubjectKey([1; 16])).expect("read"), [FactorId::Pin]);
}

#[test]
fn a_thousand_rounds_of_64_uses_have_one_success_each() {
    let store = Arc::new(MemoryStore::default());
    add(store.as_ref(), &[row(1, 1)], &[enrolment(1, FactorId::Totp)]);
    let barrier = Arc::new(std::sync::Barrier::new(64));
    let right: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|_| {
                let (store, barrier) = (Arc::clone(&store), Arc::clone(&barrier));
                scope.spawn(move || {
                    let one_use = |round| {
                        barrier.wait();
                        u32::from(use_step(store.as_ref(), Some(round)))
                    };
                    (1..=1000).map(one_use).collect::<Vec<u32>>()
                })
            })
            .collect();
        let mut sums = vec![0; 1000];
        for thread in threads {
            let used = thread.join().expect("no panic");
            sums.iter_mut().zip(used).for_each(|(sum, one)| *sum += one);
        }
        sums
    });
    assert!(right.iter().all(|successes| *successes == 1));
}

fn what_is_remembered_is_kept_for_its_time_and_by_its_owner(store: &dyn Store) {
    let (one, two, name, other) = ([1; 32], [2; 32], [8; 32], [9; 32]);
    let hour = |hours: u64| NOON.plus(Duration::from_secs(hours * 3600));
    let read = |owner, name, now| store.recall(owner, name, now).expect("read");
    assert_eq!(read(&one, &name, NOON), None);
    store.remember(&one, &name, b"es-ES", NOON, hour(2)).expect("keeps");
    store.remember(&one, &other, b"2026-01", NOON, hour(1)).expect("keeps");
    assert_eq!(read(&one, &name, NOON).as_deref(), Some(b"es-ES".as_slice()));
    assert_eq!(read(&two, &name, NOON), None, "another's");
    store.remember(&one, &name, b"en-GB", NOON, hour(3)).expect("keeps");
    assert_eq!(
        read(&one, &name, hour(2)).as_deref(),
        Some(b"en-GB".as_slice()),
        "the later value for the longer time"
    );
    assert_eq!(read(&one, &other, hour(1)), None, "its time is past");
    store.remember(&two, &name, b"x", hour(2), hour(9)).expect("keeps");
    assert_eq!(read(&one, &other, NOON), None, "what is past its time is gone with the next that is kept");
    store.forget(&one).expect("forgets");
    assert_eq!(read(&one, &name, NOON), None);
    assert_eq!(read(&two, &name, hour(3)).as_deref(), Some(b"x".as_slice()));
}

fn orders_of_a_service_come_in_their_turn(store: &dyn Store) {
    let order =
        |service: &str, what: &[u8]| OrderRow { service: service.into(), at: NOON, sealed: what.to_vec() };
    assert!(store.first_orders().expect("reads").is_empty());
    for (service, what, kept) in
        [("b", b"1", true), ("a", b"2", true), ("b", b"3", true), ("b", b"4", false), ("a", b"5", true)]
    {
        assert_eq!(store.keep_order(&order(service, what), 2).expect("keeps"), kept);
    }
    let first = |store: &dyn Store| -> Vec<(i64, OrderRow)> { store.first_orders().expect("reads") };
    let rows: Vec<OrderRow> = first(store).into_iter().map(|(_, row)| row).collect();
    assert_eq!(rows, [order("a", b"2"), order("b", b"1")]);
    store.drop_order(first(store)[1].0).expect("drops");
    let rows: Vec<OrderRow> = first(store).into_iter().map(|(_, row)| row).collect();
    assert_eq!(rows, [order("a", b"2"), order("b", b"3")]);
    assert!(store.keep_order(&order("b", b"6"), 2).expect("keeps"), "there is room again");
    for _ in 0..4 {
        store.drop_order(first(store)[0].0).expect("drops");
    }
    assert!(first(store).is_empty());
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
fn the_newest_code_that_was_sent_counts_once_and_in_its_time(store: &dyn Store) {
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

fn a_sent_code_used_64_times_at_once_is_right_once(store: &dyn Store) {
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

fn a_page_approves_once_and_in_its_time(store: &dyn Store) {
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
