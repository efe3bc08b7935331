//! What a token says, for whoever wonders why it is refused. Nothing here trusts it.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Claims that are times.
const TIMES: [&str; 4] = ["iat", "nbf", "exp", "expire_at"];

/// A token taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Its header.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
}

impl Parts {
    /// Takes a token apart; `None` when it is no JWT.
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let mut object = || {
            let json = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
            serde_json::from_slice(&json).ok()
        };
        let (header, claims) = (object()?, object()?);
        // The signature may be empty, but not missing.
        (parts.count() == 1).then_some(Self { header, claims })
    }

    /// Header, claims and what its times mean, in lines.
    pub fn text(&self, now: u64) -> String {
        let mut text = String::new();
        for (title, object) in [("header", &self.header), ("claims", &self.claims)] {
            // Writing to a String can't fail, and maps with texts as keys always are JSON.
            let json = serde_json::to_string_pretty(object).unwrap_or_default();
            let _ = writeln!(text, "{title}: {json}");
        }
        for name in TIMES {
            let seconds = self.claims.get(name).and_then(Value::as_f64);
            if let Some(seconds) = seconds.filter(|seconds| *seconds >= 1.0) {
                let _ = writeln!(text, "{name}: {}", moment(seconds, now));
            }
        }
        text
    }

    /// The channel that it is for, if it is a subscription token.
    pub fn channel(&self) -> Option<&str> {
        let channel = self.claims.get("channel")?.as_str();
        channel.filter(|channel| !channel.is_empty())
    }

    /// The user's id: what is configured instead of `sub`, if anything is, may be a number.
    pub fn user(&self, user_id_claim: &str) -> String {
        let name = if user_id_claim.is_empty() {
            "sub"
        } else {
            user_id_claim
        };
        match self.claims.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    }

    /// The text of a claim, empty where it is missing.
    pub fn text_of(&self, name: &str) -> &str {
        let text = self.claims.get(name).and_then(Value::as_str);
        text.unwrap_or_default()
    }
}

/// A time as a date and as a distance from now.
fn moment(seconds: f64, now: u64) -> String {
    let date = Duration::try_from_secs_f64(seconds).ok();
    // Later years have five digits, which the form of the date has no room for.
    let date = date.filter(|since| since.as_secs() < 253_402_300_800);
    let Some(since) = date else {
        return "in more than 7,000 years".to_owned();
    };
    let date = httpdate::fmt_http_date(UNIX_EPOCH + since);
    let at = since.as_secs();
    if at > now {
        format!("{date}, in {}", span(at - now))
    } else {
        format!("{date}, {} ago", span(now - at))
    }
}

/// Seconds as a person says them, in at most two units.
fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut said = Vec::new();
    for (unit, name) in units {
        if left >= unit {
            said.push(format!("{} {name}", left / unit));
            left %= unit;
        } else if !said.is_empty() {
            break;
        }
    }
    said.truncate(2);
    if said.is_empty() {
        "0 s".to_owned()
    } else {
        said.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(header), part(claims))
    }

    /// Goal: header and claims of any token are shown, whatever signed it, and its times are told as dates.
    #[test]
    fn a_token_is_told_in_lines() {
        let header = json!({"alg": "none"});
        let claims =
            json!({"sub": "42", "exp": 1_800_003_661, "nbf": 1_799_999_970.5, "expire_at": 0});
        let parts = Parts::read(&token(&header, &claims)).expect("a token");
        let text = parts.text(1_800_000_000);
        assert!(
            text.contains("\"alg\": \"none\"") && text.contains("\"sub\": \"42\""),
            "{text}"
        );
        assert!(
            text.contains("exp: Fri, 15 Jan 2027 09:01:01 GMT, in 1 h 1 m\n"),
            "{text}"
        );
        assert!(
            text.contains("nbf: Fri, 15 Jan 2027 07:59:30 GMT, 30 s ago\n"),
            "{text}"
        );
        assert!(!text.contains("expire_at:"), "{text}");
        assert_eq!((parts.channel(), parts.text_of("sub")), (None, "42"));
        let far = json!({"exp": 1e300, "channel": "a"});
        let parts = Parts::read(&token(&header, &far)).expect("a token");
        assert!(parts.text(0).contains("exp: in more than 7,000 years"));
        assert_eq!(parts.channel(), Some("a"));
    }

    /// Goal: what is no token is told apart.
    #[test]
    fn other_texts_are_no_tokens() {
        for text in [
            "",
            "a",
            "..",
            "a.b.c",
            "e30.e30",
            "e30.e30.a.b",
            "W10.e30.",
            "e30.NQ.",
        ] {
            assert_eq!(Parts::read(text), None, "{text}");
        }
        assert!(Parts::read("e30.e30.").is_some());
    }

    /// Goal: a span is told in at most two units.
    #[test]
    fn spans() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 m"),
            (3_599, "59 m 59 s"),
            (3_605, "1 h"),
            (90_000, "1 d 1 h"),
            (86_400, "1 d"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(span(seconds), expected, "{seconds}");
        }
    }
}
