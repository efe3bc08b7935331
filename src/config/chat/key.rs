//! What a key of a section is: its name, default, help, and how it is read.
//!
//! Sections have the names and meanings that Centrifugo 6.9.1 gives them. What is read, what is told
//! in the printed file and what the docs' table says all come from these definitions.

use crate::config::tree::Node;

/// Something that can be written in a section whose keys fill in a `T`.
#[derive(Debug)]
pub(crate) struct Key<T: 'static> {
    /// All that a reader is told of it.
    pub(super) about: About,
    /// Reads a value into its place. A problem goes on from "`key` is `value`, ".
    pub(super) read: Read<T>,
}

/// See [`Key::read`].
pub(super) type Read<T> = fn(&Node, &mut T) -> Result<(), String>;

/// What a reader is told of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    /// Its name.
    pub(crate) name: &'static str,
    /// What holds where nothing is written, as it would be written.
    pub(crate) default: &'static str,
    /// What it means.
    pub(crate) help: &'static str,
}

impl<T> Key<T> {
    /// A key with all there is to say about it.
    pub(super) const fn new(
        name: &'static str,
        default: &'static str,
        help: &'static str,
        read: Read<T>,
    ) -> Self {
        let about = About {
            name,
            default,
            help,
        };
        Self { about, read }
    }
}

/// A key that Centrifugo has and Fanring has no use for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Absent {
    /// Its name.
    pub(crate) name: &'static str,
    /// Values that change nothing there either, besides all that turn something off: of the key,
    /// or with dots of what is below it.
    pub(crate) usual: &'static [(&'static str, &'static str)],
    /// What becomes of any other value.
    pub(crate) verdict: Verdict,
    /// Why, and what to do; goes on from a colon.
    pub(crate) advice: &'static str,
}

/// What becomes of a key that is [`Absent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Something would be missing: no start.
    Refused,
    /// Nothing that a client could notice: it is told at the start.
    Told,
}

impl Absent {
    /// One that stands for something that would be missing.
    pub(super) const fn refused(name: &'static str, advice: &'static str) -> Self {
        Self {
            name,
            usual: &[],
            verdict: Verdict::Refused,
            advice,
        }
    }

    /// One that has nothing to set here.
    pub(super) const fn told(name: &'static str, advice: &'static str) -> Self {
        Self {
            name,
            usual: &[],
            verdict: Verdict::Told,
            advice,
        }
    }

    /// The same with values that change nothing.
    pub(super) const fn but_for(self, usual: &'static [(&'static str, &'static str)]) -> Self {
        Self { usual, ..self }
    }
}

/// All keys of a section.
#[derive(Debug)]
pub(crate) struct Group<T: 'static> {
    /// What is read.
    pub(super) keys: &'static [Key<T>],
    /// What Centrifugo has besides.
    pub(super) absent: &'static [Absent],
    /// Sections below it, which are read by themselves.
    pub(super) sections: &'static [&'static str],
}

/// A [`Group`] without its type, for who prints or compares what there is.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The section's name, with dots; empty for the file itself.
    pub(crate) path: &'static str,
    /// What can be written there.
    pub(crate) keys: Vec<About>,
    /// What Centrifugo has besides.
    pub(crate) absent: &'static [Absent],
}

impl<T> Group<T> {
    /// The same as a list.
    pub(super) fn listed(&self, path: &'static str) -> Listed {
        Listed {
            path,
            keys: self.keys.iter().map(|key| key.about).collect(),
            absent: self.absent,
        }
    }

    /// Every name that may stand in the section.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let keys = self.keys.iter().map(|key| key.about.name);
        let absent = self.absent.iter().map(|absent| absent.name);
        keys.chain(absent).chain(self.sections.iter().copied())
    }
}
