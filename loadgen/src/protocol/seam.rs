//! The seam between the sessions and what is spoken on them: what a protocol has to say. How to add one
//! stands in [`crate::protocol`].
//!
//! Sans-IO: whoever speaks is told what came and when, and says what is to be sent.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use anyhow::Context;
use fanring::wire::message::Kind;

use super::envelope::Envelope;
use super::script::Script;
use super::text::{Text, Who};
use crate::load::span;

/// A protocol by its name.
pub(crate) struct Entry {
    /// For `--protocol`.
    pub(crate) name: &'static str,
    /// One line for the help.
    pub(crate) about: &'static str,
    /// What can be chosen of it with `--set`.
    pub(crate) choices: &'static [Choice],
    /// Who may say what with which flags.
    pub(crate) manner: Manner,
    /// Makes it for a run.
    ///
    /// # Errors
    /// One sentence that names the flag and what it takes.
    pub(crate) make: fn(&Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>>,
}

/// Something that can be chosen with `--set NAME=VALUE`.
pub(crate) struct Choice {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
}

/// What a protocol leaves to the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Messages are what the flags make of them: `--send-on-open`, `--publish-template` and so on.
    Scripted,
    /// As above, and each session gets what it sends and nothing else.
    Echo,
    /// It says all of it by itself.
    Own,
}

/// What the flags ask of a protocol.
pub(crate) struct Wishes<'a> {
    /// Text or binary messages (`--binary`).
    pub(crate) kind: Kind,
    /// What is said besides payloads.
    pub(crate) script: &'a Script,
    /// What stands around a payload, with `{payload}` in it.
    pub(crate) template: Option<&'a str>,
    /// Names of the columns that texts may have.
    pub(crate) columns: &'a [String],
    /// The value of every [`Choice`] by its name.
    pub(crate) choices: BTreeMap<&'static str, String>,
}

impl Wishes<'_> {
    /// What was chosen.
    ///
    /// # Panics
    /// When the protocol has no such choice.
    pub(crate) fn choice(&self, name: &str) -> &str {
        &self.choices[name]
    }

    /// What was chosen, as a text that is filled in.
    ///
    /// # Errors
    /// One sentence that names the choice and what is wrong with it.
    pub(crate) fn text(&self, name: &str) -> anyhow::Result<Text> {
        let text = Text::escaped(self.choice(name), self.columns);
        text.with_context(|| format!("--set {name}"))
    }

    /// The same of a choice that may be left empty.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn optional_text(&self, name: &str) -> anyhow::Result<Option<Text>> {
        let is_given = !self.choice(name).is_empty();
        is_given.then(|| self.text(name)).transpose()
    }

    /// What was chosen, as what stands around a payload.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn envelope(&self, name: &str) -> anyhow::Result<Envelope> {
        Envelope::parse(name, self.choice(name), self.columns)
    }

    /// What was chosen, as a span of time in nanoseconds.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn span_ns(&self, name: &str) -> anyhow::Result<u64> {
        let chosen = self.choice(name);
        let span = span::parse(chosen, span::Plain::Seconds).map_err(anyhow::Error::msg);
        let span = span.with_context(|| format!("--set {name}={chosen}"))?;
        Ok(u64::try_from(span.as_nanos()).expect("a day at most"))
    }

    /// What was chosen of two things, which are called so: whether it is the second.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn is_second(&self, name: &str, two: [&str; 2]) -> anyhow::Result<bool> {
        let chosen = self.choice(name);
        let place = two.iter().position(|one| *one == chosen);
        let wanted = || format!("--set {name}={chosen}: want {} or {}", two[0], two[1]);
        Ok(place.with_context(wanted)? == 1)
    }
}

/// What an upgrade asks for beside what the flags say. Texts, as [`super::text`] has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offer {
    /// Path and query, if none is given.
    pub(crate) path: Option<String>,
    /// Further headers, each `Name: value`.
    pub(crate) headers: Vec<String>,
    /// Subprotocols to offer, before those that are given.
    pub(crate) subprotocols: Vec<String>,
}

