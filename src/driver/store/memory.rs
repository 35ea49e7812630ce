//! A store that lives as long as its process: for tests, and as the plainest reading of the contract.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::letters::LetterRow;
use super::requests::{RequestId, RequestRow, forgotten};
use super::tokens::TokenRow;
use super::{
    Append, AppendCount, CallRow, Change, EnrolmentRow, Identifier, Old, OrderRow, Place, Reservation, Store,
    StoreError, SubjectRow, Trace,
};
use crate::auth::factor::otp::Sends;
use crate::auth::tally::{self, Tally};
use crate::auth::throttle::{Attempt, Throttle};
use crate::auth::{FactorId, Lockout, SubjectKey};
use crate::driver::audit_log::{AuditError, Head};
use crate::units::UnixTime;

/// The store.
#[derive(Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    pub(super) letters: Mutex<Vec<LetterRow>>,
}

/// Something remembered, sealed, and until when.
type Kept = (Vec<u8>, UnixTime);

#[derive(Clone, Default)]
pub(super) struct Tables {
    pub(super) meta: BTreeMap<String, Vec<u8>>,
    pub(super) subjects: BTreeMap<SubjectKey, SubjectRow>,
    enrolments: BTreeMap<(SubjectKey, FactorId), EnrolmentRow>,
    offers: BTreeMap<(SubjectKey, FactorId), (EnrolmentRow, UnixTime)>,
    throttles: BTreeMap<SubjectKey, Throttle>,
    requests: BTreeMap<(SubjectKey, FactorId), RequestRow>,
    tallies: BTreeMap<[u8; 32], (Tally, UnixTime)>,
    agents: BTreeMap<String, Vec<u8>>,
    pub(super) tokens: BTreeMap<String, TokenRow>,
    pub(super) calls: Vec<CallRow>,
    memories: BTreeMap<([u8; 32], [u8; 32]), Kept>,
    orders: BTreeMap<i64, OrderRow>,
    last_order: i64,
    head: Head,
}

impl MemoryStore {
    pub(super) fn tables(&self) -> MutexGuard<'_, Tables> {
        // Tables are replaced as a whole, so a panic elsewhere leaves none half changed.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// The attempt was right.
    fn give_back(&mut self, subject: SubjectKey, factor: FactorId, reserved: &Reservation) {
        self.throttles.entry(subject).or_default().succeeded(&reserved.before, factor);
        for place in &reserved.places {
            if let Some((tally, _)) = self.tallies.get_mut(&place.key) {
                tally.give_back(reserved.at, &place.limit);
            }
        }
    }

    fn apply(&mut self, change: Change<'_>) -> Result<bool, StoreError> {
        match change {
            Change::Nothing => {}
            Change::Succeed { subject, factor, reserved, of, step, renewed, key_id } => {
                let Some(row) = self.enrolments.get_mut(&(subject, factor)) else { return Ok(false) };
                let used_up = step.is_some_and(|step| row.last_step.is_some_and(|last| last >= step));
                if used_up || of.is_some_and(|of| row.data != of) {
                    return Ok(false);
                }
                row.last_step = step.or(row.last_step);
                if let Some(data) = renewed {
                    row.data = data;
                }
                if let Some(key_id) = key_id {
                    row.key_id = key_id;
                }
                self.give_back(subject, factor, reserved);
            }
            Change::Spend { subject, factor, request, now, reserved } => {
                let Some(row) = self.good_request((subject, factor), &request, now) else { return Ok(false) };
                row.used = true;
                row.sends = Sends::default();
                self.give_back(subject, factor, reserved);
            }
            Change::Burn { subject, factor, request, now } => {
                let Some(row) = self.good_request((subject, factor), &request, now) else { return Ok(false) };
                row.used = true;
            }
            Change::Approve { request, now } => return Ok(self.approve(&request, now)),
            Change::Admit { subject, factor, reserved } => {
                if !self.subjects.contains_key(&subject) {
                    return Ok(false);
                }
                self.give_back(subject, factor, reserved);
            }
            Change::Renew { subject, factor, of, data } => {
                let kept = self.enrolments.get_mut(&(subject, factor)).filter(|row| row.data == of);
                let Some(row) = kept else { return Ok(false) };
                row.data = data;
            }
            Change::AddSubjects { subjects, enrolments } => {
                subjects.iter().try_for_each(|row| self.add(row))?;
                for row in enrolments {
                    self.throttles.entry(row.subject).or_default().enrolled(row.factor);
                    self.enrolments.insert((row.subject, row.factor), row.clone());
                }
            }
            Change::Update(row) => {
                let Some(kept) = self.subjects.get_mut(&row.key) else { return Ok(false) };
                kept.profile.clone_from(&row.profile);
                kept.identifiers.clone_from(&row.identifiers);
                let sent = self.requests.values_mut().filter(|request| request.subject == row.key);
                sent.for_each(|request| request.used = true);
            }
            Change::Erase(key) => {
                self.enrolments.retain(|(subject, _), _| *subject != key);
                self.offers.retain(|(subject, _), _| *subject != key);
                self.throttles.remove(&key);
                self.requests.retain(|(subject, _), _| *subject != key);
                return Ok(self.subjects.remove(&key).is_some());
            }
            Change::Unlock(key) => {
                self.throttles.remove(&key);
            }
            Change::Enrol(row) => {
                self.offers.remove(&(row.subject, row.factor));
                self.throttles.entry(row.subject).or_default().enrolled(row.factor);
                self.enrolments.insert((row.subject, row.factor), row.clone());
            }
            Change::Offer { row, at } => {
                self.offers.insert((row.subject, row.factor), (row.clone(), at));
            }
            Change::RenewOffer { subject, factor, of, data } => {
                let kept = self.offers.get_mut(&(subject, factor)).filter(|(row, _)| row.data == of);
                let Some((row, _)) = kept else { return Ok(false) };
                row.data = data;
            }
            Change::Confirm { row, before } => return Ok(self.confirm(row, before)),
            Change::Remove { subject, factor } => {
                let offered = self.offers.remove(&(subject, factor)).is_some();
                return Ok(self.enrolments.remove(&(subject, factor)).is_some() || offered);
            }
            Change::RotateToken { before, after, new } => return Ok(self.rotate_token(before, after, new)),
            Change::KeepTokens(rows) => {
                self.tokens.extend(rows.iter().map(|row| (row.id.clone(), row.clone())));
            }
            Change::Void { key_id, factors } => {
                self.enrolments.retain(|(_, factor), row| row.key_id != key_id || !factors.contains(factor));
            }
            Change::SetAgent { name, sealed } => {
                self.agents.insert(name.to_owned(), sealed.to_vec());
            }
        }
        Ok(true)
    }

