//! Tokens: what a program shows that uses the API. Printed once; a keyed hash is kept, and beside it, sealed, who
//! has it, what it may do and until when.
//!
//! `cst_` + name + `_` + 256 random bits. The name finds the row; the hash of all of it decides.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::{TENANT, Vault, VaultError, logged};
use crate::auth::{AuditEvent, AuditKind};
use crate::driver::seal::{self, Label, keyed_hash, random};
use crate::driver::store::tokens::TokenRow;
use crate::driver::store::{Change, StoreError};
use crate::secret::Secret;
use crate::units::UnixTime;

/// What a token says of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The name of the program, for the audit log.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When the token was made.
    pub made: UnixTime,
    /// Until when it is good.
    pub until: UnixTime,
    /// When it was revoked.
    pub revoked: Option<UnixTime>,
}

/// A [`Holder`] as it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    scopes: Vec<String>,
    made: i64,
    until: i64,
    revoked: Option<i64>,
}

/// A token that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name, which is no secret.
    pub id: String,
    /// What it says of its holder.
    pub holder: Holder,
}

impl Token {
    /// Whether it may be used.
    #[must_use]
    pub fn is_good(&self, now: UnixTime) -> bool {
        self.holder.revoked.is_none() && now < self.holder.until
    }
}

/// How every token begins: what looks for secrets in files finds it by this.
const BEGINNING: &str = "cst_";
/// Random bytes of its name.
const NAME: usize = 8;
/// Random bytes of what is secret.
const SECRET: usize = 32;
/// The longest text that is looked at.
const LONGEST: usize = 128;
/// Tokens at once. Those that are over go when there are more.
const MOST: usize = 1000;
/// The longest life of a token.
const LONGEST_LIFE: Duration = Duration::from_secs(366 * 24 * 3600);

