//! Every rule of RFC 6455 section 5.2, and encoding against decoding.

use proptest::prelude::*;

use super::{
    FrameError, HEADER_BYTES_MAX, Header, OpCode, Role, append_frame, append_masked_frame,
    decode_header, encode_header, encode_masked_header, frame_bytes,
};

const OPCODES: [OpCode; 6] = [
    OpCode::Continuation,
    OpCode::Text,
    OpCode::Binary,
    OpCode::Close,
    OpCode::Ping,
    OpCode::Pong,
];

/// Goal: the examples of RFC 6455 section 5.7 encode as printed there.
#[test]
fn encodes_the_examples_of_the_rfc() {
    let mut out = Vec::new();
    append_frame(&mut out, OpCode::Text, b"Hello");
    assert_eq!(out, b"\x81\x05Hello");
    out.clear();
    append_masked_frame(
        &mut out,
        OpCode::Text,
        true,
        b"Hello",
        [0x37, 0xfa, 0x21, 0x3d],
    );
    assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    let (header, bytes) = encode_header(OpCode::Text, false, 3);
    assert_eq!(&header[..bytes], b"\x01\x03");
    let (header, bytes) = encode_header(OpCode::Binary, true, 256);
    assert_eq!(&header[..bytes], b"\x82\x7e\x01\x00");
    let (header, bytes) = encode_header(OpCode::Binary, true, 65_536);
    assert_eq!(
        &header[..bytes],
        b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"
    );
}

/// Goal: what breaks the protocol is refused at the byte that shows it, no later.
#[test]
fn refuses_at_the_byte_that_shows_it() {
    let cases: &[(Role, &[u8], FrameError)] = &[
        (Role::Server, b"\xc1", FrameError::ReservedBits),
        (Role::Server, b"\xa1", FrameError::ReservedBits),
        (Role::Server, b"\x91", FrameError::ReservedBits),
        (Role::Client, b"\xf1", FrameError::ReservedBits),
        (Role::Server, b"\x08", FrameError::FragmentedControl),
        (Role::Server, b"\x09", FrameError::FragmentedControl),
        (Role::Client, b"\x0a", FrameError::FragmentedControl),
        (Role::Server, b"\x81\x05", FrameError::Unmasked),
        (Role::Server, b"\x89\x00", FrameError::Unmasked),
        (Role::Client, b"\x81\x85", FrameError::Masked),
        (Role::Server, b"\x89\xfe", FrameError::ControlTooLong),
        (Role::Server, b"\x88\xff", FrameError::ControlTooLong),
        (Role::Client, b"\x8a\x7e", FrameError::ControlTooLong),
        (
            Role::Server,
            b"\x81\xfe\x00\x00",
            FrameError::LengthNotMinimal,
        ),
        (
            Role::Server,
            b"\x81\xfe\x00\x7d",
            FrameError::LengthNotMinimal,
        ),
        (
            Role::Client,
            b"\x82\x7f\0\0\0\0\0\0\0\x01",
            FrameError::LengthNotMinimal,
        ),
        (
            Role::Client,
            b"\x82\x7f\0\0\0\0\0\0\xff\xff",
            FrameError::LengthNotMinimal,
        ),
        (
            Role::Server,
            b"\x82\xff\x80\0\0\0\0\0\0\0",
            FrameError::LengthTopBit,
        ),
        (
            Role::Server,
            b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            FrameError::LengthTopBit,
        ),
    ];
    for &(role, bytes, error) in cases {
        assert_eq!(decode_header(bytes, role), Err(error), "{bytes:x?}");
        for end in 0..bytes.len() {
            assert_eq!(
                decode_header(&bytes[..end], role),
                Ok(None),
                "{bytes:x?} up to {end}"
            );
        }
    }
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        let error = Err(FrameError::ReservedOpCode(opcode));
        assert_eq!(decode_header(&[0x80 | opcode], Role::Server), error);
        assert_eq!(decode_header(&[opcode], Role::Client), error);
    }
}

/// Goal: the lengths at which the form of the length changes, and the longest there is, are right.
#[test]
fn decodes_the_bounds_of_each_length_form() {
    let cases: &[(&[u8], u64)] = &[
        (b"\x82\x00", 0),
        (b"\x82\x7d", 125),
        (b"\x82\x7e\x00\x7e", 126),
        (b"\x82\x7e\xff\xff", 65_535),
        (b"\x82\x7f\0\0\0\0\0\x01\0\0", 65_536),
        (b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", (1 << 63) - 1),
    ];
    for &(bytes, payload_bytes) in cases {
        let header = decode_header(bytes, Role::Client)
            .expect("valid")
            .expect("whole");
        assert_eq!(
            (header.payload_bytes, header.bytes),
            (payload_bytes, bytes.len())
        );
        let total = usize::try_from(payload_bytes).expect("64 bits") + bytes.len();
        assert_eq!(frame_bytes(bytes), Some(total));
        assert_eq!(frame_bytes(&bytes[..bytes.len() - 1]), None);
    }
}

proptest! {
    /// Goal: decoding gives back what was encoded, from exactly the header's bytes and not from
    /// fewer.
    #[test]
    fn round_trips(
        opcode in prop::sample::select(&OPCODES[..]),
        fin: bool,
        payload_bytes in prop_oneof![0..200_usize, 65_000..66_000_usize, 0..usize::MAX >> 1],
        key: Option<[u8; 4]>,
    ) {
        let (fin, payload_bytes) =
            if opcode.is_control() { (true, payload_bytes % 126) } else { (fin, payload_bytes) };
        let (role, (array, bytes)) = match key {
            Some(key) => (Role::Server, encode_masked_header(opcode, fin, payload_bytes, key)),
            None => (Role::Client, encode_header(opcode, fin, payload_bytes)),
        };
        let key = key.unwrap_or_default();
        let expected = Header { opcode, fin, key, payload_bytes: payload_bytes as u64, bytes };
        prop_assert_eq!(decode_header(&array, role), Ok(Some(expected)));
        prop_assert_eq!(decode_header(&array[..bytes], role), Ok(Some(expected)));
        prop_assert_eq!(decode_header(&array[..bytes - 1], role), Ok(None));
    }

    /// Goal: a verdict on the start of some bytes stands when more of them arrive.
    #[test]
    fn more_bytes_change_no_verdict(bytes: [u8; HEADER_BYTES_MAX], server: bool) {
        let role = if server { Role::Server } else { Role::Client };
        let last = decode_header(&bytes, role);
        prop_assert_ne!(last, Ok(None), "14 bytes always decide");
        for end in 0..bytes.len() {
            let early = decode_header(&bytes[..end], role);
            prop_assert!(early == Ok(None) || early == last);
        }
    }
}
