//! The audit log: read from a number on, and checked.

use hyper::StatusCode;
use serde_json::Value;

use super::call::Call;
use super::shape::{shape, writes};
use crate::driver::audit_log::AuditError;
use crate::driver::store::StoreError;
use crate::driver::vault::VaultError;
use crate::driver::web::{Problem, Reply};

writes! {
    /// Records of the audit log.
    struct AuditPage {
        /// The records, each with its number `seq`, when, by whom, about whom (a pseudonym) and what.
        records: Vec<Value>,
        /// The number of the last record that there is.
        last: u64,
        /// The `after` of the next page; null when this is the last.
        next: Option<u64>,
    }

    /// What the check of the audit log found.
    struct Verification {
        /// Whether every record is as it was written.
        intact: bool,
        /// How many records were checked; null when one is wrong.
        records: Option<u64>,
        /// The first record that is wrong.
        wrong: Option<String>,
    }
}

pub(super) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let (after, limit) = (call.number("after")?.unwrap_or(0), call.limit()?);
    let last = call.vault.audit_seq()?;
    let lines = call.vault.audit_after(after, usize::try_from(limit).unwrap_or(usize::MAX))?;
    let read = |line: &String| {
        let mut record: Value = serde_json::from_str(line).map_err(|_| Problem::internal())?;
        // Nobody who lacks the key can check it.
        record.as_object_mut().map(|fields| fields.remove("mac"));
        Ok(record)
    };
    let records = lines.iter().map(read).collect::<Result<Vec<Value>, Problem>>()?;
    let reached = records.last().and_then(|record| record["seq"].as_u64());
    let next = reached.filter(|reached| *reached < last);
    Ok(Reply::json(StatusCode::OK, &AuditPage { records, last, next }))
}

pub(super) fn verify(call: &Call<'_>) -> Result<Reply, Problem> {
    let verification = match call.vault.check_audit() {
        Ok(records) => Verification { intact: true, records: Some(records), wrong: None },
        Err(VaultError::Store(StoreError::Audit(AuditError::Changed { record, .. }))) => {
            Verification { intact: false, records: None, wrong: Some(record.to_string()) }
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Reply::json(StatusCode::OK, &verification))
}