    /// What was handed out counts from now on; `false` when something else was handed out meanwhile.
    fn confirm(&mut self, row: &EnrolmentRow, before: &Throttle) -> bool {
        let key = (row.subject, row.factor);
        if self.offers.get(&key).is_none_or(|(offered, _)| offered.data != row.data) {
            return false;
        }
        self.offers.remove(&key);
        self.throttles.entry(row.subject).or_default().succeeded(before, row.factor);
        self.enrolments.insert(key, row.clone());
        true
    }

    fn approve(&mut self, request: &RequestId, now: UnixTime) -> bool {
        let waits = |row: &&mut RequestRow| {
            row.request == *request && !row.used && !row.approved && row.link.is_some() && row.expires > now
        };
        let Some(row) = self.requests.values_mut().find(waits) else { return false };
        row.approved = true;
        true
    }

    fn rotate_token(&mut self, before: &TokenRow, after: &TokenRow, new: &TokenRow) -> bool {
        let kept = self.tokens.get_mut(&before.id).filter(|kept| kept.sealed == before.sealed);
        let Some(kept) = kept else { return false };
        kept.sealed.clone_from(&after.sealed);
        self.tokens.insert(new.id.clone(), new.clone());
        true
    }

    /// The newest of a subject and factor, if it is this one and can still be right.
    fn good_request(
        &mut self,
        whose: (SubjectKey, FactorId),
        request: &RequestId,
        now: UnixTime,
    ) -> Option<&mut RequestRow> {
        let row = self.requests.get_mut(&whose)?;
        (row.request == *request && !row.used && row.expires > now).then_some(row)
    }

    /// Removes rows past their time, so many at most.
    fn remove(&mut self, old: Old, most: u64) -> u64 {
        let mut removed = 0;
        let mut goes = |is_old: bool| {
            let goes = is_old && removed < most;
            removed += u64::from(goes);
            goes
        };
        match old {
            Old::Calls(before) => self.calls.retain(|row| !goes(row.at < before)),
            Old::Callers(before) => {
                for row in &mut self.calls {
                    if goes(row.caller_hash.is_some() && row.at < before) {
                        (row.caller_hash, row.caller) = (None, None);
                    }
                }
            }
            Old::Memories(end) => self.memories.retain(|_, (_, until)| !goes(*until < end)),
            Old::Requests(before) => self.requests.retain(|_, row| !goes(row.expires < before)),
            Old::Offers(before) => self.offers.retain(|_, (_, at)| !goes(*at < before)),
        }
        removed
    }

