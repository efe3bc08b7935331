//! Events in the form in which every puppet tells them.

use std::io::Write;

use centrifuge::{Bytes, ClientInfo, Publication, SubscribedEvent};
use serde_json::{Value, json};

/// Prints an event of a client, with more members.
pub(crate) fn tell(client: &str, event: &str, mut fields: Value) {
    fields["client"] = client.into();
    fields["event"] = event.into();
    let mut out = std::io::stdout().lock();
    // Nobody reads any more when this fails: the end of the input comes as well.
    let _ = writeln!(out, "{fields}").and_then(|()| out.flush());
}

/// A payload, which is always JSON here.
fn value(data: &Bytes) -> Value {
    serde_json::from_slice(data).unwrap_or(Value::Null)
}

/// A publication's members.
pub(crate) fn publication(publication: &Publication) -> Value {
    let info = publication.info.as_ref();
    json!({
        "data": value(&publication.data),
        "offset": publication.offset,
        "user": info.map(|info| &info.user),
        "by": info.map(|info| &info.client),
    })
}

/// Who joined or left.
pub(crate) fn person(info: &ClientInfo) -> Value {
    json!({ "user": info.user, "who": info.client })
}

/// How a subscription began.
pub(crate) fn subscribed(event: &SubscribedEvent) -> Value {
    let position = event.stream_position.as_ref();
    json!({
        "recoverable": event.recoverable,
        "positioned": event.positioned,
        "was_recovering": event.was_recovering,
        "recovered": event.recovered,
        "offset": position.map_or(0, |position| position.offset),
        "epoch": position.map_or("", |position| position.epoch.as_str()),
    })
}
