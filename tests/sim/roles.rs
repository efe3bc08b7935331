//! What sorts of clients there are, and how they behave.

/// What sort of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// First in, last out; gets everything, reads everything at once, says nothing.
    Witness,
    /// Chats.
    Member,
    /// Breaks a rule of the protocol after its handshake.
    Rude,
    /// Never gets as far as a handshake: half a head, a bad one, or none.
    Stranger,
    /// Asks for a page.
    Browser,
}

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Absent,
    Head,
    Open,
    /// It has sent its Close frame or its FIN.
    Leaving,
    Ended,
}

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    Close,
    Finish,
    Vanish,
}

impl Leave {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Close, Self::Finish, Self::Vanish];
}

/// How the clients of a run behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// Largest payload they publish.
    pub(crate) payload_bytes_max: usize,
    /// Chances in a thousand, each time a client acts.
    pub(crate) publish: u32,
    pub(crate) stall: u32,
    pub(crate) wake: u32,
    pub(crate) leave: u32,
    /// Chances in a thousand that a client reads when it acts.
    pub(crate) read: u32,
    /// Chances in a thousand that a roamer goes to another room, or leaves one, in a turn of its shard.
    pub(crate) roam: u32,
}
