//! What a client's message asks for: its commands, in their order.

use super::Encoding;
use super::codes::Disconnect;
use super::command::Command;
use super::json;
use super::protobuf;

/// The commands of `frame`, what one message of a client says, in their order. The first error is the
/// last that it gives.
///
/// # Errors
/// [`Disconnect::BadRequest`] when there is no command, when one is longer than `command_bytes_max`, and
/// when one is none or asks for nothing that is known.
pub fn commands(
    encoding: Encoding,
    frame: &[u8],
    command_bytes_max: usize,
) -> impl Iterator<Item = Result<Command<'_>, Disconnect>> {
    let mut pieces = split(encoding, frame, command_bytes_max);
    std::iter::from_fn(move || {
        let command = pieces.next()?.and_then(|piece| read(encoding, piece));
        if command.is_err() {
            pieces.rest = None;
        }
        Some(command)
    })
}

/// The commands of `frame` in their order, none of them read yet. Some of those that follow one another
/// are a frame again: joined by line feeds in JSON, and as they are in Protobuf.
///
/// # Errors
/// [`Disconnect::BadRequest`] when there is none, and when one is longer than `command_bytes_max` or cut.
#[must_use]
pub fn split(encoding: Encoding, frame: &[u8], command_bytes_max: usize) -> Pieces<'_> {
    Pieces {
        rest: Some(frame),
        encoding,
        command_bytes_max,
    }
}

/// Reads a command that [`split`] gave.
///
/// # Errors
/// [`Disconnect::BadRequest`] when it is none, or asks for nothing that is known.
pub fn read(encoding: Encoding, piece: &[u8]) -> Result<Command<'_>, Disconnect> {
    match encoding {
        Encoding::Json => json::command::command(piece),
        Encoding::Protobuf => match protobuf::fields::prefixed(piece) {
            Some((message, [])) => protobuf::command::command(message),
            Some(_) | None => Err(Disconnect::BadRequest),
        },
    }
}

/// What [`split`] gives.
#[derive(Debug, Clone)]
pub struct Pieces<'a> {
    /// What is to be split yet; `None` when nothing more is to be given.
    rest: Option<&'a [u8]>,
    encoding: Encoding,
    command_bytes_max: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<&'a [u8], Disconnect>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let (piece, command_bytes, rest) = match self.encoding {
            Encoding::Json => first_line(rest),
            Encoding::Protobuf => match protobuf::fields::prefixed(rest) {
                Some((message, behind)) => {
                    let piece = &rest[..rest.len() - behind.len()];
                    (piece, message.len(), behind)
                }
                None => return Some(Err(Disconnect::BadRequest)),
            },
        };
        if piece.is_empty() || command_bytes > self.command_bytes_max {
            return Some(Err(Disconnect::BadRequest));
        }
        if !rest.is_empty() {
            self.rest = Some(rest);
        }
        Some(Ok(piece))
    }
}

/// The first line of a frame without its end, how long that is, and what follows the end.
fn first_line(frame: &[u8]) -> (&[u8], usize, &[u8]) {
    match memchr::memchr(b'\n', frame) {
        Some(end) => (&frame[..end], end, &frame[end + 1..]),
        None => (frame, frame.len(), &[]),
    }
}
