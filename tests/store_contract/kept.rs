//! What every store promises of what is kept for a time: memories, orders, keys.

use super::*;

pub(super) fn what_is_kept_of_a_number_is_forgotten_as_of_a_time(store: &dyn Store) {
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

pub(super) fn keys_are_wrapped_anew_and_small_values_replaced(store: &dyn Store) {
    add(store, &[row(1, 1), row(2, 2)], &[]);
    store.rewrap(&[(SubjectKey([1; 16]), vec![42])]).expect("wrapped");
    let wrapped = |number| store.subject(SubjectKey([number; 16])).expect("read").expect("there").wrapped_key;
    assert_eq!([wrapped(1), wrapped(2)], [vec![42], vec![2, 1]]);
    store.set_meta("name", b"one").expect("set");
    store.set_meta("name", b"two").expect("set");
    assert_eq!(store.meta("name").expect("read"), Some(b"two".to_vec()));
}

pub(super) fn what_is_remembered_is_kept_for_its_time_and_by_its_owner(store: &dyn Store) {
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

pub(super) fn orders_of_a_service_come_in_their_turn(store: &dyn Store) {
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

pub(super) fn what_was_handed_out_goes_when_its_time_is_over(store: &dyn Store) {
    let (first, second) = (enrolment(1, FactorId::Hotp), enrolment(2, FactorId::Hotp));
    add(store, &[row(1, 1), row(2, 2)], &[]);
    let at = |seconds| NOON.plus(Duration::from_secs(seconds));
    assert!(change(store, Change::Offer { row: &first, at: at(0) }));
    assert!(change(store, Change::Offer { row: &second, at: at(10) }));
    // Another state of the same one has no time of its own; what is handed out anew has.
    let ahead = EnrolmentRow { data: vec![8], ..first.clone() };
    let (subject, factor) = (first.subject, first.factor);
    let renewed = Change::RenewOffer { subject, factor, of: &first.data, data: ahead.data.clone() };
    assert!(change(store, renewed));
    assert_eq!(store.offered(first.subject, FactorId::Hotp).expect("read"), Some(ahead));
    assert_eq!(store.due(Old::Offers(at(0))).expect("read"), 0);
    assert_eq!(store.due(Old::Offers(at(1))).expect("read"), 1);
    assert_eq!(store.due(Old::Offers(at(11))).expect("read"), 2);
    assert!(change(store, Change::Offer { row: &second, at: at(20) }));
    let mut told = 0;
    let mut append = |head: &Head, count: u64| {
        told += count;
        Ok(head.clone())
    };
    assert_eq!(store.sweep(Old::Offers(at(11)), 10, &mut append).expect("removed"), 1);
    assert_eq!(told, 1, "the audit log is told");
    assert!(store.offered(first.subject, FactorId::Hotp).expect("read").is_none());
    assert_eq!(store.offered(second.subject, FactorId::Hotp).expect("read"), Some(second));
}

pub(super) fn what_was_handed_out_does_not_come_back_with_its_first_code(store: &dyn Store) {
    let first = enrolment(1, FactorId::Hotp);
    let (subject, factor) = (first.subject, first.factor);
    let [second, ahead] = [17, 8].map(|data| EnrolmentRow { data: vec![data], ..first.clone() });
    add(store, &[row(1, 1)], &[]);
    let offer = |row| assert!(change(store, Change::Offer { row, at: NOON }));
    let renew = |of: &EnrolmentRow| {
        change(store, Change::RenewOffer { subject, factor, of: &of.data, data: ahead.data.clone() })
    };
    let offered = || store.offered(subject, factor).expect("read");
    assert!(!renew(&first), "none was handed out");
    assert_eq!(offered(), None);
    offer(&first);
    offer(&second);
    assert!(!renew(&first), "another was handed out meanwhile");
    assert_eq!(offered().as_ref(), Some(&second));
    assert!(renew(&second), "the control");
    assert_eq!(offered().as_ref(), Some(&ahead));
    assert!(!renew(&second), "the same code at once in another call");
    assert!(change(store, Change::Remove { subject, factor }));
    assert!(!renew(&ahead), "taken back");
    assert_eq!(offered(), None);
    offer(&first);
    let after = NOON.plus(Duration::from_secs(1));
    let swept = store.sweep(Old::Offers(after), 10, &mut |head, _| Ok(head.clone()));
    assert_eq!(swept.expect("removed"), 1);
    assert!(!renew(&first), "its time was over");
    assert_eq!(offered(), None);
    assert_eq!(store.enrolled(subject).expect("read"), [], "and nothing is enrolled by it");
}
