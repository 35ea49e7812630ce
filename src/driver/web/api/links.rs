//! Passkeys, and links to enrol by.

use hyper::StatusCode;

use super::call::Call;
use super::shape::{Once, reads, shape, writes};
use super::subjects::{no_factor, shown};
use crate::auth::FactorId;
use crate::driver::sender::Channel;
use crate::driver::vault::PasskeyShown;
use crate::driver::web::{Problem, Reply};
use crate::units::UnixTime;

reads! {
    /// A link that is to be sent.
    struct NewLink {
        /// What is enrolled by it: `push` (a passkey) or `totp` (an authenticator app).
        factor: String,
        /// By which way, to the address on file: `sms` or `email`.
        by: String,
    }
}

writes! {
    /// A link that is on its way.
    struct SentLink {
        /// What the customer is to be told by another way: the page asks for it. It is not shown again.
        code: Once,
        /// The link is good until then.
        until: String,
    }

    /// A passkey.
    struct Passkey {
        /// Its name among those of the subject.
        name: String,
        /// When it was enrolled.
        made: String,
        /// When it approved a call last.
        used: Option<String>,
        /// Its owner has it on several devices, or a copy with whoever keeps their passkeys.
        copied: bool,
    }

    /// A subject's passkeys.
    struct Passkeys {
        /// The passkeys, the oldest first.
        passkeys: Vec<Passkey>,
    }
}

fn when(at: UnixTime) -> String {
    jiff::Timestamp::from_millisecond(at.0).map(|at| format!("{at:.3}")).unwrap_or_default()
}

pub(super) fn send(call: &Call<'_>) -> Result<Reply, Problem> {
    let NewLink { factor, by } = call.body()?;
    let factor = FactorId::from_name(&factor).ok_or_else(|| no_factor("factor"))?;
    let by = Channel::named(&by).ok_or_else(|| Problem::unreadable("this is `sms` or `email`").at("by"))?;
    let link = call.vault.send_link(call.now, &shown(call)?.id, factor, by)?;
    let sent = SentLink { code: Once::of(&link.code), until: when(link.until) };
    Ok(Reply::json(StatusCode::CREATED, &sent))
}

pub(super) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let passkey = |PasskeyShown { name, made, used, copied }| Passkey {
        name,
        made: when(made),
        used: used.map(when),
        copied,
    };
    let passkeys = call.vault.passkeys(&shown(call)?.id)?.into_iter().map(passkey).collect();
    Ok(Reply::json(StatusCode::OK, &Passkeys { passkeys }))
}

pub(super) fn remove(call: &Call<'_>) -> Result<Reply, Problem> {
    if call.vault.remove_passkey(call.now, &shown(call)?.id, call.part("passkey"))? {
        return Ok(Reply::empty());
    }
    let (title, detail) = ("No such passkey", "the subject has no passkey of this name");
    let help = "GET …/passkeys lists what there is";
    Err(Problem::new(StatusCode::NOT_FOUND, "no-passkey", title, detail, help).at("passkey"))
}
