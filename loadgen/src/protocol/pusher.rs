//! `pusher`: the Pusher protocol, version 7: subscribe to the channel of the room, with a signature where it is private or
//! has presence, publish client events, and keep the connection alive when nothing comes.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::Arc;

use anyhow::ensure;
use fanring::wire::message::Kind;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;

use super::beat::Beat;
use super::envelope::{Around, Envelope};
use super::seam::{Choice, Entry, Listener, Manner, Offer, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const ENTRY: Entry = Entry {
    name: "pusher",
    about: "Pusher's protocol 7, with client events",
    choices: &[
        Choice {
            name: "key",
            default: "app-key",
            about: "key of the application",
        },
        Choice {
            name: "secret",
            default: "app-secret",
            about: "its secret, which signs what is subscribed to, such as {env:NAME}",
        },
        Choice {
            name: "channel",
            default: "private-room-{room}",
            about: "channel to subscribe to and publish in; private- or presence- for client events",
        },
        Choice {
            name: "user",
            default: "{run}-{i}",
            about: "user_id of each session in a presence- channel",
        },
        Choice {
            name: "event",
            default: "client-message",
            about: "event that is published; begins with client-",
        },
        Choice {
            name: "publish",
            default: "{\"text\":\"{payload}\"}",
            about: "its data: JSON with {payload}",
        },
    ],
    manner: Manner::Own,
    make,
};

/// How often something has to come if the server does not say.
const ACTIVITY_SECONDS: u64 = 120;

/// What a server says of a client event that it does not pass on.
const CLIENT_EVENT_REJECTED: u64 = 4301;

/// What the chosen texts are, the same for all sessions.
#[derive(Clone)]
struct Pusher {
    key: String,
    secret: Vec<u8>,
    channel: Text,
    user: Text,
    event: Text,
    data: Envelope,
}

impl fmt::Debug for Pusher {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pusher of {} in {}", self.key, self.channel.source())
    }
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    let key = wishes.choice("key");
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    ensure!(
        !key.is_empty() && key.bytes().all(is_key),
        "--set key={key}: want letters, digits, -, _ and ."
    );
    let event = wishes.choice("event");
    ensure!(
        event.starts_with("client-"),
        "--set event={event}: want an event that begins with client-, since others are the server's"
    );
    Ok(Arc::new(Pusher {
        key: key.to_owned(),
        secret: wishes.text("secret")?.fill(&Who::default()),
        channel: wishes.text("channel")?,
        user: wishes.text("user")?,
        event: wishes.text("event")?,
        data: wishes.envelope("publish")?,
    }))
}

impl Protocol for Pusher {
    fn offer(&self) -> Offer {
        let key = &self.key;
        Offer {
            path: Some(format!("/app/{key}?protocol=7&client=fanload&version=1")),
            ..Offer::default()
        }
    }

    fn arrives_as(&self) -> Option<Kind> {
        Some(Kind::Text)
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let fill = |text: &Text| String::from_utf8_lossy(&text.fill(who)).into_owned();
        let (channel, event) = (fill(&self.channel), fill(&self.event));
        let data = self.data.fill(who);
        let head = format!(
            "{{\"event\":{},\"channel\":{},\"data\":",
            Value::from(event),
            Value::from(channel.as_str())
        );
        Box::new(Talk {
            phase: Phase::Connecting,
            key: self.key.clone(),
            secret: self.secret.clone(),
            member: channel
                .starts_with("presence-")
                .then(|| json!({ "user_id": fill(&self.user) }).to_string()),
            channel,
            publish: Around {
                before: [head.as_bytes(), &data.before].concat(),
                after: [&data.after[..], b"}"].concat(),
            },
            activity_ns: 0,
            heard_ns: 0,
            beat: None,
        })
    }
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for its number.
    Connecting,
    Subscribing,
    Ready,
}

/// One session.
struct Talk {
    phase: Phase,
    key: String,
    secret: Vec<u8>,
    channel: String,
    /// Who it is in a channel with presence.
    member: Option<String>,
    /// The event that publishes.
    publish: Around,
    /// How long the connection may be silent, and since when it is.
    activity_ns: u64,
    heard_ns: u64,
    /// When to look whether it has been silent for so long.
    beat: Option<Beat>,
}

