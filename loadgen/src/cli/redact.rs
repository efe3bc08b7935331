//! What is left out of reports: values that open doors, by the names they go by.

use crate::protocol::secrets::REDACTED;

/// Names, or parts of names, of what is secret.
const SECRET: [&str; 15] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passcode",
    "passphrase",
    "apikey",
    "api-key",
    "api_key",
    "auth",
    "credential",
    "cookie",
    "jwt",
    "signature",
    "session",
];

/// Names that are secret only as a whole.
const SECRET_WHOLE: [&str; 7] = ["key", "pass", "pwd", "sig", "sid", "ticket", "bearer"];

/// Whether what goes by this name is left out.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part)) || SECRET_WHOLE.contains(&name.as_str())
}

/// The arguments of this program as they may be told.
pub(crate) fn arguments(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut censor = Censor::default();
    let mut told = Vec::new();
    let mut flag = String::new();
    for argument in all {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (argument.as_str(), None),
        };
        match value {
            Some(value) => told.push(format!("{name}={}", censor.text(name, value))),
            None if argument.starts_with("--") => told.push(argument.clone()),
            None => told.push(censor.text(&flag, &argument)),
        }
        flag = argument;
    }
    told
}

/// A message, or what a flag says, as it may be told.
pub(crate) fn message(text: &str) -> String {
    Censor::default().message(text)
}

/// A URL as it may be told.
pub(crate) fn url(text: &str) -> String {
    Censor::default().url(text)
}

/// A path or URL: the values of secret parameters are left out.
pub(crate) fn query(path: &str) -> String {
    Censor::default().query(path)
}

/// The values that are left out of what a flag says.
pub(crate) fn secrets(flag: &str, value: &str) -> Vec<String> {
    let mut censor = Censor::default();
    censor.text(flag, value);
    censor.found
}

/// Leaves values out of texts, and keeps them.
#[derive(Default)]
struct Censor {
    found: Vec<String>,
}

