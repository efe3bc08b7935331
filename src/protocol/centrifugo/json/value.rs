//! Whether bytes are one JSON value that others can be handed.

use serde_json::value::RawValue;

/// So many arrays and objects may lie within each other. Readers give up where it goes too deep, many at
/// 128, and what stands around a value in a reply takes some of that.
const DEPTH_MAX: usize = 120;

/// Whether `bytes` are exactly one JSON value, white space around it included, that nobody has trouble
/// to read.
pub(crate) fn is_one_value(bytes: &[u8]) -> bool {
    // The rest of the check says in detail what is wrong, which costs more than to see that it is prose.
    let first = bytes.trim_ascii_start().first();
    let may_begin = matches!(
        first,
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
    );
    let is_value = |text| serde_json::from_str::<&RawValue>(text).is_ok();
    may_begin && simdutf8::basic::from_utf8(bytes).is_ok_and(is_value) && is_shallow(bytes)
}

/// Whether `value`, which is JSON, does not go too deep.
pub(crate) fn is_shallow(value: &[u8]) -> bool {
    // Those in strings are counted too: there are few enough of both in nearly all values.
    opening(value) <= DEPTH_MAX || depth(value) <= DEPTH_MAX
}

/// How many bytes of `value` may open an array or an object.
fn opening(value: &[u8]) -> usize {
    // Small sums of small pieces, which the compiler makes for many bytes at once.
    let pieces = value.chunks(u8::MAX.into());
    let count = |piece: &[u8]| -> u8 {
        let opening = piece.iter().map(|byte| u8::from(byte | 0x20 == b'{'));
        opening.sum()
    };
    pieces.map(|piece| usize::from(count(piece))).sum()
}

/// How many arrays and objects of `value`, which is JSON, lie within each other.
fn depth(value: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            // Saturates: it is never below 0, as what is closed was opened.
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Takes a string to its end, of which the beginning was taken.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DEPTH_MAX, depth, is_one_value};

    /// Goal: one value is one, whatever stands around it; prose, several values and halves of one are not.
    #[test]
    fn one_value_is_told_from_other_bytes() {
        for one in [
            "{}",
            " [1, 2.5e3]\n",
            "\"a\\n\\u00e9é\"",
            "-0",
            "true",
            "null",
            "\t7 ",
        ] {
            assert!(is_one_value(one.as_bytes()), "{one}");
        }
        for other in [
            "",
            " ",
            "hello",
            "nothing",
            "{}{}",
            "{} x",
            "1 2",
            "{\"a\":1",
            "\"",
            "01",
            "[1,]",
            "'a'",
            "\"\n\"",
            "{\"a\"}",
            "\u{feff}1",
            "\u{a0}1",
            "+1",
            "NaN",
        ] {
            assert!(!is_one_value(other.as_bytes()), "{other:?}");
        }
        assert!(!is_one_value(b"\"\xff\""));
        assert!(!is_one_value(b"\"\xed\xa0\x80\""));
    }

    /// Goal: values are taken up to the depth that readers take, and text that looks like brackets counts
    /// for nothing.
    #[test]
    fn values_that_go_too_deep_are_none() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(is_one_value(nested(DEPTH_MAX).as_bytes()));
        assert!(!is_one_value(nested(DEPTH_MAX + 1).as_bytes()));
        assert!(!is_one_value(nested(30_000).as_bytes()));
        let wide = format!("[{}{{}}]", "{},[],".repeat(1_000));
        assert_eq!(depth(wide.as_bytes()), 2);
        assert!(is_one_value(wide.as_bytes()));
        let text = format!("[\"\\\"{}\\\\\"]", "[{".repeat(1_000));
        assert_eq!(depth(text.as_bytes()), 1);
        assert!(is_one_value(text.as_bytes()));
    }

    /// Pieces of JSON in any order: often a value, often nearly one.
    fn nearly_json() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "{", "}", "[", "]", "\"", ":", ",", "1", "-", "0.5", "true", "null", "a", "\\",
            "\\u00e9", " ", "\n",
        ]);
        prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        /// Goal: the verdict is that of a parser that builds the value.
        #[test]
        fn equals_a_parser(text in nearly_json()) {
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            prop_assert_eq!(is_one_value(text.as_bytes()), parsed.is_ok(), "{:?}", text);
        }
    }
}
