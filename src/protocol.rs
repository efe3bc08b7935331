//! What messages mean: which command a client's message is, and which bytes its members are sent for
//! one. Knows frames, and neither sessions nor sockets nor clocks.

pub(crate) mod plain;

use crate::room::rendition::{Encode, Protocol, Said};

/// Makes the frames of every protocol.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Encoder;

impl Encode for Encoder {
    #[inline]
    fn encoded_bytes_max(&self, protocol: Protocol, said: &Said<'_>) -> usize {
        match protocol {
            Protocol::Plain => plain::encoded_bytes_max(&said.message.event),
            Protocol::Json | Protocol::Protobuf => unreachable!("{NOBODY_READS_IT}"),
        }
    }

    #[inline]
    fn encode(&self, protocol: Protocol, said: &Said<'_>, out: &mut [u8]) -> usize {
        match protocol {
            Protocol::Plain => plain::encode(&said.message.event, out),
            Protocol::Json | Protocol::Protobuf => unreachable!("{NOBODY_READS_IT}"),
        }
    }
}

/// Why there is nothing to be done in such a protocol.
const NOBODY_READS_IT: &str = "no session can ask for this rendition";
