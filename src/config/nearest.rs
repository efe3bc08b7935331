//! Which name somebody meant who wrote another one.

/// The name that is nearest; of several that are as near, the shortest is meant. Empty if there are
/// none.
pub(crate) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> &'a str {
    let distance = |name: &&str| (edits(written, name), name.len());
    names.min_by_key(distance).unwrap_or_default()
}

/// Letters to insert, drop or change to make `a` into `b` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..b.len() {
            let change = diagonal + usize::from(letter != b[column]);
            diagonal = row[column + 1];
            row[column + 1] = change.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{edits, nearest};

    /// Goal: the distance between two words is the letters to be changed, whichever comes first.
    #[test]
    fn edits_count_single_letters() {
        let cases = [
            ("", "", 0),
            ("log_bytes", "log_bytes", 0),
            ("log-bytes", "log_bytes", 1),
            ("logbytes", "log_bytes", 1),
            ("pings", "pin", 2),
            ("", "echo", 4),
        ];
        for (a, b, expected) in cases {
            assert_eq!(edits(a, b), expected, "{a} {b}");
            assert_eq!(edits(b, a), expected, "{b} {a}");
        }
    }

    /// Goal: the nearest name is found, and of those as near the shortest.
    #[test]
    fn the_nearest_name_is_found() {
        let names = ["presence", "pin", "pen", "history_size"];
        assert_eq!(nearest("presense", names.into_iter()), "presence");
        assert_eq!(nearest("pn", names.into_iter()), "pin");
        assert_eq!(nearest("x", std::iter::empty()), "");
    }
}
