//! Private bytes for one peer: handshake, pongs, closes, echoes, and the rest of a rescued frame.
//!
//! What was sent is not kept until all is: a peer that always leaves a little unread would grow the
//! buffer without end. Forgetting costs a copy of what is left, so it waits until that is no more
//! than what has gone: each byte sent pays for at most one byte copied.

/// Room for a short reply, a pong or the answer to a handshake, so that few buffers have to grow.
const BYTES_FIRST: usize = 256;

/// The buffer of one session. It exists only while something in it has yet to be sent.
#[derive(Debug)]
pub(super) struct Private {
    bytes: Vec<u8>,
    /// How many at the front were sent; fewer than those that were not.
    sent: usize,
}

impl Default for Private {
    fn default() -> Self {
        Self {
            bytes: Vec::with_capacity(BYTES_FIRST),
            sent: 0,
        }
    }
}

impl Private {
    /// A buffer that holds the rest of a cut frame and then what `former` had yet to send.
    #[must_use]
    pub(super) fn behind_frame(frame: &[u8], former: Option<&Self>) -> Self {
        let former = former.map_or(&[][..], Self::unsent);
        Self {
            bytes: [frame, former].concat(),
            sent: 0,
        }
    }

    /// What has yet to be sent, in order.
    #[must_use]
    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Memory it holds, in bytes.
    #[must_use]
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The buffer, to append to and for nothing else.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The first `count` of the unsent bytes were sent; true when none is left.
    pub(super) fn taken(&mut self, count: usize) -> bool {
        self.sent += count;
        let left = self.bytes.len() - self.sent;
        if left == 0 {
            // Nearly always, and then it is dropped as it is.
            return true;
        }
        if self.sent >= left {
            self.bytes.drain(..self.sent);
            self.sent = 0;
            // One large reply is not held for the sake of the small ones behind it.
            if self.bytes.capacity() / 4 > left {
                self.bytes.shrink_to(2 * left);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Private;

    /// Goal: a peer that always leaves a little unread gets all of it in order, and what is held
    /// stays a small multiple of what is unread.
    #[test]
    fn what_was_sent_is_not_held() {
        let mut private = Private::default();
        let (mut written, mut read) = (0u32, 0u32);
        let mut moved = 0;
        for _ in 0..20_000 {
            while written - read < 300 {
                private.end().extend_from_slice(&written.to_ne_bytes());
                written += 1;
            }
            let count = 1 + read % 250;
            for number in private.unsent().chunks(4).take(count as usize) {
                assert_eq!(number, read.to_ne_bytes());
                read += 1;
            }
            let before = private.bytes.len();
            assert!(!private.taken(4 * count as usize));
            if private.bytes.len() < before {
                moved += private.bytes.len();
            }
            assert!(
                private.held_bytes() <= 4 * 4 * 300,
                "{}",
                private.held_bytes()
            );
        }
        let sent = 4 * read as usize;
        assert!(moved <= sent, "{moved} bytes were copied for {sent} sent");
    }

    /// Goal: a large reply gives its memory back before the small ones behind it are read.
    #[test]
    fn a_large_reply_is_given_back() {
        let mut private = Private::behind_frame(&[1; 1 << 20], None);
        private.end().extend_from_slice(&[2; 100]);
        assert!(!private.taken(1 << 20));
        assert_eq!(private.unsent(), [2; 100]);
        assert!(private.held_bytes() < 1000);
        assert!(private.taken(100));
    }
}
