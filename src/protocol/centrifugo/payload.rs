//! What applications say to each other: bytes, and how they are to be read.

use serde_json::value::RawValue;

use super::json::value::{is_one_value, is_shallow};
use crate::message::Form;

/// What an application says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    /// How it is to be read.
    pub(crate) form: Form,
    /// What it says.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Payload<'a> {
    /// What it says.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// A JSON value; `None` when it goes too deep for those who are to read it.
    pub(super) fn of_value(value: &'a RawValue) -> Option<Self> {
        let bytes = value.get().as_bytes();
        is_shallow(bytes).then(|| Self::of_checked(bytes))
    }

    /// Bytes of which nothing is known: JSON if they are, so that everybody can be handed them.
    #[must_use]
    pub(crate) fn of_bytes(bytes: &'a [u8]) -> Self {
        if is_one_value(bytes) {
            return Self::of_checked(bytes);
        }
        Self {
            form: Form::Binary,
            bytes,
        }
    }

    /// One JSON value, of which nobody may take a part for a message: whoever writes a text as JSON
    /// takes the line feeds out that stand between the parts of a value.
    fn of_checked(bytes: &'a [u8]) -> Self {
        let form = match memchr::memchr(b'\n', bytes) {
            None => Form::Json,
            Some(_) => Form::Text,
        };
        Self { form, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Payload};

    /// Goal: bytes that are JSON are known as such, in one line or in several, and all others are bytes.
    #[test]
    fn bytes_that_are_json_are_known_as_such() {
        for (bytes, form) in [
            (&br#"{"n":1}"#[..], Form::Json),
            (b" 7", Form::Json),
            (b"{\n}", Form::Text),
            (b"", Form::Binary),
            (b"text", Form::Binary),
            (b"\xff\0", Form::Binary),
        ] {
            assert_eq!(Payload::of_bytes(bytes), Payload { form, bytes });
        }
    }
}
