//! Text that others named, as it may stand in HTML and XML.

/// Text for elements and for attributes in double quotes. Characters that XML 1.0 can't hold are
/// replaced.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(letter),
            _ if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                out.push(char::REPLACEMENT_CHARACTER);
            }
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: nothing that was named by others ends an attribute, begins an element or breaks XML.
    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
        assert_eq!(
            escape("\u{1b}[1m\0\tx\u{ffff}"),
            "\u{fffd}[1m\u{fffd}\tx\u{fffd}"
        );
    }
}