/// A message, as far as it matters.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(default)]
    data: Value,
}

impl Event<'_> {
    /// A field of the data, which is JSON or a string with JSON in it.
    fn field(&self, name: &str) -> Option<Value> {
        let inner = match &self.data {
            Value::String(text) => serde_json::from_str(text).ok()?,
            other => other.clone(),
        };
        inner.get(name).cloned()
    }

    /// What it says of an error.
    fn why(&self) -> String {
        match &self.data {
            Value::Null => "it did not say why".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl Talk {
    /// The session has its number: subscribes.
    fn subscribe(&mut self, event: &Event<'_>, now_ns: u64) -> Result<String, String> {
        let socket_id = event.field("socket_id");
        let socket_id = socket_id.as_ref().and_then(Value::as_str);
        let socket_id = socket_id.ok_or("the server gave the session no socket_id")?;
        let seconds = event.field("activity_timeout");
        let seconds = seconds.as_ref().and_then(Value::as_u64);
        self.activity_ns = seconds.unwrap_or(ACTIVITY_SECONDS).max(1) * 1_000_000_000;
        self.beat = Some(Beat::within(now_ns, self.activity_ns));
        let mut data = json!({ "channel": self.channel });
        if self.channel.starts_with("private-") || self.member.is_some() {
            let mut signed = format!("{socket_id}:{}", self.channel);
            if let Some(member) = &self.member {
                let _ = write!(signed, ":{member}");
                data["channel_data"] = Value::from(member.as_str());
            }
            let signature = sign(&self.secret, &signed);
            data["auth"] = Value::from(format!("{}:{signature}", self.key));
        }
        Ok(json!({ "event": "pusher:subscribe", "data": data }).to_string())
    }

    /// The server said that something is wrong.
    fn judge(&self, event: &Event<'_>, to: &mut dyn Listener) -> Result<(), String> {
        let code = event.field("code").and_then(|code| code.as_u64());
        let is_event = matches!(code, None | Some(0 | CLIENT_EVENT_REJECTED));
        if self.phase != Phase::Ready || !is_event {
            let what = match self.phase {
                Phase::Connecting => "refused to connect",
                Phase::Subscribing => "refused the channel",
                Phase::Ready => "ended the session",
            };
            return Err(format!("the server {what}: {}", event.why()));
        }
        to.rejected(format!("the server refused to publish: {}", event.why()));
        Ok(())
    }
}

impl Speaker for Talk {
    fn received(
        &mut self,
        now_ns: u64,
        kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        self.heard_ns = now_ns;
        if kind == Kind::Binary || message.starts_with(b"{\"event\":\"client-") {
            to.payload(message, Place::Within);
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_slice(message)
            .map_err(|error| format!("the server sent what is no event in JSON: {error}"))?;
        match (&*event.event, self.phase) {
            ("pusher:connection_established", Phase::Connecting) => {
                let subscribe = self.subscribe(&event, now_ns)?;
                self.phase = Phase::Subscribing;
                to.say(Kind::Text, subscribe.as_bytes());
            }
            ("pusher_internal:subscription_succeeded", Phase::Subscribing) => {
                self.phase = Phase::Ready;
            }
            ("pusher:ping", _) => to.say(Kind::Text, b"{\"event\":\"pusher:pong\",\"data\":{}}"),
            ("pusher:pong", _) => {}
            ("pusher:error", _) => self.judge(&event, to)?,
            ("pusher:subscription_error" | "pusher_internal:subscription_error", _) => {
                return Err(format!("the server refused the channel: {}", event.why()));
            }
            _ => to.payload(message, Place::Within),
        }
        Ok(())
    }

    fn waits_for(&self) -> Option<String> {
        let what = match self.phase {
            Phase::Connecting => "pusher:connection_established",
            Phase::Subscribing => "pusher_internal:subscription_succeeded",
            Phase::Ready => return None,
        };
        Some(what.to_owned())
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        self.publish.put(payload, out);
        Kind::Text
    }

    fn due_ns(&self) -> Option<u64> {
        self.beat.map(|beat| beat.due_ns())
    }

    fn due(&mut self, now_ns: u64, to: &mut dyn Listener) {
        let Some(beat) = &mut self.beat else { return };
        if !beat.is_due(now_ns) {
            return;
        }
        let silent_ns = now_ns.saturating_sub(self.heard_ns);
        if silent_ns >= self.activity_ns / 4 * 3 {
            to.say(Kind::Text, b"{\"event\":\"pusher:ping\",\"data\":{}}");
        } else {
            // Looks again when it would have been silent for as long.
            *beat = Beat::within(self.heard_ns, self.activity_ns);
        }
    }
}

/// HMAC-SHA256 in hexadecimal digits.
fn sign(secret: &[u8], text: &str) -> String {
    let mut signer = Hmac::<Sha256>::new_from_slice(secret).expect("any length will do");
    signer.update(text.as_bytes());
    let mut digits = String::new();
    for byte in signer.finalize().into_bytes() {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{self, Ear, wishes};

    const ESTABLISHED: &str = "{\"event\":\"pusher:connection_established\",\
         \"data\":\"{\\\"socket_id\\\":\\\"1234.1234\\\",\\\"activity_timeout\\\":4}\"}";
    const SUCCEEDED: &str = "{\"event\":\"pusher_internal:subscription_succeeded\",\
         \"channel\":\"private-foobar\",\"data\":\"{}\"}";

    /// The key and secret of the example in Pusher's documentation.
    const EXAMPLE: [(&str, &str); 2] = [
        ("key", "278d425bdf160c739803"),
        ("secret", "7ad3773142a6692b25b8"),
    ];

    fn talk(chosen: &[(&'static str, &str)]) -> Box<dyn Speaker> {
        testing::talk(&ENTRY, chosen)
    }

    fn hear(talk: &mut dyn Speaker, ear: &mut Ear, text: &str) -> Result<(), String> {
        talk.received(0, Kind::Text, text.as_bytes(), ear)
    }

    fn said(ear: &Ear) -> Value {
        serde_json::from_str(&ear.texts().pop().unwrap()).unwrap()
    }

    /// Goal: a private channel is subscribed to with the signature that Pusher's documentation has as its example.
    #[test]
    fn private_channels_are_signed_for() {
        let chosen = [&EXAMPLE[..], &[("channel", "private-foobar")]].concat();
        let (mut talk, mut ear) = (talk(&chosen), Ear::default());
        talk.opened(0, &mut ear);
        assert!(ear.said.is_empty() && talk.waits_for().unwrap().contains("established"));
        hear(&mut *talk, &mut ear, ESTABLISHED).unwrap();
        let auth =
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
        assert_eq!(
            said(&ear),
            json!({ "event": "pusher:subscribe", "data": { "channel": "private-foobar", "auth": auth } })
        );
        assert!(talk.waits_for().unwrap().contains("succeeded"));
        hear(&mut *talk, &mut ear, SUCCEEDED).unwrap();
        assert_eq!(talk.waits_for(), None);
    }

    /// Goal: a channel with presence is told who comes, and that is signed too; a public one needs no signature.
    #[test]
    fn members_are_named() {
        let chosen = [
            &EXAMPLE[..],
            &[("channel", "presence-{room}"), ("user", "u\"{i}")],
        ]
        .concat();
        let (mut speaker, mut ear) = (talk(&chosen), Ear::default());
        hear(&mut *speaker, &mut ear, ESTABLISHED).unwrap();
        let data = said(&ear)["data"].clone();
        let member = "{\"user_id\":\"u\\\"7\"}";
        assert_eq!(data["channel_data"], member);
        let signature = sign(
            b"7ad3773142a6692b25b8",
            &format!("1234.1234:presence-3:{member}"),
        );
        assert_eq!(data["auth"], format!("278d425bdf160c739803:{signature}"));
        let mut public = talk(&[("channel", "news")]);
        hear(&mut *public, &mut ear, ESTABLISHED).unwrap();
        assert_eq!(said(&ear)["data"], json!({ "channel": "news" }));
    }

    /// Goal: client events carry payloads both ways, whatever the order of their fields; a refusal is told and not the
    /// end.
    #[test]
    fn client_events_carry_payloads() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        hear(&mut *talk, &mut ear, ESTABLISHED).unwrap();
        hear(&mut *talk, &mut ear, SUCCEEDED).unwrap();
        let mut out = Vec::new();
        talk.wrap(b"FNLD", &mut out);
        let sent = "{\"event\":\"client-message\",\"channel\":\"private-room-3\",\"data\":{\"text\":\"FNLD\"}}";
        assert_eq!(String::from_utf8(out).unwrap(), sent);
        let other = "{\"channel\":\"private-room-3\",\"data\":\"{\\\"text\\\":\\\"FNLD\\\"}\",\"event\":\"client-message\"}";
        for message in [sent, other] {
            hear(&mut *talk, &mut ear, message).unwrap();
        }
        assert_eq!(ear.payloads.len(), 2);
        let refused =
            "{\"event\":\"pusher:error\",\"data\":{\"code\":4301,\"message\":\"slow down\"}}";
        hear(&mut *talk, &mut ear, refused).unwrap();
        assert!(
            ear.rejections[0].contains("slow down"),
            "{:?}",
            ear.rejections
        );
    }

    /// Goal: pings are answered, and made only when nothing has come for as long as the server said.
    #[test]
    fn silent_sessions_ping() {
        const SECOND: u64 = 1_000_000_000;
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        hear(&mut *talk, &mut ear, ESTABLISHED).unwrap();
        assert_eq!(talk.due_ns(), Some(3 * SECOND));
        let pong = "{\"event\":\"pusher:pong\",\"data\":{}}";
        talk.received(2 * SECOND, Kind::Text, pong.as_bytes(), &mut ear)
            .unwrap();
        talk.due(3 * SECOND, &mut ear);
        assert_eq!((ear.said.len(), talk.due_ns()), (1, Some(5 * SECOND)));
        talk.due(5 * SECOND, &mut ear);
        assert_eq!(said(&ear)["event"], "pusher:ping");
        assert_eq!(talk.due_ns(), Some(8 * SECOND));
        hear(&mut *talk, &mut ear, "{\"event\":\"pusher:ping\"}").unwrap();
        assert_eq!(said(&ear)["event"], "pusher:pong");
        assert!(ear.payloads.is_empty());
    }

    /// Goal: refusals end the session with what the server said, and choices that can't be meant are refused before.
    #[test]
    fn refusals_are_told() {
        let (mut talk, mut ear) = (talk(&[]), Ear::default());
        let no_app =
            "{\"event\":\"pusher:error\",\"data\":{\"code\":4001,\"message\":\"no such app\"}}";
        let error = hear(&mut *talk, &mut ear, no_app).unwrap_err();
        assert!(
            error.contains("refused to connect") && error.contains("no such app"),
            "{error}"
        );
        hear(&mut *talk, &mut ear, ESTABLISHED).unwrap();
        let invalid =
            "{\"event\":\"pusher:error\",\"data\":{\"code\":null,\"message\":\"invalid\"}}";
        let error = hear(&mut *talk, &mut ear, invalid).unwrap_err();
        assert!(error.contains("refused the channel"), "{error}");
        let refused = "{\"event\":\"pusher:subscription_error\",\"data\":{\"status\":401}}";
        assert!(
            hear(&mut *talk, &mut ear, refused)
                .unwrap_err()
                .contains("401")
        );
        hear(&mut *talk, &mut ear, SUCCEEDED).unwrap();
        assert!(
            hear(&mut *talk, &mut ear, no_app)
                .unwrap_err()
                .contains("ended the session")
        );
        assert!(
            hear(&mut *talk, &mut ear, "no")
                .unwrap_err()
                .contains("JSON")
        );
        for chosen in [("key", "a/b"), ("event", "message"), ("publish", "1")] {
            let error = make(&wishes(&ENTRY, &[chosen])).unwrap_err();
            assert!(format!("{error:#}").contains(chosen.0), "{error:#}");
        }
    }
}
