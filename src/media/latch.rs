//! Which source is the peer.

/// When a source other than the signalled address may be taken for the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatchPolicy {
    /// Only the signalled address.
    Strict,
    /// The signalled address or, once and early, the first consistent source.
    #[default]
    Early,
}
