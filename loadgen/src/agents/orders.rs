//! What the process that leads and the others say to each other.
//!
//! Times are by the clock of the process that is told them, or that tells them: the one that leads knows the
//! differences, and converts.

use serde::{Deserialize, Serialize};

use crate::books::backlog::{Gone, Reach};
use crate::books::done::Done;
use crate::results::interval::Interval;
use crate::run::worker::Outcome;
use crate::shared::standing::Standing;
use crate::shared::{Milestone, Shared};

/// What an agent is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Asks for the time.
    Ping,
    /// A run is to be made, and sessions are to be opened.
    Begin(Box<Task>),
    /// The load begins at this time.
    Plan { start_ns: u64 },
    /// Everybody is to drop, from this time on, and to come back at once unless they are to miss something.
    Storm { at_ns: u64 },
    /// All have dropped.
    Away,
    /// Those that dropped are to come back, from this time on; what all publishers have sent meanwhile.
    Return { at_ns: u64, sent: Vec<Sent> },
    /// The measured window ends before its time.
    CutShort { at_ns: u64 },
    /// The interval under way ends.
    Interval { number: u64 },
    /// What all publishers have sent, by their numbers. After the first of these nothing more is sent.
    Sent { all: Vec<Sent> },
    /// Nobody is left to publish or to receive.
    Useless,
    /// All has been looked at that needs open sessions.
    Goodbye,
    /// The run can't be made.
    Stop,
}

/// A process's part in a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The arguments of the one that leads, the program's name first and presets taken apart.
    pub(crate) arguments: Vec<String>,
    pub(crate) process: u32,
    pub(crate) processes: u32,
    /// Tells the run's messages from others.
    pub(crate) run: u32,
    /// What the clock here shows more than that of each process.
    pub(crate) ahead_ns: Vec<i64>,
}

/// Messages of a publisher: handed on for sending, taken by the kernel, and known to be with the server, without a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    handed_on: u64,
    taken: u64,
    acknowledged: u64,
}

impl Sent {
    /// As far as it is known here.
    pub(super) fn of(shared: &Shared<'_>, publisher: u32) -> Self {
        Self {
            handed_on: shared.sent.of(publisher),
            taken: shared.taken.of(publisher),
            acknowledged: shared.acknowledged.of(publisher),
        }
    }

    /// Notes what another process has told.
    pub(super) fn note(self, shared: &Shared<'_>, publisher: u32) {
        shared.sent.set(publisher, self.handed_on);
        self.note_arrived(shared, publisher);
    }

    /// The same while it may send more, of which only the most is known.
    pub(super) fn note_arrived(self, shared: &Shared<'_>, publisher: u32) {
        shared.taken.set(publisher, self.taken);
        shared.acknowledged.set(publisher, self.acknowledged);
    }
}

/// What an agent tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// The time.
    Pong { at_ns: u64 },
    /// All workers have come to a milestone; what the publishers here have sent by then.
    Reached {
        milestone: Milestone,
        sent: Vec<Sent>,
    },
    /// The sessions stand differently.
    Standing(Standing),
    /// All subscribers here had these messages.
    Done(Vec<Done>),
    /// These rooms have subscribers elsewhere only.
    Vacant(Vec<u32>),
    /// These sessions were to stay and do not.
    Gone(Vec<Gone>),
    /// What happened since the last of these, up to the one with this number; how far deliveries here are, and what the
    /// publishers here have sent.
    Interval {
        number: u64,
        interval: Box<Interval>,
        reach: Reach,
        sent: Vec<Sent>,
    },
    /// The run can't be made, or not go on.
    Failed { why: String },
    /// The books of all workers, and of the time since the last interval.
    Finished {
        outcomes: Vec<Outcome>,
        interval: Box<Interval>,
    },
}

/// What is said before anything else, to find out whether both have the token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Greeting {
    /// The agent's, first.
    Challenge {
        version: String,
        host: String,
        nonce: String,
    },
    /// The leader's answer.
    Answer { nonce: String, proof: String },
    /// The agent is at its service.
    Welcome { proof: String },
    /// It is not.
    Refused { why: String },
}
