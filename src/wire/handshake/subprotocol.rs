//! Which of the subprotocols a client offers is spoken (RFC 6455 section 4.2.2, item 5.5).

use super::address;
use crate::wire::http::{Head, Refusal, shown};

/// The subprotocols of clients that are in many rooms, the one in JSON first.
const CLIENT_JSON: &str = "centrifuge-json";
const CLIENT_PROTOBUF: &str = "centrifuge-protobuf";

/// How a client that is in many rooms writes its commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// JSON, in text messages: what holds when nothing is said.
    #[default]
    Json,
    /// Protobuf, in binary messages.
    Protobuf,
}

/// The offers of a request, in their order.
fn offers<'a>(head: &Head<'a>) -> impl Iterator<Item = &'a [u8]> {
    head.values("Sec-WebSocket-Protocol")
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|offer| !offer.is_empty())
}

/// Selects the first offer that a client in many rooms can speak, and says how its commands are written:
/// the query may say so as well. Many of them offer nothing and write JSON, or send the header empty. One that
/// offers only what is not known is let in without a selection: it is for the client to give up.
pub(super) fn select_client(head: &Head<'_>) -> (Option<String>, Format) {
    let known = [CLIENT_JSON, CLIENT_PROTOBUF];
    let selected =
        offers(head).find_map(|offer| known.into_iter().find(|name| name.as_bytes() == offer));
    let query = head.query();
    let in_protobuf = selected == Some(CLIENT_PROTOBUF)
        || address::says(query, "format", "protobuf")
        || address::says(query, "cf_protocol", "protobuf");
    let format = match in_protobuf {
        true => Format::Protobuf,
        false => Format::Json,
    };
    (selected.map(str::to_owned), format)
}

/// Selects the first offer that is among the `spoken`. No offer, or an empty header, as some clients
/// send it, selects none.
///
/// # Errors
/// 400 when all offers are unknown: clients that offer any give up when none is selected (the WHATWG's
/// WebSockets standard, section 4), and would join their room and leave it with each try.
pub(super) fn select(head: &Head<'_>, spoken: &[String]) -> Result<Option<String>, Refusal> {
    let Some(first) = offers(head).next() else {
        return Ok(None);
    };
    let selected =
        offers(head).find_map(|offer| spoken.iter().find(|name| name.as_bytes() == offer));
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
