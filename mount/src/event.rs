//! What the mount process waits for.

/// A reason to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// SIGTERM, SIGINT or SIGHUP.
    Terminate,
    /// The kernel has let go of the mount: somebody unmounted it.
    Unmounted,
}
