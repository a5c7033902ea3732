use crate::key::Key;

/// What a listener is told; see [`Notices`](crate::Notices).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Messages are received from now on. Those that were sent before may have been lost.
    Listening,
    /// The session under this key has ended, or its secret was replaced.
    Changed(Key),
}