impl Censor {
    /// A value as it is told: places that are filled in later are no secrets.
    fn value<'a>(&mut self, value: &'a str) -> &'a str {
        let is_place = value.starts_with('{') && value.ends_with('}') && !value.contains('"');
        if value.is_empty() || is_place {
            return value;
        }
        self.found.push(value.to_owned());
        REDACTED
    }

    /// A flag's value as it may be told.
    fn text(&mut self, flag: &str, value: &str) -> String {
        match flag {
            "--header" => self.header(value),
            _ => self.message(value),
        }
    }

    fn message(&mut self, text: &str) -> String {
        let url = self.url(text);
        self.fields(&url)
    }

    fn url(&mut self, text: &str) -> String {
        let without_user = self.userinfo(text);
        self.query(&without_user)
    }

    /// A header: those that carry credentials keep their name only.
    fn header(&mut self, line: &str) -> String {
        match line.split_once(':') {
            Some((name, value)) if is_secret(name) => {
                let value = value.trim();
                // Of several in one line, each opens doors by itself.
                let parts = value.split(';').filter_map(|part| part.split_once('='));
                self.found.extend(parts.map(|(_, value)| value.to_owned()));
                match value.split_once(' ') {
                    // The scheme is none.
                    Some((scheme, rest))
                        if name.to_ascii_lowercase().ends_with("authorization") =>
                    {
                        format!("{name}: {scheme} {}", self.value(rest))
                    }
                    _ => format!("{name}: {}", self.value(value)),
                }
            }
            _ => self.query(line),
        }
    }

    fn query(&mut self, path: &str) -> String {
        let Some((before, parameters)) = path.split_once('?') else {
            return path.to_owned();
        };
        let parameters = parameters
            .split('&')
            .map(|parameter| match parameter.split_once('=') {
                Some((name, value)) if is_secret(name) => {
                    format!("{name}={}", self.value(value))
                }
                _ => parameter.to_owned(),
            });
        format!("{before}?{}", parameters.collect::<Vec<_>>().join("&"))
    }

    /// A URL: the name and password before its host are left out.
    fn userinfo(&mut self, url: &str) -> String {
        let Some((scheme, rest)) = url.split_once("://") else {
            return url.to_owned();
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        match rest[..end].rfind('@') {
            Some(at) => {
                self.found.push(rest[..at].to_owned());
                format!("{scheme}://{REDACTED}{}", &rest[at..])
            }
            None => url.to_owned(),
        }
    }

    /// A message: the values of secret fields are left out, whether they are JSON's (`"token":"..."`), with escaped
    /// quotes or not, or lines such as STOMP's (`passcode:...`).
    fn fields(&mut self, message: &str) -> String {
        let mut told = String::new();
        let mut rest = message;
        while let Some(colon) = rest.find([':', '=']) {
            let (before, after) = rest.split_at(colon);
            let (sign, after) = after.split_at(1);
            told.push_str(before);
            told.push_str(sign);
            rest = after;
            let name = before.trim_end_matches(['"', '\'', '\\', ' ']);
            let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
            let start = name.rfind(|letter| !is_part(letter)).map_or(0, |at| at + 1);
            if !is_secret(name.get(start..).unwrap_or_default()) {
                continue;
            }
            let value = rest.trim_start_matches([' ', '"', '\'', '\\', '[']);
            let lead = &rest[..rest.len() - value.len()];
            // Fields of an object have names of their own, and a place is no secret.
            if value.starts_with('{') || rest.starts_with(REDACTED) {
                continue;
            }
            let end = value.find(['"', '\'', '\\', ',', '}', ']', '&', '\n']);
            let end = end.unwrap_or(value.len());
            told.push_str(lead);
            told.push_str(self.value(&value[..end]));
            rest = &value[end..];
        }
        told + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments_of(all: &[&str]) -> Vec<String> {
        arguments(all.iter().map(|&argument| argument.to_owned()))
    }

    /// Goal: whatever form a secret has on the command line, it is not told, and the rest is.
    #[test]
    fn secrets_are_left_out() {
        for (flag, given, told) in [
            (
                "--header",
                "Authorization: Bearer abc",
                "Authorization: Bearer [redacted]",
            ),
            (
                "--header",
                "proxy-authorization: Basic abc",
                "proxy-authorization: Basic [redacted]",
            ),
            ("--header", "Cookie: a=b; c=d", "Cookie: [redacted]"),
            ("--header", "X-Api-Key: abc", "X-Api-Key: [redacted]"),
            ("--header", "Origin: http://here", "Origin: http://here"),
            (
                "--path",
                "/ws?room=1&token=abc&key=d",
                "/ws?room=1&token=[redacted]&key=[redacted]",
            ),
            (
                "--target",
                "wss://u:p@host/ws?jwt=abc&a=1",
                "wss://[redacted]@host/ws?jwt=[redacted]&a=1",
            ),
            (
                "--send-on-open",
                "{\"auth\":{\"token\": \"abc\"},\"room\":\"key\"}",
                "{\"auth\":{\"token\": \"[redacted]\"},\"room\":\"key\"}",
            ),
            (
                "--send-on-open",
                "CONNECT\\npasscode:abc\\n\\0",
                "CONNECT\\npasscode:[redacted]\\n\\0",
            ),
            (
                "--set",
                "auth={\"token\":\"abc\"}",
                "auth={\"token\":\"[redacted]\"}",
            ),
            ("--set", "password=abc", "password=[redacted]"),
            ("--rate", "60", "60"),
        ] {
            let expected = [flag.to_owned(), told.to_owned()];
            assert_eq!(arguments_of(&[flag, given]), expected);
            let joined = format!("{flag}={given}");
            assert_eq!(arguments_of(&[&joined]), [format!("{flag}={told}")]);
        }
    }

    /// Goal: what is left out is known, so that it can be found in what a server says of it: each value by itself.
    #[test]
    fn values_that_are_left_out_are_known() {
        for (flag, given, found) in [
            ("--header", "Authorization: Bearer abc", &["abc"][..]),
            ("--header", "Cookie: a=b; c=d", &["b", "d", "a=b; c=d"]),
            ("--header", "Authorization: Bearer {token}", &[]),
            ("--header", "Origin: http://here", &[]),
            ("--path", "/ws?room=1&token=abc&key=d", &["abc", "d"]),
            ("--target", "wss://u:p@host/ws", &["u:p"]),
            ("--set", "auth={\"token\":\"abc\"}", &["abc"]),
            ("--set", "token=abc", &["abc"]),
        ] {
            assert_eq!(secrets(flag, given), found, "{flag} {given}");
        }
    }

    /// Goal: what is filled in later is no secret, and says where the value comes from.
    #[test]
    fn places_are_told() {
        let given = [
            "fanload",
            "--header",
            "Authorization: Bearer {env:TOKEN}",
            "--path",
            "/ws?token={token}",
            "--send-on-open",
            "{\"token\":\"{token}\"}",
        ];
        assert_eq!(arguments_of(&given), given);
    }
}
