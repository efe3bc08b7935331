//! What must be in no report, whoever says it: values that a server was sent as secrets, and may say again.

/// What stands instead.
pub(crate) const REDACTED: &str = "[redacted]";

/// The fewest bytes of a value that is looked for: shorter ones are in any text.
const BYTES_MIN: usize = 4;

/// The fewest bytes of the beginning of one, where a text was cut within it.
const BEGINNING_BYTES_MIN: usize = 8;

/// What ends a text that was cut.
const CUT: char = '…';

/// Those that are the same for all sessions.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    /// How many there are.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Secrets {
    pub(crate) fn new(values: impl Iterator<Item = String>) -> Self {
        Self(values.collect())
    }

    /// A text without them, and without the values of one session.
    pub(crate) fn hide(&self, own: &[String], text: &str) -> String {
        let values = self.0.iter().chain(own).map(String::as_str);
        let mut values: Vec<_> = values.filter(|value| value.len() >= BYTES_MIN).collect();
        // One may be a part of another.
        values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        let mut told = text.to_owned();
        for value in &values {
            told = told.replace(value, REDACTED);
        }
        let whole = told.trim_end_matches(CUT);
        let end = &told[whole.len()..];
        let cut = values.iter().filter_map(|value| beginning(whole, value));
        match cut.max() {
            Some(bytes) => format!("{}{REDACTED}{end}", &whole[..whole.len() - bytes]),
            None => told,
        }
    }
}

/// How many bytes of a value a text ends with that was cut within it.
fn beginning(text: &str, value: &str) -> Option<usize> {
    let lengths = (BEGINNING_BYTES_MIN..value.len()).rev();
    let mut beginnings = lengths.filter_map(|length| value.get(..length));
    let found = beginnings.find(|beginning| text.ends_with(beginning));
    found.map(str::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: whatever a server says again of what it was sent is hidden, be it cut or a part of something else, and all
    /// else stays.
    #[test]
    fn values_are_hidden() {
        let all = [
            "s3cret",
            "abc",
            "s3cret-and-more",
            "eyJhbGciOiJIUzI1NiJ9.e30.x",
        ];
        let secrets = Secrets::new(all.into_iter().map(str::to_owned));
        let own = ["token-of-this-session".to_owned(), "7".to_owned()];
        for (said, told) in [
            ("401 no abc in room 7", "401 no abc in room 7"),
            ("bad s3cret!", "bad [redacted]!"),
            ("bad s3cret-and-more", "bad [redacted]"),
            (
                "token-of-this-session, twice: token-of-this-session",
                "[redacted], twice: [redacted]",
            ),
            ("unknown eyJhbGciOiJIUzI1…", "unknown [redacted]…"),
            ("unknown token-of-this", "unknown [redacted]"),
            ("no token", "no token"),
        ] {
            assert_eq!(secrets.hide(&own, said), told);
        }
        assert_eq!(format!("{secrets:?}"), "4 secrets");
    }
}
