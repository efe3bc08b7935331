//! Who may enter a room by the door of the plain protocol, and who may speak there: what holds for clients of
//! all protocols, once the settings have rules for them.

use super::Shard;
use crate::auth::error::{Verdict, WayIn, outcome};
use crate::config::chat::doors::{Door, Entry, Pass};
use crate::wire::http::{Head, Refusal};

impl Shard {
    /// What whoever sends `head` may in that room: for its token, if it shows one.
    pub(super) fn entry(&self, room: &str, head: &Head<'_>) -> Result<Entry, Refusal> {
        let chat = self.chat();
        if chat.is_playground() {
            return Ok(Entry::Writer);
        }
        let admitted = token(head).map(|token| self.keys.connection(token, self.unix_seconds));
        let admitted = admitted.transpose().map_err(|error| {
            self.metrics().tokens_refused.add(1);
            refusal(outcome(WayIn::Request, &error))
        })?;
        let pass = match &admitted {
            None => Pass::Nothing,
            Some(admitted) => Pass::Connection(&admitted.user),
        };
        match chat.entry(Door::Plain, room, pass) {
            Entry::Refused => Err(Refusal::new(
                403,
                "This room is not open to you here: its namespace must say allow_plain, and its rules allow it.",
            )),
            entry => Ok(entry),
        }
    }
}

/// The token in a request: in its query, or as RFC 6750 section 2.1 has it.
fn token<'a>(head: &Head<'a>) -> Option<&'a str> {
    let in_query = head
        .query()
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="));
    let in_header = || {
        let value = std::str::from_utf8(head.header("Authorization")?).ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
    };
    in_query.or_else(in_header)
}

/// What a bearer is answered whose token was judged so.
fn refusal(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Busy => Refusal::busy(),
        _ => Refusal::new(401, "The token does not let you in: get another one."),
    }
}
