//! What messages mean: which command a client's message is, and which bytes its members are sent for
//! one. Knows frames, and neither sessions nor sockets nor clocks.

pub mod centrifugo;
pub(crate) mod plain;

use self::centrifugo::{Encoding, push};
use crate::room::rendition::{Encode, Protocol, Said};

/// Makes the frames of every protocol.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Encoder;

impl Encode for Encoder {
    #[inline]
    fn encoded_bytes_max(&self, protocol: Protocol, said: &Said<'_>) -> usize {
        match protocol {
            Protocol::Plain => plain::encoded_bytes_max(&said.message.event),
            Protocol::Json => push::encoded_bytes_max(Encoding::Json, said),
            Protocol::Protobuf => push::encoded_bytes_max(Encoding::Protobuf, said),
        }
    }

    #[inline]
    fn encode(&self, protocol: Protocol, said: &Said<'_>, out: &mut [u8]) -> usize {
        match protocol {
            Protocol::Plain => plain::encode(&said.message.event, out),
            Protocol::Json => push::encode(Encoding::Json, said, out),
            Protocol::Protobuf => push::encode(Encoding::Protobuf, said, out),
        }
    }
}
