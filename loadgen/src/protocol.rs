//! What is said to a server, and how its messages are read.
//!
//! # Adding a protocol
//! Write a file in `loadgen/src/protocol/` with a `pub(crate) const` [`seam::Entry`] in it, declare its module here, and
//! give it a line in [`ALL`]: `--protocol`, `--set` and the help then know it. What it has to do:
//!
//! - [`seam::Entry::make`] takes the wishes of the flags and gives a [`seam::Protocol`], which is the same for all
//!   sessions: texts are parsed there ([`text::Text`]), so that a bad one is refused before the run.
//! - [`seam::Protocol::offer`] says what the upgrade asks for: a path, headers, subprotocols.
//! - [`seam::Protocol::speaker`] makes the state of one session: a [`seam::Speaker`], which greets when it is opened,
//!   judges and answers what comes, and says when it is ready. Until then the session does not count as open, and
//!   what it waits for is named when its time is over.
//! - [`seam::Speaker::received`] hands every payload it finds to the listener. It need not take messages apart to the
//!   last: with [`seam::Place::Within`] the payload is looked for. Payloads are printable ASCII without quotes and
//!   backslashes, so no envelope has to escape them.
//!   What the server says it will not deliver is told with [`seam::Listener::rejected`]; where it answers all that is
//!   published, so is each answer ([`seam::Listener::answered`], [`seam::Protocol::acknowledges`]).
//! - Where sessions that come back are given what they missed, a speaker tells where it stands
//!   ([`seam::Speaker::position`]), is told where an earlier one stood ([`seam::Speaker::resumes`]), and says what comes of
//!   it ([`seam::Listener::came_back`], [`seam::Protocol::recovers`]).
//! - [`seam::Speaker::wrap`] puts the envelope around a payload ([`envelope::Envelope`] takes it from a choice), and
//!   [`seam::Speaker::due`] says what has to be said every so often ([`beat::Beat`], [`beat::KeepAlive`]). Where units
//!   of the protocol keep to no message, [`pieces::Pieces`] puts them together.
//!
//! No clock, no socket and no randomness: unit tests drive a speaker with bytes and times (see `testing`).

mod actioncable;
mod beat;
mod centrifugo;
mod dialogue;
mod envelope;
mod mqtt;
mod phoenix;
mod pieces;
mod pusher;
pub(crate) mod script;
pub(crate) mod seam;
pub(crate) mod secrets;
mod socketio;
pub(crate) mod speech;
mod stomp;
#[cfg(test)]
mod testing;
pub(crate) mod text;
pub(crate) mod upgrade;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, bail};

use self::seam::Entry;

/// Every protocol there is.
const ALL: &[&Entry] = &[
    &dialogue::PLAIN,
    &dialogue::ECHO,
    &socketio::ENTRY,
    &phoenix::ENTRY,
    &actioncable::ENTRY,
    &stomp::ENTRY,
    &centrifugo::ENTRY,
    &mqtt::ENTRY,
    &pusher::ENTRY,
];

/// The names of all, each with what it is.
pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|entry| (entry.name, entry.about))
}

/// The one with a name.
pub(crate) fn find(name: &str) -> anyhow::Result<&'static Entry> {
    let found = ALL.iter().find(|entry| entry.name == name);
    found.copied().with_context(|| {
        let names: Vec<_> = names().map(|(name, _)| name).collect();
        format!("--protocol {name}: want one of {}", names.join(", "))
    })
}

/// The value of everything that can be chosen of a protocol: as `NAME=VALUE` says, or its default.
///
/// # Errors
/// One sentence that names what there is to choose.
pub(crate) fn choose(
    entry: &Entry,
    chosen: &[String],
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let defaults = entry.choices.iter();
    let mut values: BTreeMap<_, _> = defaults
        .map(|choice| (choice.name, choice.default.to_owned()))
        .collect();
    for pair in chosen {
        let parts = pair.split_once('=');
        let place = parts.and_then(|(name, value)| Some((values.get_mut(name)?, value)));
        let Some((place, value)) = place else {
            let names: Vec<_> = entry.choices.iter().map(|choice| choice.name).collect();
            let there = match names.is_empty() {
                true => "there is nothing to set".to_owned(),
                false => format!("want NAME=VALUE with one of {}", names.join(", ")),
            };
            bail!("--set {pair}: with --protocol {} {there}", entry.name);
        };
        value.clone_into(place);
    }
    Ok(values)
}

/// What can be chosen, for `--help`.
pub(crate) fn help() -> String {
    let mut text = String::new();
    for entry in ALL.iter().filter(|entry| !entry.choices.is_empty()) {
        let _ = writeln!(text, "--protocol {}, with --set NAME=VALUE:", entry.name);
        for choice in entry.choices {
            let (name, default, about) = (choice.name, choice.default, choice.about);
            let _ = writeln!(text, "  {name:<16} {about} [default: {default}]");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::wishes;

    /// Goal: every protocol has a name of its own and can be made with what it chooses by itself.
    #[test]
    fn every_protocol_can_be_made() {
        for (place, entry) in ALL.iter().enumerate() {
            let first = names().position(|(name, _)| name == entry.name);
            assert_eq!(first, Some(place), "{} is there twice", entry.name);
            assert_eq!(find(entry.name).unwrap().about, entry.about);
            (entry.make)(&wishes(entry, &[]))
                .unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        }
        let error = find("nonsense").err().unwrap().to_string();
        assert!(error.contains("plain, echo"), "{error}");
    }

    /// Goal: what can't be chosen is refused with what can.
    #[test]
    fn choices_are_checked() {
        let error = choose(&dialogue::PLAIN, &["event=x".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("nothing to set"), "{error}");
        assert!(choose(&dialogue::PLAIN, &[]).unwrap().is_empty());
    }
}
