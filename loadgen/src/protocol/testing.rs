//! What the unit tests of protocols share.

use std::collections::BTreeMap;

use fanring::wire::message::Kind;

use super::script::Script;
use super::seam::{Entry, Listener, Notice, Place, Return, Speaker, Wishes};
use super::text::Who;

/// Whose side the tests take: the numbers are told apart in what is said.
pub(crate) const WHO: Who<'static> = Who {
    run: 0xabc,
    session: 7,
    room: 3,
    row: &[],
};

/// That a session came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    Asks,
    Came(Return),
}

/// Keeps what a speaker says and finds.
#[derive(Default)]
pub(crate) struct Ear {
    pub(crate) said: Vec<(Kind, Vec<u8>)>,
    pub(crate) payloads: Vec<(Vec<u8>, Place)>,
    pub(crate) rejections: Vec<String>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) backs: Vec<Back>,
    pub(crate) answers: Vec<(u64, Result<(), String>)>,
}

impl Ear {
    /// All that was said, as text.
    pub(crate) fn texts(&self) -> Vec<String> {
        let texts = self.said.iter();
        texts
            .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
            .collect()
    }
}

impl Listener for Ear {
    fn payload(&mut self, bytes: &[u8], place: Place) {
        self.payloads.push((bytes.to_vec(), place));
    }

    fn say(&mut self, kind: Kind, message: &[u8]) {
        self.said.push((kind, message.to_vec()));
    }

    fn rejected(&mut self, why: String) {
        self.rejections.push(why);
    }

    fn answered(&mut self, number: u64, answer: Result<(), String>) {
        self.answers.push((number, answer));
    }

    fn noticed(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    fn comes_back(&mut self) {
        self.backs.push(Back::Asks);
    }

    fn came_back(&mut self, how: Return) {
        self.backs.push(Back::Came(how));
    }
}

/// What no flags at all ask of a protocol, but for some choices.
pub(crate) fn wishes(entry: &Entry, chosen: &[(&'static str, &str)]) -> Wishes<'static> {
    const NOTHING: &Script = &Script {
        steps: Vec::new(),
        replies: Vec::new(),
        beats: Vec::new(),
    };
    let defaults = entry
        .choices
        .iter()
        .map(|choice| (choice.name, choice.default));
    let choices = defaults.chain(chosen.iter().copied());
    Wishes {
        kind: Kind::Text,
        script: NOTHING,
        template: None,
        columns: &[],
        choices: choices
            .map(|(name, value)| (name, value.to_owned()))
            .collect::<BTreeMap<_, _>>(),
    }
}

/// The side of [`WHO`] in a protocol that some choices are made of.
pub(crate) fn talk(entry: &Entry, chosen: &[(&'static str, &str)]) -> Box<dyn Speaker> {
    let protocol = (entry.make)(&wishes(entry, chosen)).expect("the choices can be meant");
    protocol.speaker(&WHO)
}
