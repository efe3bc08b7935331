//! How what applications say stands among JSON: as it is, if it is JSON too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::text;
use super::value::is_one_value;
use crate::message::Form;
use crate::protocol::centrifugo::payload::Payload;
use crate::protocol::centrifugo::sink::{Sink, Write};

/// How it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data<'a> {
    /// As it is.
    Verbatim(&'a [u8]),
    /// Without its line feeds, which stand between the parts of a value and would end the message.
    Joined(&'a [u8]),
    /// As a string, since it is not JSON.
    Quoted(&'a str),
    /// As an object with its bytes in base64, since it is not even text.
    Encoded(&'a [u8]),
}

/// What stands around bytes in base64.
const ENCODED: [&[u8]; 2] = [br#"{"b64":""#, br#""}"#];

/// Bytes of base64 that are made at a time: no padding but at the end.
const CHUNK_BYTES: usize = 48;

impl<'a> Data<'a> {
    /// What somebody said.
    pub(super) fn of(payload: Payload<'a>) -> Self {
        let Payload { form, bytes } = payload;
        match form {
            Form::Json => Self::Verbatim(bytes),
            Form::Text => Self::of_text(bytes),
            Form::Binary => Self::Encoded(bytes),
        }
    }

    fn of_text(bytes: &'a [u8]) -> Self {
        if is_one_value(bytes) {
            return Self::of_value(bytes);
        }
        simdutf8::basic::from_utf8(bytes).map_or(Self::Encoded(bytes), Self::Quoted)
    }

    /// What is said of somebody by an application that may not have kept to JSON; `None` when it is
    /// nothing.
    pub(super) fn of_info(bytes: &'a [u8]) -> Option<Self> {
        match bytes {
            [] => None,
            value if is_one_value(value) => Some(Self::of_value(value)),
            bytes => Some(Self::Encoded(bytes)),
        }
    }

    fn of_value(bytes: &'a [u8]) -> Self {
        match memchr::memchr(b'\n', bytes) {
            None => Self::Verbatim(bytes),
            Some(_) => Self::Joined(bytes),
        }
    }

    /// As many bytes as what somebody said has, or more.
    pub(super) fn bytes_max(payload: &Payload<'_>) -> usize {
        let bytes = payload.bytes.len();
        match payload.form {
            Form::Json => bytes,
            Form::Text => text::string_bytes_max(bytes).max(Self::encoded_bytes(bytes)),
            Form::Binary => Self::encoded_bytes(bytes),
        }
    }

    /// As many bytes as what is said of somebody has, or more.
    pub(super) const fn info_bytes_max(bytes: usize) -> usize {
        Self::encoded_bytes(bytes)
    }

    const fn encoded_bytes(bytes: usize) -> usize {
        ENCODED[0].len() + bytes.div_ceil(3) * 4 + ENCODED[1].len()
    }
}

impl Write for Data<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        match *self {
            Self::Verbatim(bytes) => sink.put(bytes),
            Self::Joined(bytes) => {
                for line in bytes.split(|&byte| byte == b'\n') {
                    sink.put(line);
                }
            }
            Self::Quoted(text) => text::string(sink, text),
            Self::Encoded(bytes) => {
                sink.put(ENCODED[0]);
                for chunk in bytes.chunks(CHUNK_BYTES) {
                    let mut buffer = [0; CHUNK_BYTES / 3 * 4];
                    let written = STANDARD.encode_slice(chunk, &mut buffer);
                    sink.put(&buffer[..written.expect("there is room for a chunk")]);
                }
                sink.put(ENCODED[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(form: Form, bytes: &[u8]) -> String {
        let data = Data::of(Payload { form, bytes });
        let mut out = Vec::new();
        data.write(&mut out);
        assert_eq!(out.len(), data.bytes());
        assert!(out.len() <= Data::bytes_max(&Payload { form, bytes }));
        String::from_utf8(out).unwrap()
    }

    /// Goal: JSON stands as it is, in one line; other texts are strings, and bytes are base64.
    #[test]
    fn what_is_not_json_becomes_json() {
        for (form, bytes, expected) in [
            (Form::Json, &br#"{"n": 1}"#[..], r#"{"n": 1}"#),
            (Form::Text, br#"{"n": 1}"#, r#"{"n": 1}"#),
            (Form::Text, b"[1,\n\n 2\n]\n", "[1, 2]"),
            (Form::Text, b"\"a\\nb\"", "\"a\\nb\""),
            (Form::Text, b"hello", "\"hello\""),
            (Form::Text, b"1 2", "\"1 2\""),
            (Form::Text, b"two\nlines", "\"two\\nlines\""),
            (Form::Text, b"", "\"\""),
            (Form::Text, b"\xff", r#"{"b64":"/w=="}"#),
            (Form::Binary, b"", r#"{"b64":""}"#),
            (Form::Binary, b"{}", r#"{"b64":"e30="}"#),
            (Form::Binary, b"\xfb\xff\0", r#"{"b64":"+/8A"}"#),
        ] {
            assert_eq!(written(form, bytes), expected);
        }
    }

    /// Goal: what an application says of somebody can break no message, JSON or not.
    #[test]
    fn infos_become_json() {
        for (bytes, expected) in [
            (&br#"{"name":"x"}"#[..], r#"{"name":"x"}"#),
            (b"{\n}", "{}"),
            (b"x", r#"{"b64":"eA=="}"#),
            (b"},", r#"{"b64":"fSw="}"#),
        ] {
            let data = Data::of_info(bytes).unwrap();
            let mut out = Vec::new();
            data.write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
            assert!(data.bytes() <= Data::info_bytes_max(bytes.len()));
        }
        assert_eq!(Data::of_info(b""), None);
    }

    proptest! {
        /// Goal: any bytes come back from base64, and any text that is not JSON from its string.
        #[test]
        fn nothing_is_lost(bytes in prop::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
            let json: serde_json::Value = serde_json::from_str(&written(Form::Binary, &bytes)).unwrap();
            let base64 = json["b64"].as_str().unwrap();
            prop_assert_eq!(STANDARD.decode(base64).unwrap(), bytes);
            let json = written(Form::Text, text.as_bytes());
            prop_assert!(!json.contains('\n'));
            if !is_one_value(text.as_bytes()) {
                prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            }
        }
    }
}
