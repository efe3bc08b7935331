//! The log: a fixed ring of bytes that holds every message as a frame, once for each protocol in use.
//!
//! Positions are 64-bit and never wrap; only the last `Log::capacity_bytes` of them can be read.
//! The log knows neither rooms nor sessions: who may still need a byte is decided above it.

use std::io;

use super::mapping::Mapping;
use crate::id::LogPosition;

/// A circular byte log in which any range is contiguous.
#[derive(Debug)]
pub struct Log {
    mapping: Mapping,
    head: LogPosition,
}

impl Log {
    /// A log of `bytes`, a power of two and a multiple of the page size.
    ///
    /// # Errors
    /// When the memory file or its two mappings cannot be made (memfd_create(2), mmap(2)).
    pub fn new(bytes: usize) -> io::Result<Self> {
        assert!(bytes.is_power_of_two());
        Ok(Self {
            mapping: Mapping::new(bytes)?,
            head: LogPosition::default(),
        })
    }

    /// How many bytes back from the head can be read.
    #[must_use]
    pub(crate) fn capacity_bytes(&self) -> usize {
        self.mapping.bytes()
    }

    /// Position of the next byte to be written.
    #[must_use]
    pub(crate) fn head(&self) -> LogPosition {
        self.head
    }

    /// Position of the oldest byte that can still be read.
    #[must_use]
    pub fn tail(&self) -> LogPosition {
        self.head.back(self.capacity_bytes() as u64)
    }

    /// Writes `bytes` at the head, over the oldest ones, and returns where they begin.
    pub fn append(&mut self, bytes: &[u8]) -> LogPosition {
        let position = self.head;
        let start = self.physical(position);
        self.mapping
            .slice_mut(start, bytes.len())
            .copy_from_slice(bytes);
        self.head += bytes.len() as u64;
        position
    }

    /// Has `write` write at the head, over the oldest bytes, into the `bytes_max` it is given; it returns
    /// how many of them it has used. Returns where they begin, and how many they are.
    pub(crate) fn write(
        &mut self,
        bytes_max: usize,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> (LogPosition, u32) {
        let position = self.head;
        let start = self.physical(position);
        let used = write(self.mapping.slice_mut(start, bytes_max));
        assert!(used <= bytes_max, "no more is used than was asked for");
        self.head += used as u64;
        (
            position,
            u32::try_from(used).expect("a frame is below 2 GiB"),
        )
    }

    /// The `length` bytes from `position`.
    #[must_use]
    pub fn slice(&self, position: LogPosition, length: usize) -> &[u8] {
        assert!(position >= self.tail() && position + length as u64 <= self.head);
        self.mapping.slice(self.physical(position), length)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "masked to the capacity, a usize"
    )]
    fn physical(&self, position: LogPosition) -> usize {
        (position.bytes() & (self.capacity_bytes() as u64 - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Log;
    use crate::id::LogPosition;

    /// Goal: a range that crosses the end of the memory reads as one slice, with the newest bytes.
    #[test]
    fn ranges_are_contiguous_over_the_wrap() {
        let mut log = Log::new(4096).unwrap();
        let mut written = Vec::new();
        for round in 0u8..=255 {
            let piece: Vec<u8> = (0..97)
                .map(|at: u8| round.wrapping_mul(31).wrapping_add(at))
                .collect();
            assert_eq!(log.append(&piece), LogPosition::new(written.len() as u64));
            written.extend_from_slice(&piece);
            let tail = usize::try_from(log.tail().bytes()).unwrap();
            assert_eq!(
                log.slice(log.tail(), written.len() - tail),
                &written[tail..]
            );
        }
        assert_eq!(log.head() - log.tail(), 4096);
    }

    /// Goal: reading what has been overwritten is a programmer's error, never silent garbage.
    #[test]
    #[should_panic(expected = "position >= self.tail()")]
    fn overwritten_bytes_cannot_be_read() {
        let mut log = Log::new(4096).unwrap();
        log.append(&[1; 4096]);
        log.append(&[2; 1]);
        let _ = log.slice(LogPosition::default(), 1);
    }
}
