//! Looks into callers' numbers (STIR/SHAKEN) beside the shards, and has the key that our own calls are signed with.
//!
//! A question whose certificates are known is judged at once. One that needs a fetch waits with all others that need the
//! same, so that an address is asked once, and a slow one holds one worker. Everything has a bound; what finds no room
//! is answered "not verified".

mod cache;
mod config;
mod fetch;
mod key;
mod pool;
#[cfg(test)]
mod tests;
mod trust;

pub use config::{SignConfig, StirConfig, StirError, VerifyConfig};
pub use fetch::CertificateSource;
pub use pool::Verifier;

pub(in crate::driver) use config::{signing, verifier, vouching};
