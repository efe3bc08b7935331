//! What stands between the bytes of frames, in a log or in private replies, and those of a socket.
//!
//! A shard plans sends in frames' bytes. The transport says which bytes leave for them, and how many bytes
//! of frames the socket's answer releases. It keeps neither frames nor sockets.

/// How a connection's bytes leave. Which it is belongs to the connection, from its listener on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Transport {
    /// As they are, in the clear (RFC 6455 section 3, `ws`).
    #[default]
    Plain,
}

impl Transport {
    /// The bytes that leave for the slices of a send, in their order.
    #[inline]
    pub(crate) fn leaving<'a>(
        self,
        slices: impl Iterator<Item = &'a [u8]>,
    ) -> impl Iterator<Item = &'a [u8]> {
        match self {
            Self::Plain => slices,
        }
    }

    /// How many bytes of frames, from the first of the send on, the log and the replies need no longer keep
    /// when the socket took `taken` of the bytes that left for them.
    #[inline]
    pub(crate) fn released(self, taken: u32) -> u32 {
        match self {
            Self::Plain => taken,
        }
    }

    /// Whether a send may go without an answer when the socket takes all of it: only what can be made
    /// anew from the frames may be taken back.
    #[inline]
    pub(crate) fn may_be_quiet(self) -> bool {
        match self {
            Self::Plain => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Transport;

    /// Goal: in the clear, what leaves is what the frames have, and releases as much as was taken.
    #[test]
    fn plain_bytes_leave_as_they_are() {
        let frames: [&[u8]; 2] = [b"\x81\x01a", b"\x81\x01b"];
        let leaving: Vec<&[u8]> = Transport::Plain.leaving(frames.into_iter()).collect();
        assert_eq!(leaving, frames);
        assert_eq!(Transport::Plain.released(4), 4);
        assert!(Transport::default().may_be_quiet());
    }
}
