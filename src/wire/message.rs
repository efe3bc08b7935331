//! Frames in, messages out: fragmentation, control frames in between, text, size and close rules
//! (RFC 6455 sections 5.4, 5.5, 7 and 8.1).
//!
//! It answers nothing itself: pongs, close frames and what an error leads to are up to the caller.
//! Any split of the bytes costs time linear in their count, and a session between two messages
//! owns no buffer.

mod assembly;
mod error;
mod event;
mod rules;

use std::mem;

use self::assembly::Assembly;
pub use self::error::WireError;
pub use self::event::{Event, Kind};
pub use self::rules::Rules;
pub use super::frame::Role;
use super::frame::{self, OpCode};
use super::{mask, utf8};

/// The reading side of one session: a single pointer, which is null between messages.
#[derive(Debug, Default)]
pub struct Reader {
    assembly: Option<Box<Assembly>>,
}

impl Reader {
    /// Takes bytes off the front of `input` up to and including the next event; `None` when all
    /// of `input` is taken and more is needed.
    ///
    /// A frame that is a whole message and lies within `input` is unmasked in place and
    /// its payload borrowed from there. Everything else is copied once into a buffer that
    /// grows with what has arrived, never by what was only announced, and is freed by the next
    /// call; so call until `None`.
    ///
    /// # Errors
    /// A [`WireError`] as soon as the bytes show it: in particular too long a message at its
    /// header, and bad text at its first bad byte. After an error or [`Event::Close`] the reader
    /// must not be used any more.
    #[inline]
    pub fn next<'event, 'input: 'event>(
        &'event mut self,
        input: &mut &'input mut [u8],
        rules: &Rules,
    ) -> Result<Option<Event<'event>>, WireError> {
        if let Some(assembly) = &mut self.assembly
            && assembly.forget_delivered()
        {
            self.assembly = None;
        }
        if self.assembly.is_none() {
            // The second call for nearly every message: there is nothing behind it.
            if input.is_empty() {
                return Ok(None);
            }
            if let Some(event) = whole_message(input, rules)? {
                return Ok(Some(event));
            }
        }
        self.assemble(input, rules)
    }

    /// Copies what is no whole message, up to the next event.
    fn assemble<'event>(
        &'event mut self,
        input: &mut &mut [u8],
        rules: &Rules,
    ) -> Result<Option<Event<'event>>, WireError> {
        let assembly = self.assembly.get_or_insert_default();
        while !input.is_empty() {
            if let Some(opcode) = assembly.take(input, rules)? {
                return assembly.deliver(opcode).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether the peer stands between two messages, where no buffer is owned. True only once
    /// [`Reader::next`] has returned `None`.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.assembly.is_none()
    }

    /// Bytes of heap this reader owns.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.assembly
            .as_ref()
            .map_or(0, |assembly| size_of::<Assembly>() + assembly.heap_bytes())
    }
}

/// Takes a frame that is an event by itself and whole within `input`; `None` leaves `input` as it is.
#[inline]
fn whole_message<'input>(
    input: &mut &'input mut [u8],
    rules: &Rules,
) -> Result<Option<Event<'input>>, WireError> {
    let Some(header) = frame::decode_header(input, rules.role)? else {
        return Ok(None);
    };
    let payload_bytes = rules.admit(&header, None)?;
    if !header.fin || input.len() - header.bytes < payload_bytes {
        return Ok(None);
    }
    let (frame, rest) = mem::take(input).split_at_mut(header.bytes + payload_bytes);
    *input = rest;
    let payload = &mut frame[header.bytes..];
    mask::apply(payload, header.key, 0);
    if header.opcode == OpCode::Text {
        utf8::check(payload)?;
    }
    Event::of(header.opcode, payload).map(Some)
}

#[cfg(test)]
mod tests;
