//! A store that looks first and writes then: what the compare-and-set is there against. Between the two another
//! process may have done the same. Everything else is the store that is shipped.

use std::time::Duration;

use countersign::auth::tally::Tally;
use countersign::auth::throttle::{Attempt, Throttle};
use countersign::auth::{FactorId, Lockout, SubjectKey};
use countersign::driver::audit_log::{AuditError, Head};
use countersign::driver::os;
use countersign::driver::sender::{Budgets, LetterId};
use countersign::driver::store::letters::{LetterRow, LetterStore, Move, Taken};
use countersign::driver::store::pages::Pages;
use countersign::driver::store::sqlite::SqliteStore;
use countersign::driver::store::tokens::{TokenRow, TokenStore};
use countersign::driver::store::{
    Append, AppendCount, CallRow, Change, EnrolmentRow, Identifier, Old, OrderRow, Place, RequestRow,
    Reservation, Store, StoreError, SubjectRow, Trace,
};
use countersign::units::UnixTime;

/// The store without its compare-and-set.
pub(crate) struct Heedless(pub(crate) SqliteStore);

const MOMENT: Duration = Duration::from_millis(5);

type Result<T> = std::result::Result<T, StoreError>;

impl Heedless {
    /// Whether a change would take effect, as far as can be seen now, and the same change without a condition.
    fn look(&self, change: &Change<'_>) -> Result<Option<Unconditional>> {
        Ok(match change {
            Change::Succeed { subject, factor, step: Some(step), renewed, .. } => {
                let row = self.0.enrolment(*subject, *factor)?;
                let row = row.filter(|row| row.last_step.is_none_or(|last| last < *step));
                row.map(|row| {
                    let data = renewed.clone().unwrap_or(row.data.clone());
                    Unconditional::Enrol(EnrolmentRow { data, last_step: Some(*step), ..row })
                })
            }
            Change::Confirm { row, .. } => {
                let offered = self.0.offered(row.subject, row.factor)?;
                let same = offered.is_some_and(|offered| offered.data == row.data);
                same.then(|| Unconditional::Enrol((*row).clone()))
            }
            Change::Spend { subject, factor, now, .. } => {
                let row = self.0.request(*subject, *factor)?.filter(|row| !row.used && row.expires > *now);
                row.map(|row| Unconditional::Request(RequestRow { used: true, ..row }, *now))
            }
            Change::Approve { request, now } => {
                let of = |subject| self.0.request(subject, FactorId::Push).transpose();
                let rows = self.0.subjects()?.into_iter().filter_map(of).collect::<Result<Vec<_>>>()?;
                let open = |row: &RequestRow| {
                    row.request == *request && !row.used && !row.approved && row.expires > *now
                };
                let row = rows.into_iter().find(open);
                row.map(|row| Unconditional::Request(RequestRow { approved: true, ..row }, *now))
            }
            Change::RotateToken { before, after, new } => {
                let same = self.0.token(&before.id)?.is_some_and(|row| row == **before);
                same.then(|| Unconditional::Tokens([(*after).clone(), (*new).clone()]))
            }
            _ => None,
        })
    }
}

/// What is written without another look.
enum Unconditional {
    Enrol(EnrolmentRow),
    Request(RequestRow, UnixTime),
    Tokens([TokenRow; 2]),
}

/// Methods that are those of the store inside.
macro_rules! as_inside {
    ($($name:ident($($value:ident: $of:ty),*) -> $result:ty;)+) => {
        $(fn $name(&self, $($value: $of),*) -> Result<$result> { self.0.$name($($value),*) })+
    };
}

