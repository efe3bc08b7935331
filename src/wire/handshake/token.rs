//! The token that a request shows, if any. What it says is not looked at.

use crate::wire::percent;

/// The scheme of `Authorization` (RFC 6750 section 2.1).
const BEARER: &str = "bearer";

/// The token of a request: `token=` of its query, else that of `Authorization: Bearer`. Browsers can't set
/// the field for a WebSocket, and others keep their tokens out of addresses with it.
#[must_use]
pub fn token(query: &str, authorization: Option<&[u8]>) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let of_query = pairs.find_map(|(name, value)| (name == "token").then_some(value));
    if let Some(value) = of_query {
        // What is no text is a token all the same, which nobody made.
        let bytes = percent::decode(value).unwrap_or_default();
        return Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty());
    }
    let (scheme, token) = std::str::from_utf8(authorization?).ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case(BEARER) && !token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::token;

    /// Goal: a token is found where a page can put it, and where a program does, and what is none is not.
    #[test]
    fn a_token_is_found() {
        let cases: [(&str, Option<&str>, Option<&str>); 12] = [
            ("", None, None),
            ("echo=1", None, None),
            ("token=a.b.c", None, Some("a.b.c")),
            ("echo=1&token=a%2Eb.c&token=d", None, Some("a.b.c")),
            ("token=", None, None),
            ("token", None, None),
            ("tokens=a", None, None),
            ("", Some("Bearer a.b.c"), Some("a.b.c")),
            ("", Some("bearer  a.b.c "), Some("a.b.c")),
            ("token=d", Some("Bearer a.b.c"), Some("d")),
            ("", Some("Basic a"), None),
            ("", Some("Bearer "), None),
        ];
        for (query, authorization, expected) in cases {
            let found = token(query, authorization.map(str::as_bytes));
            assert_eq!(found.as_deref(), expected, "{query} {authorization:?}");
        }
        assert_eq!(token("", Some(b"Bearer \xff")), None);
        assert!(token("token=%ff", None).is_some());
        assert_eq!(token("token=%f", None), None);
    }
}
