//! Channel names: which namespace they are of, and what their letters say about who may enter.

/// What letters of a name mean; an empty text means nothing.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Longest name in bytes.
    pub(crate) bytes_max: usize,
    /// What begins a name whose subscribers need a token.
    pub(super) private_prefix: String,
    /// What ends a namespace's name.
    pub(super) namespace_boundary: String,
    /// What stands before the users that a name is for.
    pub(super) user_boundary: String,
    /// What stands between them.
    pub(super) user_separator: String,
}

/// Longest name there can be, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 255;

impl Default for Names {
    fn default() -> Self {
        Self {
            bytes_max: NAME_BYTES_MAX,
            private_prefix: "$".to_owned(),
            namespace_boundary: ":".to_owned(),
            user_boundary: "#".to_owned(),
            user_separator: ",".to_owned(),
        }
    }
}

impl Names {
    /// What ends a namespace's name.
    pub(super) fn boundary(&self) -> &str {
        &self.namespace_boundary
    }

    /// The name of a channel's namespace, which is empty where there is none, and the rest, which
    /// `channel_regex` is about.
    pub(super) fn parts<'a>(&self, name: &'a str) -> (&'a str, &'a str) {
        let public = name
            .strip_prefix(self.private_prefix.as_str())
            .unwrap_or(name);
        let split = match self.namespace_boundary.as_bytes() {
            [] => None,
            // Nearly always: one letter needs no search for a text.
            [letter] => (public.bytes().position(|byte| byte == *letter))
                .map(|at| (&public[..at], &public[at + 1..])),
            _ => public.split_once(&self.namespace_boundary),
        };
        split.unwrap_or(("", name))
    }

    /// Whether nobody may subscribe without a token.
    pub(super) fn is_private(&self, name: &str) -> bool {
        !self.private_prefix.is_empty() && name.starts_with(&self.private_prefix)
    }

    /// Whether it names users, which says something only where its namespace allows that.
    pub(super) fn names_users(&self, name: &str) -> bool {
        !self.user_boundary.is_empty() && name.contains(&self.user_boundary)
    }

    /// Whether this user is one of those that it names; nobody has the empty name.
    pub(super) fn is_for(&self, name: &str, user: &str) -> bool {
        if !self.names_users(name) || user.is_empty() {
            return false;
        }
        let (_, users) = (name.rsplit_once(&self.user_boundary)).expect("it names users");
        match self.user_separator.as_str() {
            "" => users == user,
            separator => users.split(separator).any(|each| each == user),
        }
    }

    /// Whether who comes by a door other than that of Centrifugo's protocol must show a token,
    /// whatever else is allowed: these letters look like a promise, even where their meaning was
    /// changed.
    pub(super) fn wants_token(&self, name: &str) -> bool {
        let looks_so = name.starts_with('$') || name.contains('#');
        looks_so || self.is_private(name) || self.names_users(name)
    }

    /// The channel of a user alone, in this namespace or in none.
    pub(super) fn personal(&self, namespace: &str, user: &str) -> String {
        let boundary = match namespace {
            "" => "",
            _ => self.namespace_boundary.as_str(),
        };
        format!("{namespace}{boundary}{}{user}", self.user_boundary)
    }
}

/// Whether a namespace may be named so.
pub(super) fn is_namespace(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.len() >= 2 && name.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::{Names, is_namespace};

    /// Goal: the namespace ends at the first boundary, and the private prefix is no part of it.
    #[test]
    fn parts_of_names() {
        let names = Names::default();
        let cases = [
            ("news", ("", "news")),
            ("news:a", ("news", "a")),
            ("news:a:b", ("news", "a:b")),
            ("$news:a", ("news", "a")),
            ("$a", ("", "$a")),
            (":a", ("", "a")),
            ("news:", ("news", "")),
            ("", ("", "")),
        ];
        for (name, expected) in cases {
            assert_eq!(names.parts(name), expected, "{name}");
        }
        let without = Names {
            namespace_boundary: String::new(),
            private_prefix: String::new(),
            ..Names::default()
        };
        assert_eq!(without.parts("$news:a"), ("", "$news:a"));
        assert!(!without.is_private("$a") && names.is_private("$a") && !names.is_private("a$"));
    }

    /// Goal: a name is for the users behind its last boundary, and for nobody without a name.
    #[test]
    fn users_of_names() {
        let names = Names::default();
        let cases = [
            ("a#42", "42", true),
            ("a#42", "4", false),
            ("a#42,43", "43", true),
            ("a#42,43", "42,43", false),
            ("a#1#42", "42", true),
            ("a#1#42", "1", false),
            ("#42", "42", true),
            ("a#", "", false),
            ("a", "a", false),
        ];
        for (name, user, expected) in cases {
            assert_eq!(names.is_for(name, user), expected, "{name} for {user}");
        }
        let whole = Names {
            user_separator: String::new(),
            ..Names::default()
        };
        assert!(whole.is_for("a#42,43", "42,43") && !whole.is_for("a#42,43", "42"));
        let open = Names {
            user_boundary: String::new(),
            ..Names::default()
        };
        assert!(!open.names_users("a#42") && !open.is_for("a#42", "42"));
        assert!(open.wants_token("a#42") && !open.wants_token("a"));
    }

    /// Goal: a personal channel has the user's name behind the boundary, and the namespace before it.
    #[test]
    fn personal_channels() {
        let names = Names::default();
        assert_eq!(names.personal("", "42"), "#42");
        assert_eq!(names.personal("own", "42"), "own:#42");
        assert!(names.is_for(&names.personal("own", "42"), "42"));
    }

    /// Goal: a namespace's name has two letters at least, of those that can't be taken for anything
    /// else.
    #[test]
    fn names_of_namespaces() {
        for name in ["ab", "a-b_c.d", "42"] {
            assert!(is_namespace(name), "{name}");
        }
        for name in ["", "a", "a:b", "a b", "$ab", "\u{e9}\u{e9}"] {
            assert!(!is_namespace(name), "{name}");
        }
    }
}
