//! Which of the subprotocols a client offers is spoken (RFC 6455 section 4.2.2, item 5.5).

use crate::wire::http::{Head, Refusal, shown};

/// Selects the first offer that is among the `spoken`. No offer, or an empty header, as some clients
/// send it, selects none.
///
/// # Errors
/// 400 when all offers are unknown: clients that offer any give up when none is selected (the WHATWG's
/// WebSockets standard, section 4), and would join their room and leave it with each try.
pub(super) fn select(head: &Head<'_>, spoken: &[String]) -> Result<Option<String>, Refusal> {
    let offers = || {
        head.values("Sec-WebSocket-Protocol")
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|offer| !offer.is_empty())
    };
    let Some(first) = offers().next() else {
        return Ok(None);
    };
    let selected = offers().find_map(|offer| spoken.iter().find(|name| name.as_bytes() == offer));
    if let Some(name) = selected {
        return Ok(Some(name.clone()));
    }
    let first = shown(first);
    let sentence = match spoken {
        [] => format!(
            "The server speaks no subprotocol: offer none, or start it with --subprotocol {first}."
        ),
        _ => format!(
            "The server speaks only the subprotocols {}: offer one of those or none, or start it with \
             --subprotocol {first} too.",
            spoken.join(", ")
        ),
    };
    Err(Refusal::new(400, sentence))
}
