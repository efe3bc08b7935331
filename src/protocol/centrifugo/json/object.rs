//! Objects of JSON, field by field.

use super::text;
use crate::protocol::centrifugo::sink::{Sink, Write};

/// An object under way. A key is given as it is written: in quotes, with its colon.
#[derive(Debug)]
pub(super) struct Object<'s, S> {
    sink: &'s mut S,
    is_empty: bool,
}

impl<'s, S: Sink> Object<'s, S> {
    /// Begins one.
    #[inline]
    pub(super) fn begin(sink: &'s mut S) -> Self {
        sink.put(b"{");
        Self {
            sink,
            is_empty: true,
        }
    }

    /// Writes a key, or only what stands before one where that is not known beforehand; its value is to
    /// follow.
    #[inline]
    pub(super) fn key(&mut self, key: &str) -> &mut S {
        if !self.is_empty {
            self.sink.put(b",");
        }
        self.is_empty = false;
        self.sink.put(key.as_bytes());
        self.sink
    }

    /// Adds a text.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        text::string(self.key(key), text);
    }

    /// Adds a number.
    pub(super) fn number(&mut self, key: &str, number: u64) {
        text::number(self.key(key), number);
    }

    /// Adds a number that may be left out when it is 0.
    pub(super) fn number_if_any(&mut self, key: &str, number: u64) {
        if number != 0 {
            self.number(key, number);
        }
    }

    /// Says that something is so; what is not said is not so.
    pub(super) fn truth(&mut self, key: &str, is_so: bool) {
        if is_so {
            self.key(key).put(b"true");
        }
    }

    /// Adds something, if it is there.
    #[inline]
    pub(super) fn value_if_any(&mut self, key: &str, value: Option<&impl Write>) {
        if let Some(value) = value {
            value.write(self.key(key));
        }
    }

    /// Ends it.
    #[inline]
    pub(super) fn end(self) {
        self.sink.put(b"}");
    }
}
