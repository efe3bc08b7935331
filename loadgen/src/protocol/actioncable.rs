//! `actioncable`: Action Cable of Rails: a welcome, a subscription to a channel, actions on it. The server's pings want
//! no answer.
//!
//! What a channel is called is JSON within JSON, so its quotes are escaped.

use std::sync::Arc;

use anyhow::Context;
use fanring::wire::message::Kind;

use super::seam::{Choice, Entry, Listener, Manner, Offer, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "actioncable",
    about: "Action Cable of Rails: subscribes to a channel and performs an action on it",
    choices: &[
        Choice {
            name: "channel",
            default: "{\"channel\":\"ChatChannel\",\"room\":\"{room}\"}",
            about: "JSON that names the channel",
        },
        Choice {
            name: "publish",
            default: "{\"action\":\"speak\",\"message\":\"{payload}\"}",
            about: "JSON that is performed, with {payload}",
        },
    ],
    manner: Manner::Own,
    make,
};

/// The chosen texts, the same for all sessions.
#[derive(Clone, Debug)]
struct ActionCable {
    channel: Text,
    before: Text,
    after: Text,
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    let text = |source: &str| Text::plain(source, wishes.columns);
    let publish = wishes.choice("publish");
    let parts = publish.split_once("{payload}");
    let parts = parts.filter(|(_, after)| !after.contains("{payload}"));
    let (before, after) =
        parts.with_context(|| format!("--set publish={publish}: want {{payload}} in it, once"))?;
    Ok(Arc::new(ActionCable {
        channel: text(wishes.choice("channel"))?,
        before: text(before)?,
        after: text(after)?,
    }))
}

impl Protocol for ActionCable {
    fn offer(&self) -> Offer {
        Offer {
            path: Some("/cable".to_owned()),
            subprotocols: vec!["actioncable-v1-json".to_owned()],
            ..Offer::default()
        }
    }

    fn arrives_as(&self) -> Option<Kind> {
        Some(Kind::Text)
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let identifier = escaped(&self.channel.fill(who));
        let command = |name: &str| {
            let start = format!("{{\"command\":\"{name}\",\"identifier\":\"");
            [start.as_bytes(), &identifier, b"\""].concat()
        };
        let before = escaped(&self.before.fill(who));
        let after = escaped(&self.after.fill(who));
        Box::new(Talk {
            subscribe: [&command("subscribe")[..], b"}"].concat(),
            before: [&command("message")[..], b",\"data\":\"", &before].concat(),
            after: [&after[..], b"\"}"].concat(),
            phase: Phase::Welcomed,
        })
    }
}

/// JSON as it stands within a string of JSON.
fn escaped(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    for &byte in json {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Welcomed,
    Subscribed,
    Nothing,
}

/// One session, with its messages.
struct Talk {
    subscribe: Vec<u8>,
    before: Vec<u8>,
    after: Vec<u8>,
    phase: Phase,
}

impl Speaker for Talk {
    fn received(
        &mut self,
        _now_ns: u64,
        _kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        // Whatever is the protocol's own has a type; Rails writes it first or last, and without blanks.
        let is = |kind: &str| {
            let part = format!("\"type\":\"{kind}\"");
            message
                .windows(part.len())
                .any(|window| window == part.as_bytes())
        };
        let has_type = message.windows(7).any(|window| window == b"\"type\":");
        if !has_type {
            to.payload(message, Place::Within);
        } else if is("welcome") && self.phase == Phase::Welcomed {
            self.phase = Phase::Subscribed;
            to.say(Kind::Text, &self.subscribe);
        } else if is("confirm_subscription") {
            self.phase = Phase::Nothing;
        } else if is("reject_subscription") || is("disconnect") {
            let told = String::from_utf8_lossy(message);
            return Err(format!("the server refused the session: {told}"));
        } else if !is("ping") {
            to.payload(message, Place::Within);
        }
        Ok(())
    }

    fn waits_for(&self) -> Option<String> {
        let what = match self.phase {
            Phase::Welcomed => "the welcome",
            Phase::Subscribed => "the confirmation of its subscription",
            Phase::Nothing => return None,
        };
        Some(what.to_owned())
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        out.extend_from_slice(&self.before);
        out.extend_from_slice(payload);
        out.extend_from_slice(&self.after);
        Kind::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Ear, wishes};

    fn talk() -> Box<dyn Speaker> {
        let who = Who {
            session: 7,
            room: 3,
            row: &[],
        };
        make(&wishes(&ENTRY, &[])).unwrap().speaker(&who)
    }

    fn hear(talk: &mut dyn Speaker, ear: &mut Ear, text: &str) -> Result<(), String> {
        talk.received(0, Kind::Text, text.as_bytes(), ear)
    }

    /// Goal: a session subscribes when it is welcome, is ready when that is confirmed, and performs an action to publish.
    #[test]
    fn channels_are_subscribed_to() {
        let (mut talk, mut ear) = (talk(), Ear::default());
        talk.opened(0, &mut ear);
        assert!(ear.said.is_empty());
        hear(&mut *talk, &mut ear, "{\"type\":\"welcome\"}").unwrap();
        let identifier = "{\\\"channel\\\":\\\"ChatChannel\\\",\\\"room\\\":\\\"3\\\"}";
        let subscribe = format!("{{\"command\":\"subscribe\",\"identifier\":\"{identifier}\"}}");
        assert_eq!(ear.texts(), [subscribe]);
        assert!(talk.waits_for().unwrap().contains("confirmation"));
        hear(&mut *talk, &mut ear, "{\"type\":\"ping\",\"message\":1}").unwrap();
        let confirmed =
            format!("{{\"identifier\":\"{identifier}\",\"type\":\"confirm_subscription\"}}");
        hear(&mut *talk, &mut ear, &confirmed).unwrap();
        assert_eq!((talk.waits_for(), ear.payloads.len()), (None, 0));
        let mut out = Vec::new();
        talk.wrap(b"FNLD", &mut out);
        let data = "{\\\"action\\\":\\\"speak\\\",\\\"message\\\":\\\"FNLD\\\"}";
        let sent = format!(
            "{{\"command\":\"message\",\"identifier\":\"{identifier}\",\"data\":\"{data}\"}}"
        );
        assert_eq!(String::from_utf8(out).unwrap(), sent);
        let heard =
            format!("{{\"identifier\":\"{identifier}\",\"message\":{{\"message\":\"FNLD\"}}}}");
        hear(&mut *talk, &mut ear, &heard).unwrap();
        assert_eq!(ear.payloads.len(), 1);
    }

    /// Goal: a session that is not wanted ends with what the server said.
    #[test]
    fn refusals_are_told() {
        for message in [
            "{\"identifier\":\"x\",\"type\":\"reject_subscription\"}",
            "{\"type\":\"disconnect\",\"reason\":\"unauthorized\",\"reconnect\":false}",
        ] {
            let error = hear(&mut *talk(), &mut Ear::default(), message).unwrap_err();
            assert!(error.ends_with(message), "{error}");
        }
        let error = make(&wishes(&ENTRY, &[("publish", "{}")])).unwrap_err();
        assert!(error.to_string().contains("publish={}"), "{error}");
    }
}