impl Vault {
    /// Makes a token for a program. The text is shown once and not kept.
    ///
    /// # Errors
    /// When the name or the life can't be one, or the store or the audit log fails.
    pub fn make_token(
        &self,
        now: UnixTime,
        name: &str,
        scopes: &[String],
        life: Duration,
    ) -> Result<(Token, Secret<String>), VaultError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            return Err(VaultError::Field(
                "a token's name has 1 to 64 letters, digits, dots, hyphens or underscores",
            ));
        }
        let (token, row, text) = self.fresh(now, name, scopes, life)?;
        self.audited(now, Change::KeepTokens(&[row]), &[Self::token_kept(&token)])?;
        Ok((token, text))
    }

    /// Makes a token like this one, which stays good for `overlap`.
    ///
    /// # Errors
    /// When there is no such token that is good, the life can't be one, or the store or the audit log fails.
    pub fn rotate_token(
        &self,
        now: UnixTime,
        id: &str,
        life: Duration,
        overlap: Duration,
    ) -> Result<(Token, Secret<String>), VaultError> {
        let (mut old, before) = self.named_token(id)?;
        if !old.is_good(now) {
            return Err(VaultError::Field("this token is not good any more: make a new one"));
        }
        let (token, row, text) = self.fresh(now, &old.holder.name, &old.holder.scopes, life)?;
        old.holder.until = old.holder.until.min(now.plus(overlap));
        let after = TokenRow { sealed: self.sealed(&old)?, ..before.clone() };
        let events = [Self::token_kept(&old), Self::token_kept(&token)];
        let change = Change::RotateToken { before: &before, after: &after, new: &row };
        // What did not take effect was not recorded either: the append is told.
        let rotated = self.store.audited(change, &mut |head, effect| {
            self.audit.append(head, now, if effect { &events } else { &[] })
        })?;
        if !rotated {
            return Err(VaultError::Field("this token was changed meanwhile: look at it again"));
        }
        Ok((token, text))
    }

    /// All tokens, in the order of their holders' names.
    ///
    /// # Errors
    /// When the store fails or a token does not open.
    pub fn tokens(&self) -> Result<Vec<Token>, VaultError> {
        let opened = |row: &TokenRow| self.opened(row);
        let mut all = self.store.tokens()?.iter().map(opened).collect::<Result<Vec<_>, _>>()?;
        all.sort_by(|a, b| (&a.holder.name, a.holder.made).cmp(&(&b.holder.name, b.holder.made)));
        Ok(all)
    }

    /// This token is good no more, from now on.
    ///
    /// # Errors
    /// When there is no such token, or the store or the audit log fails.
    pub fn revoke_token(&self, now: UnixTime, id: &str) -> Result<Token, VaultError> {
        let (mut token, mut row) = self.named_token(id)?;
        token.holder.revoked.get_or_insert(now);
        row.sealed = self.sealed(&token)?;
        let holder = token.holder.name.clone();
        let kind = AuditKind::TokenRevoked { token: id.to_owned(), holder };
        let event = AuditEvent { call: None, subject: None, kind };
        self.audited(now, Change::KeepTokens(&[row]), &[event])?;
        Ok(token)
    }

    /// No token of before is good any more: after a backup was put back, which may have those that were revoked.
    pub(super) fn revoke_tokens(&self, now: UnixTime) -> Result<(), VaultError> {
        let mut good = self.tokens()?.into_iter().filter(|token| token.is_good(now));
        good.try_for_each(|token| self.revoke_token(now, &token.id).map(drop))
    }

    /// Whose token this is; `None` for what is none, or none any more, after the same work.
    #[must_use]
    pub fn token_holder(&self, now: UnixTime, shown: &Secret<String>) -> Option<Token> {
        logged("token", self.find_token(shown)).ok().flatten().filter(|token| token.is_good(now))
    }

    fn find_token(&self, shown: &Secret<String>) -> Result<Option<Token>, VaultError> {
        let text = shown.expose().get(..LONGEST).unwrap_or(shown.expose());
        let id = text.strip_prefix(BEGINNING).and_then(|rest| rest.split('_').next());
        let row = self.store.token(id.unwrap_or_default())?;
        let hash = self.token_hash(shown);
        let kept = row.as_ref().map_or([0; 32], |row| row.hash);
        let same: bool = kept.ct_eq(&hash).into();
        row.filter(|_| same).map(|row| self.opened(&row)).transpose()
    }

    fn fresh(
        &self,
        now: UnixTime,
        name: &str,
        scopes: &[String],
        life: Duration,
    ) -> Result<(Token, TokenRow, Secret<String>), VaultError> {
        if life.is_zero() || life > LONGEST_LIFE {
            return Err(VaultError::Field("a token is good for a year at most"));
        }
        let good = self.tokens()?.iter().filter(|token| token.is_good(now)).count();
        if good >= MOST {
            return Err(VaultError::Field("there are 1000 tokens: revoke those that are not used"));
        }
        let encode = |bytes: &[u8]| data_encoding::BASE32_NOPAD.encode(bytes).to_ascii_lowercase();
        let id = encode(&random::<NAME>()?);
        let secret = Secret::new(encode(Secret::new(random::<SECRET>()?).expose()));
        let text = Secret::new(format!("{BEGINNING}{id}_{}", secret.expose()));
        let (name, scopes) = (name.to_owned(), scopes.to_vec());
        let holder = Holder { name, scopes, made: now, until: now.plus(life), revoked: None };
        let token = Token { id, holder };
        let row =
            TokenRow { id: token.id.clone(), hash: self.token_hash(&text), sealed: self.sealed(&token)? };
        Ok((token, row, text))
    }

    fn token_kept(token: &Token) -> AuditEvent {
        let Holder { name, scopes, until, .. } = &token.holder;
        let (token, holder, scopes) = (token.id.clone(), name.clone(), scopes.clone());
        let kind = AuditKind::TokenKept { token, holder, scopes, until: until.0 };
        AuditEvent { call: None, subject: None, kind }
    }

    fn named_token(&self, id: &str) -> Result<(Token, TokenRow), VaultError> {
        let row = self.store.token(id)?;
        let row =
            row.ok_or(VaultError::Field("there is no such token: `countersign token list` names them"))?;
        Ok((self.opened(&row)?, row))
    }

    fn token_hash(&self, text: &Secret<String>) -> [u8; 32] {
        keyed_hash(&self.tokens, &[TENANT.as_bytes(), text.expose().as_bytes()])
    }

    fn sealed(&self, token: &Token) -> Result<Vec<u8>, VaultError> {
        let Holder { name, scopes, made, until, revoked } = token.holder.clone();
        let kept = Kept { name, scopes, made: made.0, until: until.0, revoked: revoked.map(|at| at.0) };
        let json = serde_json::to_vec(&kept).map_err(|_| StoreError::Row)?;
        Ok(seal::seal(&self.tokens, label(&token.id), &json)?)
    }

    fn opened(&self, row: &TokenRow) -> Result<Token, VaultError> {
        let opened = seal::open(&self.tokens, label(&row.id), &row.sealed)?;
        let Kept { name, scopes, made, until, revoked } =
            serde_json::from_slice(opened.expose()).map_err(|_| StoreError::Row)?;
        let (made, until, revoked) = (UnixTime(made), UnixTime(until), revoked.map(UnixTime));
        let holder = Holder { name, scopes, made, until, revoked };
        Ok(Token { id: row.id.clone(), holder })
    }
}

const fn label(id: &str) -> Label<'_> {
    Label { tenant: TENANT, owner: id.as_bytes(), kind: "token" }
}
