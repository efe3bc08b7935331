//! The command that clients send most, as SDKs write it: to publish is read without looking for fields in
//! whatever order.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::text::plain_bytes;
use crate::message::Form;
use crate::protocol::centrifugo::command::{Publish, Request};
use crate::protocol::centrifugo::payload::Payload;

/// The command that `line` is, with its number, if it publishes and is written in the usual way. What is written
/// otherwise, or is none, is for others to read.
pub(super) fn publish(line: &str) -> Option<(u32, Request<'_>)> {
    // The number comes first or last.
    let (first, rest) = match line.strip_prefix(r#"{"id":"#) {
        Some(rest) => {
            let (digits, rest) = rest.split_at(digits_at_front(rest));
            (Some(digits), rest.strip_prefix(',')?)
        }
        None => (None, line.strip_prefix('{')?),
    };
    let rest = rest.strip_prefix(r#""publish":{"channel":""#)?;
    let (channel, rest) = rest.split_at(plain_bytes(rest.as_bytes()));
    let rest = rest.strip_prefix(r#"","data":"#)?.strip_suffix('}')?;
    let (digits, value) = match first {
        Some(digits) => (digits, rest.strip_suffix('}')?),
        None => {
            let (rest, digits) = rest.split_at(rest.len() - digits_at_end(rest));
            (digits, rest.strip_suffix(r#"},"id":"#)?)
        }
    };
    let publish = Publish {
        channel: Cow::Borrowed(channel),
        data: Some(data(value)?),
        kind: 0,
    };
    Some((number(digits)?, Request::Publish(publish)))
}

/// What is exactly one value: then the rest of the line was not a part of it.
fn data(value: &str) -> Option<Payload<'_>> {
    let bytes = value.as_bytes();
    if let [b'"', text @ .., b'"'] = bytes
        && plain_bytes(text) == text.len()
    {
        // A string without a line feed, since those are escaped.
        let form = Form::Json;
        return Some(Payload { form, bytes });
    }
    let value: &RawValue = serde_json::from_str(value).ok()?;
    Payload::of_value(value)
}

fn digits_at_front(text: &str) -> usize {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    text.bytes().take_while(is_digit).count()
}

fn digits_at_end(text: &str) -> usize {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    text.bytes().rev().take_while(is_digit).count()
}

/// The number that has these digits and no more than it needs.
fn number(digits: &str) -> Option<u32> {
    match digits.as_bytes() {
        [b'0', _, ..] => None,
        _ => digits.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::command::field_by_field;
    use super::{Form, Payload, Publish, Request, publish};
    use crate::protocol::centrifugo::command::Command;

    /// Goal: what SDKs write is read here, whichever comes first, the number or what is asked for.
    #[test]
    fn usual_publishes_are_read() {
        for data in [
            r#""text""#,
            r#"{"n":[1,"}}"]}"#,
            "null",
            "-1.5e3",
            r#""\n""#,
        ] {
            for line in [
                format!(r#"{{"id":42,"publish":{{"channel":"a:b","data":{data}}}}}"#),
                format!(r#"{{"publish":{{"channel":"a:b","data":{data}}},"id":42}}"#),
            ] {
                let bytes = data.as_bytes();
                let form = Form::Json;
                let expected = Publish {
                    channel: "a:b".into(),
                    data: Some(Payload { form, bytes }),
                    kind: 0,
                };
                assert_eq!(publish(&line), Some((42, Request::Publish(expected))));
            }
        }
    }

    /// Goal: what is written otherwise is left to others, also where only a little is different.
    #[test]
    fn other_commands_are_left_to_others() {
        for line in [
            "",
            "{}",
            r#"{"id":1,"connect":{}}"#,
            r#"{"id":1,"publish":{"channel":"a","data":1},"type":1}"#,
            r#"{"id":1,"publish":{"channel":"a","data":1,"type":1}}"#,
            r#"{"id":1,"publish":{"channel":"a","data":1},"id":2}"#,
            r#"{"id":1,"publish":{"channel":"a","data":{}}"#,
            r#"{"id":1,"publish":{"channel":"a","data":}}"#,
            r#"{"id":1,"publish":{"channel":"a","data":"\"}}"#,
            r#"{"id":1,"publish":{"channel":"a\n","data":1}}"#,
            r#"{"id":01,"publish":{"channel":"a","data":1}}"#,
            r#"{"id":-1,"publish":{"channel":"a","data":1}}"#,
            r#"{"id":,"publish":{"channel":"a","data":1}}"#,
            r#"{"id":4294967296,"publish":{"channel":"a","data":1}}"#,
            r#"{"publish":{"channel":"a","data":1}}"#,
            r#"{"publish":{"channel":"a","data":1},"id":1.5}"#,
            r#"{"publish":{"channel":"a","data":1},"id":}"#,
        ] {
            assert_eq!(publish(line), None, "{line}");
        }
    }

    /// Pieces of such a line in nearly their order.
    fn nearly_usual() -> impl Strategy<Value = String> {
        let piece = |usual: &'static str, others: &'static [&'static str]| {
            let other = prop::sample::select(others).prop_map(str::to_owned);
            prop_oneof![9 => Just(usual.to_owned()), 1 => other]
        };
        let data = prop::sample::select(vec![
            "\"\"",
            "\"a\"",
            "\"é\"",
            "\"\\u00e9\"",
            "\"\"\"",
            "\"\n\"",
            "{}",
            "{\"a\":[1]}",
            "[",
            "1",
            "01",
            " 1 ",
            "\n1",
            "[\n]",
            "1,\"type\":0",
            "{}}",
            "1},\"id\":3",
            "",
        ]);
        let id = prop::sample::select(vec!["1", "0", "4294967295", "4294967296", "007", "-1", ""]);
        let channel = prop::sample::select(vec!["a", "", "é:b", "a\\\"", "a\"", "\t"]);
        let last = any::<bool>();
        let body = (
            piece(
                "\"publish\":{\"channel\":\"",
                &["\"history\":{\"channel\":\"", "\"publish\":{\""],
            ),
            channel,
            piece(
                "\",\"data\":",
                &["\", \"data\":", "\",\"b64data\":", "\"", ":"],
            ),
            data,
            piece("}", &["", "}}", " }", ",\"type\":0}"]),
        );
        (last, id, body, piece("}", &["", " }", "}\r"])).prop_map(|(last, id, body, end)| {
            let (begin, channel, data_key, data, body_end) = body;
            let body = format!("{begin}{channel}{data_key}{data}{body_end}");
            match last {
                true => format!("{{{body},\"id\":{id}{end}"),
                false => format!("{{\"id\":{id},{body}{end}"),
            }
        })
    }

    proptest! {
        /// Goal: what is read here is read alike where fields are looked for.
        #[test]
        fn equals_what_is_read_field_by_field(line in nearly_usual()) {
            if let Some((id, request)) = publish(&line) {
                let command = Command::of(id, Some(request));
                prop_assert_eq!(command, field_by_field(&line), "{:?}", line);
            }
        }
    }
}
