//! What became of every message: the one form in which deliveries are counted, from the books of a
//! worker to the report.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::results::units::count;

/// Messages and deliveries, counted exactly. Every delivery that was expected is one of four: expected =
/// delivered + skipped + outstanding + cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Messages the plan held.
    pub(crate) planned: u64,
    /// Messages of which the kernel has taken the last byte.
    pub(crate) sent: u64,
    /// Deliveries that the messages sent should have caused.
    pub(crate) expected: u64,
    /// Deliveries, each message once for each subscriber.
    pub(crate) delivered: u64,
    /// Expected ones that were passed over: later ones of the same publisher came on that session. They are
    /// lost.
    pub(crate) skipped: u64,
    /// Expected ones on sessions that lasted, of which nothing later came either: a backlog when the
    /// drain ended, or lost at the very end.
    pub(crate) outstanding: u64,
    /// For how long the oldest outstanding one had been due when the drain ended, in nanoseconds; 0 if
    /// there is none.
    pub(crate) outstanding_age_ns: u64,
    /// Expected ones that could not come any more, because the session had ended early.
    pub(crate) cut_off: u64,
    /// Deliveries of what a subscriber had had before.
    pub(crate) duplicated: u64,
    /// Deliveries that came after a later one of the same publisher.
    pub(crate) reordered: u64,
    /// Messages that came so far behind later ones (`generator.reorder_window`) that they may be
    /// reordered or duplicated. Their times are in the latencies; they are not among the delivered.
    pub(crate) too_late: u64,
    /// Messages that began like ours and were wrong in length, content, publisher or sequence.
    pub(crate) corrupted: u64,
    /// Messages that came as text and were published as binary, or the reverse; delivered all the same.
    pub(crate) wrong_type: u64,
    /// Messages that the server said it will not deliver, where its protocol lets it say so.
    pub(crate) rejected: u64,
    /// Messages that the server said it has, where its protocol has it say so of each.
    #[serde(default)]
    pub(crate) acknowledged: u64,
    /// Messages sent of which it said neither that nor the other until the drain ended, where its protocol does.
    #[serde(default)]
    pub(crate) unanswered: u64,
    /// Notices that somebody joined, where the protocol has some; each once for each session that got it.
    #[serde(default)]
    pub(crate) joins: u64,
    /// Notices that somebody left.
    #[serde(default)]
    pub(crate) leaves: u64,
    /// Messages that are not this run's, such as notices of the server or what another run says.
    pub(crate) foreign: u64,
    /// Messages of this run that a session got which joined after they were sent: the server's history.
    pub(crate) replayed: u64,
}

impl Counts {
    /// Expected deliveries that did not come.
    pub(crate) fn missing(&self) -> Missing {
        Missing {
            skipped: self.skipped,
            outstanding: self.outstanding,
            cut_off: self.cut_off,
        }
    }

    /// Adds what another worker counted.
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.planned, other.planned),
            (&mut self.sent, other.sent),
            (&mut self.expected, other.expected),
            (&mut self.delivered, other.delivered),
            (&mut self.skipped, other.skipped),
            (&mut self.outstanding, other.outstanding),
            (&mut self.cut_off, other.cut_off),
            (&mut self.duplicated, other.duplicated),
            (&mut self.reordered, other.reordered),
            (&mut self.too_late, other.too_late),
            (&mut self.corrupted, other.corrupted),
            (&mut self.wrong_type, other.wrong_type),
            (&mut self.rejected, other.rejected),
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.unanswered, other.unanswered),
            (&mut self.joins, other.joins),
            (&mut self.leaves, other.leaves),
            (&mut self.foreign, other.foreign),
            (&mut self.replayed, other.replayed),
        ];
        for (own, others) in pairs {
            *own += others;
        }
        self.outstanding_age_ns = self.outstanding_age_ns.max(other.outstanding_age_ns);
    }
}

/// Expected deliveries that have not come, by the reason; each is explained at [`Counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Missing {
    pub(crate) skipped: u64,
    pub(crate) outstanding: u64,
    pub(crate) cut_off: u64,
}

impl Missing {
    /// All of them.
    pub(crate) fn sum(self) -> u64 {
        self.skipped + self.outstanding + self.cut_off
    }

    /// Adds another worker's.
    pub(crate) fn add(&mut self, other: Self) {
        self.skipped += other.skipped;
        self.outstanding += other.outstanding;
        self.cut_off += other.cut_off;
    }
}

impl Display for Missing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [skipped, outstanding] = [self.skipped, self.outstanding].map(count);
        write!(f, "{skipped} skipped, {outstanding} outstanding")?;
        match self.cut_off {
            0 => Ok(()),
            some => write!(f, ", {} cut off", count(some)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every count is added up, and of the ages the oldest is kept; what is missing is the
    /// difference of what was expected and what came.
    #[test]
    fn counts_are_added_up() {
        let one = serde_json::json!({
            "planned": 1, "sent": 2, "expected": 13, "delivered": 1, "skipped": 3, "outstanding": 4,
            "outstanding_age_ns": 5, "cut_off": 5, "duplicated": 6, "reordered": 7, "too_late": 8,
            "corrupted": 9, "foreign": 10, "replayed": 11,
            "wrong_type": 12, "rejected": 13, "acknowledged": 14, "unanswered": 15,
            "joins": 16, "leaves": 17
        });
        let mut sum: Counts = serde_json::from_value(one.clone()).unwrap();
        let other = Counts {
            outstanding_age_ns: 2,
            ..sum
        };
        sum.add(&other);
        for (name, value) in serde_json::to_value(sum).unwrap().as_object().unwrap() {
            let factor = if name == "outstanding_age_ns" { 1 } else { 2 };
            assert_eq!(
                value.as_u64(),
                one[name].as_u64().map(|v| v * factor),
                "{name}"
            );
        }
        assert_eq!(sum.missing().sum(), sum.expected - sum.delivered);
    }

    /// Goal: what is missing is told by its reason, and what is cut off only if there is any.
    #[test]
    fn what_is_missing_has_reasons() {
        let mut missing = Missing {
            skipped: 1_200,
            outstanding: 34,
            cut_off: 0,
        };
        assert_eq!(missing.to_string(), "1,200 skipped, 34 outstanding");
        missing.add(Missing {
            cut_off: 5,
            ..Missing::default()
        });
        let told = "1,200 skipped, 34 outstanding, 5 cut off";
        assert_eq!(
            (missing.to_string(), missing.sum()),
            (told.to_owned(), 1_239)
        );
    }
}
