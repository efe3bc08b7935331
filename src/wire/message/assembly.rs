//! What [`super::Reader`] owns while a frame or a message is incomplete.

use std::mem;

use super::error::WireError;
use super::event::Event;
use super::rules::Rules;
use crate::wire::frame::{self, CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Header, OpCode};
use crate::wire::mask;
use crate::wire::utf8::Utf8;

/// The first allocation for a message, if it is not shorter: smaller steps would only cost calls.
const PAYLOAD_BYTES_FIRST: usize = 512;

/// A header, a control frame and a message, each possibly incomplete.
#[derive(Debug)]
pub(super) struct Assembly {
    /// The first `header_bytes` bytes of a header that is not whole.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    /// The frame whose payload is arriving.
    frame: Option<Arriving>,
    /// The data message under way.
    message: Option<Message>,
    /// The first `control_bytes` bytes of a control frame's payload.
    control: [u8; CONTROL_BYTES_MAX],
    control_bytes: usize,
    /// What the last call returned; freed by the next.
    delivered: Option<OpCode>,
}

#[derive(Debug)]
struct Arriving {
    header: Header,
    payload_bytes: usize,
    /// How many of these are here; also the phase of the mask.
    arrived_bytes: usize,
}

#[derive(Debug)]
struct Message {
    /// Text or binary: the opcode of the first fragment.
    opcode: OpCode,
    utf8: Utf8,
    payload: Vec<u8>,
}

impl Default for Assembly {
    fn default() -> Self {
        Self {
            header: [0; HEADER_BYTES_MAX],
            header_bytes: 0,
            frame: None,
            message: None,
            control: [0; CONTROL_BYTES_MAX],
            control_bytes: 0,
            delivered: None,
        }
    }
}

impl Assembly {
    /// Frees what the last call delivered; true when nothing else is under way.
    pub(super) fn forget_delivered(&mut self) -> bool {
        let Some(opcode) = self.delivered.take() else {
            return false;
        };
        if opcode.is_control() {
            self.control_bytes = 0;
        } else {
            self.message = None;
        }
        self.message.is_none()
    }

    /// Bytes of heap behind this struct.
    pub(super) fn heap_bytes(&self) -> usize {
        self.message
            .as_ref()
            .map_or(0, |message| message.payload.capacity())
    }

    /// Takes bytes off `input` up to the end of one frame at most. Gives the opcode of the event
    /// that became complete: of a message, the one of its first fragment.
    pub(super) fn take(
        &mut self,
        input: &mut &mut [u8],
        rules: &Rules,
    ) -> Result<Option<OpCode>, WireError> {
        let frame = match &mut self.frame {
            Some(frame) => frame,
            None => {
                let Some(frame) = self.take_header(input, rules)? else {
                    return Ok(None);
                };
                self.frame.insert(frame)
            }
        };
        let wanted_bytes = frame.payload_bytes - frame.arrived_bytes;
        let piece_bytes = wanted_bytes.min(input.len());
        let (piece, rest) = mem::take(input).split_at_mut(piece_bytes);
        *input = rest;
        mask::apply(piece, frame.header.key, frame.arrived_bytes);
        frame.arrived_bytes += piece.len();
        let (header, whole) = (frame.header, piece.len() == wanted_bytes);
        if whole {
            self.frame = None;
        }
        if header.opcode.is_control() {
            let end = self.control_bytes + piece.len();
            self.control[self.control_bytes..end].copy_from_slice(piece);
            self.control_bytes = end;
            return Ok(whole.then_some(header.opcode));
        }
        let message = self.message.as_mut().ok_or(WireError::NothingToContinue)?;
        let goal_bytes = if header.fin {
            message.payload.len() + wanted_bytes
        } else {
            rules.message_bytes_max
        };
        append(&mut message.payload, piece, goal_bytes);
        if message.opcode == OpCode::Text {
            message.utf8.push(piece)?;
            if whole && header.fin {
                message.utf8.finish()?;
            }
        }
        Ok((whole && header.fin).then_some(message.opcode))
    }

    /// The event that [`Assembly::take`] announced, borrowed until the next call.
    pub(super) fn deliver(&mut self, opcode: OpCode) -> Result<Event<'_>, WireError> {
        self.delivered = Some(opcode);
        if opcode.is_control() {
            return Event::of(opcode, &self.control[..self.control_bytes]);
        }
        Event::of(
            opcode,
            self.message
                .as_ref()
                .map_or(&[], |message| &message.payload),
        )
    }

    /// Completes the header with bytes off `input` and starts the message if it is the first
    /// fragment; `None` when all of `input` was taken and the header is still cut.
    fn take_header(
        &mut self,
        input: &mut &mut [u8],
        rules: &Rules,
    ) -> Result<Option<Arriving>, WireError> {
        let known_bytes = self.header_bytes;
        let copied_bytes = input.len().min(HEADER_BYTES_MAX - known_bytes);
        let end = known_bytes + copied_bytes;
        self.header[known_bytes..end].copy_from_slice(&input[..copied_bytes]);
        let decoded = frame::decode_header(&self.header[..end], rules.role)?;
        let taken_bytes = decoded.map_or(copied_bytes, |header| header.bytes - known_bytes);
        *input = &mut mem::take(input)[taken_bytes..];
        let Some(header) = decoded else {
            self.header_bytes = end;
            return Ok(None);
        };
        self.header_bytes = 0;
        let assembled_bytes = self.message.as_ref().map(|message| message.payload.len());
        let payload_bytes = rules.admit(&header, assembled_bytes)?;
        if matches!(header.opcode, OpCode::Text | OpCode::Binary) {
            let (opcode, utf8, payload) = (header.opcode, Utf8::default(), Vec::new());
            self.message = Some(Message {
                opcode,
                utf8,
                payload,
            });
        }
        Ok(Some(Arriving {
            header,
            payload_bytes,
            arrived_bytes: 0,
        }))
    }
}

/// Appends `piece`, doubling the capacity when it must grow, but never past `goal_bytes`: the
/// most that `payload` can still become.
fn append(payload: &mut Vec<u8>, piece: &[u8], goal_bytes: usize) {
    let needed_bytes = payload.len() + piece.len();
    if needed_bytes > payload.capacity() {
        let doubled_bytes = payload
            .capacity()
            .saturating_mul(2)
            .max(PAYLOAD_BYTES_FIRST);
        let target_bytes = doubled_bytes.min(goal_bytes).max(needed_bytes);
        payload.reserve_exact(target_bytes - payload.len());
    }
    payload.extend_from_slice(piece);
}