impl Store for Heedless {
    fn audited(&self, change: Change<'_>, append: &mut Append<'_>) -> Result<bool> {
        let single = matches!(
            change,
            Change::Succeed { step: Some(_), .. }
                | Change::Confirm { .. }
                | Change::Spend { .. }
                | Change::Approve { .. }
                | Change::RotateToken { .. }
        );
        if !single {
            return self.0.audited(change, append);
        }
        let seen = self.look(&change)?;
        // A moment, so that another has its turn in between without the luck of a thousand rounds.
        os::pause(MOMENT);
        match seen {
            None => {
                self.0.audited(Change::Nothing, &mut |head, _| append(head, false))?;
                Ok(false)
            }
            Some(Unconditional::Enrol(row)) => self.0.audited(Change::Enrol(&row), append),
            Some(Unconditional::Tokens(rows)) => self.0.audited(Change::KeepTokens(&rows), append),
            Some(Unconditional::Request(row, now)) => {
                self.0.keep_request(&row, now)?;
                self.0.audited(Change::Nothing, append)
            }
        }
    }

    as_inside! {
        meta(name: &str) -> Option<Vec<u8>>;
        keep_meta(name: &str, value: &[u8]) -> Vec<u8>;
        set_meta(name: &str, value: &[u8]) -> ();
        subject(key: SubjectKey) -> Option<SubjectRow>;
        find(kind: Identifier, hash: &[u8; 32]) -> Vec<SubjectKey>;
        subjects() -> Vec<SubjectKey>;
        nearest(key: SubjectKey) -> Option<SubjectKey>;
        enrolled(subject: SubjectKey) -> Vec<FactorId>;
        enrolment(subject: SubjectKey, factor: FactorId) -> Option<EnrolmentRow>;
        offered(subject: SubjectKey, factor: FactorId) -> Option<EnrolmentRow>;
        throttle(subject: SubjectKey) -> Throttle;
        tally(place: &Place) -> Tally;
        reserve(subject: SubjectKey, now: UnixTime, attempt: Attempt, limits: &Lockout, places: &[Place]) -> Reservation;
        request(subject: SubjectKey, factor: FactorId) -> Option<RequestRow>;
        linked(link: &[u8; 32]) -> Option<RequestRow>;
        keep_request(row: &RequestRow, now: UnixTime) -> ();
        audit_head() -> Head;
        correct_head(work: &mut dyn FnMut(Head) -> std::result::Result<Head, AuditError>) -> Head;
        remember(owner: &[u8; 32], name: &[u8; 32], sealed: &[u8], now: UnixTime, until: UnixTime) -> ();
        recall(owner: &[u8; 32], name: &[u8; 32], now: UnixTime) -> Option<Vec<u8>>;
        forget(owner: &[u8; 32]) -> ();
        keep_order(order: &OrderRow, most: u32) -> bool;
        first_orders() -> Vec<(i64, OrderRow)>;
        drop_order(number: i64) -> ();
        agent(name: &str) -> Option<Vec<u8>>;
        add_calls(calls: &[CallRow]) -> ();
        calls(limit: u32) -> Vec<CallRow>;
        calls_named(beginning: &str) -> Vec<CallRow>;
        rewrap(keys: &[(SubjectKey, Vec<u8>)]) -> ();
        key_uses(key_id: &str) -> Vec<(FactorId, u64)>;
        forget_traces(traces: &[Trace]) -> ();
        due(old: Old) -> u64;
        sweep(old: Old, most: u32, append: &mut AppendCount<'_>) -> u64;
        scrub() -> ();
    }
}

impl LetterStore for Heedless {
    as_inside! {
        take_letter(row: &LetterRow, budgets: &Budgets) -> Taken;
        move_letter(id: LetterId, to: &Move<'_>) -> bool;
        letter_called(sender: &str, reference: &str) -> Option<LetterId>;
        abandon_letters(now: UnixTime) -> usize;
        letters(limit: u32) -> Vec<LetterRow>;
        forget_letters(subject: SubjectKey) -> ();
    }
}

impl TokenStore for Heedless {
    as_inside! {
        token(id: &str) -> Option<TokenRow>;
        tokens() -> Vec<TokenRow>;
    }
}

impl Pages for Heedless {
    as_inside! {
        subjects_after(after: Option<SubjectKey>, limit: u32) -> Vec<SubjectKey>;
        calls_before(before: Option<i64>, limit: u32) -> Vec<(i64, CallRow)>;
        calls_after(after: i64, limit: u32) -> Vec<(i64, CallRow)>;
        set_note(name: &str, value: &[u8]) -> ();
    }
}