/// A protocol as it was chosen for a run; the same for all sessions.
pub(crate) trait Protocol: Debug + Send + Sync {
    /// What is asked for at the upgrade.
    fn offer(&self) -> Offer {
        Offer::default()
    }

    /// Whether payloads come back as text or binary messages; `None` if either is right.
    fn arrives_as(&self) -> Option<Kind>;

    /// Whether a publisher that listens gets its own messages too, whatever the flags say.
    fn returns_own(&self) -> bool {
        false
    }

    /// Whether the server answers everything that is published ([`Listener::answered`]).
    fn acknowledges(&self) -> bool {
        false
    }

    /// Whether sessions that come back say where they stood and are given what they missed ([`Speaker::position`]).
    fn recovers(&self) -> bool {
        false
    }

    /// The speaker of a session that is about to connect.
    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker>;
}

/// Speaks for one session, from its handshake on.
///
/// First `opened` is called, then `received` for each message in order. As soon as `waits_for` names nothing
/// the session is ready: it counts, and `wrap` may be called. Whenever `due_ns` has come, `due` is called;
/// it is looked at after `opened`, when the session becomes ready, and after each `due`.
pub(crate) trait Speaker {
    /// The session was here before, and stood there. Called first, if at all.
    fn resumes(&mut self, _from: &Position) {}

    /// Where the session stands, if it could come back to that.
    fn position(&self) -> Option<Position> {
        None
    }

    /// The handshake is complete.
    fn opened(&mut self, _now_ns: u64, _to: &mut dyn Listener) {}

    /// A whole message came.
    ///
    /// # Errors
    /// One sentence, when the session is of no more use: the server refuses what it was asked for.
    fn received(
        &mut self,
        now_ns: u64,
        kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String>;

    /// What has to come before the session is ready, for people; nothing once it is.
    fn waits_for(&self) -> Option<String> {
        None
    }

    /// Appends the message that publishes a payload, and says of what kind it is.
    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind;

    /// When something is to be said that nobody asked for, such as a heartbeat.
    fn due_ns(&self) -> Option<u64> {
        None
    }

    /// That time has come.
    fn due(&mut self, _now_ns: u64, _to: &mut dyn Listener) {}
}

/// Where in some bytes a payload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// They are the payload, to the last byte.
    Whole,
    /// Somewhere, with an envelope around it.
    Within,
    /// Nowhere, whatever they look like: they are of somebody else, or of another time.
    Nowhere,
}

/// Where a session stands in what its room has had, as the server counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Within which the server's numbers mean something.
    pub(crate) epoch: Vec<u8>,
    pub(crate) offset: u64,
}

/// What a server says to a session that has come back and said where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    /// It is given all that it missed.
    Recovered,
    /// It is not: what it missed is gone, or the server knows no such position.
    Refused,
}

/// What happened to somebody in the room of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Joined,
    Left,
}

/// Takes what a speaker makes of what it is told.
pub(crate) trait Listener {
    /// These bytes are a payload or hold one; or they are something of the server's own, which is counted
    /// as foreign. Of a message that holds several payloads, each is handed on by itself; what belongs to the
    /// protocol, such as an answer to a heartbeat, is not.
    fn payload(&mut self, bytes: &[u8], place: Place);

    /// Sends a message.
    fn say(&mut self, kind: Kind, message: &[u8]);

    /// The server said that it will not deliver something that was published, and why.
    fn rejected(&mut self, why: String);

    /// The server has answered what the session published with this number, counted from 0: it has it, or says why it
    /// will not deliver it.
    fn answered(&mut self, number: u64, answer: Result<(), String>);

    /// The server told that somebody came or went.
    fn noticed(&mut self, notice: Notice);

    /// The session says where it stood, and asks for what it has missed since.
    fn comes_back(&mut self);

    /// The server has answered that; what it gives comes afterwards.
    fn came_back(&mut self, how: Return);
}

/// A payload, or what holds one, as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) place: Place,
    /// Of the message it came in.
    pub(crate) kind: Kind,
}