    fn add(&mut self, row: &SubjectRow) -> Result<(), StoreError> {
        for (kind, hash) in row.identifiers.iter().filter(|(kind, _)| *kind != Identifier::Phone) {
            if self.subjects.values().any(|other| other.identifiers.contains(&(*kind, *hash))) {
                return Err(StoreError::Taken(*kind));
            }
        }
        self.subjects.insert(row.key, row.clone());
        Ok(())
    }
}

impl Store for MemoryStore {
    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tables().meta.get(name).cloned())
    }

    fn keep_meta(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        Ok(self.tables().meta.entry(name.to_owned()).or_insert_with(|| value.to_vec()).clone())
    }

    fn subject(&self, key: SubjectKey) -> Result<Option<SubjectRow>, StoreError> {
        Ok(self.tables().subjects.get(&key).cloned())
    }

    fn find(&self, kind: Identifier, hash: &[u8; 32]) -> Result<Vec<SubjectKey>, StoreError> {
        let tables = self.tables();
        let found = tables.subjects.values().filter(|row| row.identifiers.contains(&(kind, *hash)));
        Ok(found.map(|row| row.key).take(2).collect())
    }

    fn subjects(&self) -> Result<Vec<SubjectKey>, StoreError> {
        Ok(self.tables().subjects.keys().copied().collect())
    }

    fn nearest(&self, key: SubjectKey) -> Result<Option<SubjectKey>, StoreError> {
        let tables = self.tables();
        let next = tables.subjects.range(key..).next().or_else(|| tables.subjects.iter().next());
        Ok(next.map(|(key, _)| *key))
    }

    fn enrolled(&self, subject: SubjectKey) -> Result<Vec<FactorId>, StoreError> {
        Ok(self.tables().enrolments.keys().filter(|(key, _)| *key == subject).map(|(_, f)| *f).collect())
    }

    fn enrolment(&self, subject: SubjectKey, factor: FactorId) -> Result<Option<EnrolmentRow>, StoreError> {
        Ok(self.tables().enrolments.get(&(subject, factor)).cloned())
    }

    fn offered(&self, subject: SubjectKey, factor: FactorId) -> Result<Option<EnrolmentRow>, StoreError> {
        Ok(self.tables().offers.get(&(subject, factor)).map(|(row, _)| row.clone()))
    }

    fn throttle(&self, subject: SubjectKey) -> Result<Throttle, StoreError> {
        Ok(self.tables().throttles.get(&subject).cloned().unwrap_or_default())
    }

    fn tally(&self, place: &Place) -> Result<Tally, StoreError> {
        Ok(self.tables().tallies.get(&place.key).map(|(tally, _)| tally.clone()).unwrap_or_default())
    }

    fn reserve(
        &self,
        subject: SubjectKey,
        now: UnixTime,
        attempt: Attempt,
        limits: &Lockout,
        places: &[Place],
    ) -> Result<Reservation, StoreError> {
        let mut tables = self.tables();
        tables.tallies.retain(|_, (_, over)| now < *over);
        let before = tables.throttles.get(&subject).cloned().unwrap_or_default();
        let mut throttle = before.clone();
        let tally = |place: &Place| tables.tallies.get(&place.key).map(|(tally, _)| tally.clone());
        let mut counts: Vec<_> =
            places.iter().map(|place| (tally(place).unwrap_or_default(), place.limit)).collect();
        let counted = tally::reserve(&mut throttle, &mut counts, now, attempt, limits);
        tables.throttles.insert(subject, throttle);
        for (place, (tally, limit)) in places.iter().zip(counts) {
            let over = tally.over(&limit);
            tables.tallies.insert(place.key, (tally, over));
        }
        Ok(Reservation { counted, before, at: now, places: places.to_vec() })
    }

    fn request(&self, subject: SubjectKey, factor: FactorId) -> Result<Option<RequestRow>, StoreError> {
        Ok(self.tables().requests.get(&(subject, factor)).cloned())
    }

    fn linked(&self, link: &[u8; 32]) -> Result<Option<RequestRow>, StoreError> {
        Ok(self.tables().requests.values().find(|row| row.link.as_ref() == Some(link)).cloned())
    }

    fn keep_request(&self, row: &RequestRow, now: UnixTime) -> Result<(), StoreError> {
        let mut tables = self.tables();
        tables.requests.retain(|_, row| row.expires.0 >= forgotten(now));
        tables.requests.insert((row.subject, row.factor), row.clone());
        Ok(())
    }

    fn audited(&self, change: Change<'_>, append: &mut Append<'_>) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let mut changed = tables.clone();
        let effect = changed.apply(change)?;
        changed.head = append(&changed.head, effect)?;
        *tables = changed;
        Ok(effect)
    }

    fn audit_head(&self) -> Result<Head, StoreError> {
        Ok(self.tables().head.clone())
    }

    fn correct_head(
        &self,
        work: &mut dyn FnMut(Head) -> Result<Head, AuditError>,
    ) -> Result<Head, StoreError> {
        let mut tables = self.tables();
        tables.head = work(tables.head.clone())?;
        Ok(tables.head.clone())
    }

    fn remember(
        &self,
        owner: &[u8; 32],
        name: &[u8; 32],
        sealed: &[u8],
        now: UnixTime,
        until: UnixTime,
    ) -> Result<(), StoreError> {
        let mut tables = self.tables();
        tables.memories.retain(|_, (_, until)| *until > now);
        tables.memories.insert((*owner, *name), (sealed.to_vec(), until));
        Ok(())
    }

    fn recall(
        &self,
        owner: &[u8; 32],
        name: &[u8; 32],
        now: UnixTime,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let tables = self.tables();
        let kept = tables.memories.get(&(*owner, *name)).filter(|(_, until)| *until > now);
        Ok(kept.map(|(sealed, _)| sealed.clone()))
    }

    fn forget(&self, owner: &[u8; 32]) -> Result<(), StoreError> {
        self.tables().memories.retain(|(whose, _), _| whose != owner);
        Ok(())
    }

    fn keep_order(&self, order: &OrderRow, most: u32) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        let kept = tables.orders.values().filter(|kept| kept.service == order.service).count();
        if u32::try_from(kept).unwrap_or(u32::MAX) >= most {
            return Ok(false);
        }
        tables.last_order += 1;
        let number = tables.last_order;
        tables.orders.insert(number, order.clone());
        Ok(true)
    }

    fn first_orders(&self) -> Result<Vec<(i64, OrderRow)>, StoreError> {
        let tables = self.tables();
        let mut first: BTreeMap<&str, (i64, &OrderRow)> = BTreeMap::new();
        for (number, order) in &tables.orders {
            first.entry(&order.service).or_insert((*number, order));
        }
        Ok(first.into_values().map(|(number, order)| (number, order.clone())).collect())
    }

    fn drop_order(&self, number: i64) -> Result<(), StoreError> {
        self.tables().orders.remove(&number);
        Ok(())
    }

    fn agent(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tables().agents.get(name).cloned())
    }

    fn add_calls(&self, calls: &[CallRow]) -> Result<(), StoreError> {
        self.tables().calls.extend_from_slice(calls);
        Ok(())
    }

    fn calls(&self, limit: u32) -> Result<Vec<CallRow>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.tables().calls.iter().rev().take(limit).cloned().collect())
    }

    fn calls_named(&self, beginning: &str) -> Result<Vec<CallRow>, StoreError> {
        let begins = |row: &&CallRow| {
            let record: Option<serde_json::Value> = serde_json::from_str(&row.record).ok();
            record
                .is_some_and(|record| record["call"].as_str().is_some_and(|name| name.starts_with(beginning)))
        };
        Ok(self.tables().calls.iter().filter(begins).take(2).cloned().collect())
    }

    fn set_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.tables().meta.insert(name.to_owned(), value.to_vec());
        Ok(())
    }

    fn rewrap(&self, keys: &[(SubjectKey, Vec<u8>)]) -> Result<(), StoreError> {
        let mut tables = self.tables();
        for (subject, wrapped) in keys {
            if let Some(row) = tables.subjects.get_mut(subject) {
                row.wrapped_key.clone_from(wrapped);
            }
        }
        Ok(())
    }

    fn key_uses(&self, key_id: &str) -> Result<Vec<(FactorId, u64)>, StoreError> {
        let mut uses: BTreeMap<FactorId, u64> = BTreeMap::new();
        for row in self.tables().enrolments.values().filter(|row| row.key_id == key_id) {
            *uses.entry(row.factor).or_default() += 1;
        }
        Ok(uses.into_iter().collect())
    }

    fn forget_traces(&self, traces: &[Trace]) -> Result<(), StoreError> {
        let mut tables = self.tables();
        for trace in traces {
            tables.memories.retain(|(owner, _), (_, until)| *owner != trace.owner || *until > trace.until);
            let of = |row: &&mut CallRow| row.caller_hash == Some(trace.caller) && row.at <= trace.at;
            for row in tables.calls.iter_mut().filter(of) {
                (row.caller_hash, row.caller) = (None, None);
            }
        }
        Ok(())
    }

    fn due(&self, old: Old) -> Result<u64, StoreError> {
        Ok(self.tables().clone().remove(old, u64::MAX))
    }

    fn sweep(&self, old: Old, most: u32, append: &mut AppendCount<'_>) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        let mut changed = tables.clone();
        let removed = changed.remove(old, u64::from(most));
        if removed > 0 {
            changed.head = append(&changed.head, removed)?;
            *tables = changed;
        }
        Ok(removed)
    }

    fn scrub(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
