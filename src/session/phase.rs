//! How far a connection has come. The ways from one phase to the next are in `session/transitions`.

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its request head is arriving.
    Head,
    /// Its room's home shard has yet to confirm the join; the handshake is answered after that.
    Joining,
    /// Messages flow.
    Open,
    /// The last bytes are on their way out; input matters only if a Close frame is awaited.
    Closing,
    /// All was sent and the write side shut down; waiting for the peer to do the same.
    Lingering,
    /// Shut down; waiting for the kernel's answers to operations in flight.
    Dead,
}
