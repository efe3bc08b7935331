//! What messages mean: which command a client's message is, and which bytes its members are sent for
//! one. Knows frames, and neither sessions nor sockets nor clocks.

pub(crate) mod plain;

use crate::message::Message;
use crate::room::rendition::{Encode, Protocol};

/// Makes the frames of every protocol.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Encoder;

impl Encode for Encoder {
    #[inline]
    fn encoded_bytes_max(&self, protocol: Protocol, message: &Message<'_>) -> usize {
        match protocol {
            Protocol::Plain => plain::encoded_bytes_max(&message.event),
        }
    }

    #[inline]
    fn encode(&self, protocol: Protocol, message: &Message<'_>, out: &mut [u8]) -> usize {
        match protocol {
            Protocol::Plain => plain::encode(&message.event, out),
        }
    }
}
