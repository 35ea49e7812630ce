//! What every store promises, run over all of them.

#[path = "store_contract/kept.rs"]
mod kept;
#[path = "store_contract/sent.rs"]
mod sent;
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
    CallRow, Change, EnrolmentRow, Identifier, Old, OrderRow, Place, RequestRow, Reservation, Store,
    StoreError, SubjectRow, Trace,
};
use countersign::units::{CallId, UnixTime};
use kept::{
    keys_are_wrapped_anew_and_small_values_replaced, orders_of_a_service_come_in_their_turn,
    what_is_kept_of_a_number_is_forgotten_as_of_a_time,
    what_is_remembered_is_kept_for_its_time_and_by_its_owner,
    what_was_handed_out_does_not_come_back_with_its_first_code,
    what_was_handed_out_goes_when_its_time_is_over,
};
use sent::{
    a_letter_at_the_end_of_a_budgets_time_makes_room, a_page_approves_once_and_in_its_time,
    a_sent_code_used_64_times_at_once_is_right_once, letters_are_counted_and_what_became_of_them_is_kept,
    the_newest_code_that_was_sent_counts_once_and_in_its_time,
};
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
    what_was_handed_out_does_not_come_back_with_its_first_code,
    what_was_handed_out_goes_when_its_time_is_over,
    the_newest_code_that_was_sent_counts_once_and_in_its_time,
    a_sent_code_used_64_times_at_once_is_right_once,
    a_page_approves_once_and_in_its_time,
    letters_are_counted_and_what_became_of_them_is_kept,
    a_letter_at_the_end_of_a_budgets_time_makes_room,
    what_is_kept_of_a_number_is_forgotten_as_of_a_time,
    keys_are_wrapped_anew_and_small_values_replaced,
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
    assert!(change(store, Change::Offer { row: &old, at: NOON }));
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
    let rotate = |before: u8, new: &str| {
        let (before, after, new) = (token("b", before), token("b", 3), token(new, 9));
        change(store, Change::RotateToken { before: &before, after: &after, new: &new })
    };
    assert!(!rotate(1, "d"), "it was changed since it was read");
    assert_eq!(store.token("d").expect("read"), None);
    assert!(rotate(2, "e"));
    assert_eq!(store.tokens().expect("read"), [token("a", 1), token("b", 3), token("e", 9)]);
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
