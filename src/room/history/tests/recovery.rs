//! What somebody is told who comes back, case by case.

use self::Answer::{Lost, Told};
use self::Named::{Other, Own, Unnamed, Void};
use super::Step::{self, GiveWay, Notices, Remove, Say, Vanish, Wait};
use super::{Bench, EPOCH, OTHER, RETENTION, missed, told};
use crate::room::history::EpochClaim;

/// The epoch that somebody names.
#[derive(Debug, Clone, Copy)]
enum Named {
    /// The room's.
    Own,
    /// None.
    Unnamed,
    /// That of another incarnation.
    Other,
    /// What says that all that is known is void.
    Void,
}

/// What is told.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// That not all is there.
    Lost,
    /// That this was missed.
    Told(&'static [u64]),
}

/// What has happened, the offset and the epoch that somebody knows, and what is told.
type Case = (&'static str, &'static [Step], u64, Named, Answer);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("at the top", &[Say(3)], 3, Own, Told(&[])),
    ("one missed", &[Say(3)], 2, Own, Told(&[3])),
    ("all missed", &[Say(3)], 0, Own, Told(&[1, 2, 3])),
    ("everything there is", &[Say(3)], 0, Unnamed, Told(&[1, 2, 3])),
    ("no epoch named", &[Say(3)], 1, Unnamed, Told(&[2, 3])),
    ("another epoch", &[Say(3)], 2, Other, Lost),
    ("another epoch, at the top", &[Say(3)], 3, Other, Lost),
    ("what says that all is void", &[Say(3)], 3, Void, Lost),
    ("above the top", &[Say(3)], 4, Own, Lost),
    ("above the top, no epoch", &[Say(3)], u64::MAX, Unnamed, Lost),
    ("a room never used", &[], 0, Own, Told(&[])),
    ("a room never used, any epoch", &[], 0, Unnamed, Told(&[])),
    ("a room never used, another's", &[], 0, Other, Lost),
    ("a room never used, a place", &[], 1, Unnamed, Lost),
    ("before the first message", &[Notices, Say(2)], 0, Own, Told(&[1, 2])),
    ("joins and leaves between", &[Say(1), Notices, Say(1), Notices, Say(1), Notices], 1, Own, Told(&[2, 3])),
    ("nothing but notices", &[Say(1), Notices], 1, Own, Told(&[])),
    ("the oldest kept", &[Say(8)], 3, Own, Told(&[4, 5, 6, 7, 8])),
    ("one more than is kept", &[Say(8)], 2, Own, Lost),
    ("everything of a long room", &[Say(8)], 0, Unnamed, Lost),
    ("expired", &[Say(3), Wait(300)], 2, Own, Lost),
    ("expired, at the top", &[Say(3), Wait(300)], 3, Own, Told(&[])),
    ("just in time", &[Say(3), Wait(299)], 1, Own, Told(&[2, 3])),
    ("the time of all begins with the newest", &[Say(1), Wait(200), Say(1), Wait(200)], 0, Own, Told(&[1, 2])),
    ("expired, and more said", &[Say(3), Wait(300), Say(1)], 2, Own, Lost),
    ("what was said since", &[Say(3), Wait(300), Say(1)], 3, Own, Told(&[4])),
    ("removed", &[Say(3), Remove], 2, Own, Lost),
    ("removed, at the top", &[Say(3), Remove], 3, Own, Told(&[])),
    ("removed, and more said", &[Say(3), Remove, Say(2)], 2, Own, Lost),
    ("said since it was removed", &[Say(3), Remove, Say(2)], 3, Own, Told(&[4, 5])),
    ("gave way", &[Say(3), GiveWay, GiveWay], 1, Own, Lost),
    ("what did not give way", &[Say(3), GiveWay, GiveWay], 2, Own, Told(&[3])),
    ("the room was gone", &[Say(3), Vanish, Say(1)], 3, Own, Told(&[4])),
    ("the room was gone, before", &[Say(3), Vanish], 2, Own, Lost),
    ("the room was gone, at the top", &[Say(3), Vanish], 3, Own, Told(&[])),
];

/// Goal: somebody who comes back gets all that was missed, in order and once, or is told that it is lost;
/// never a part, never what is no longer kept, and never what is not a message.
#[test]
fn recovery_has_all_or_nothing() {
    for &(what, steps, offset, named, answer) in CASES {
        let epoch = match named {
            Own => told(EPOCH),
            Unnamed => EpochClaim::Any,
            Other => told(OTHER),
            Void => EpochClaim::of("_"),
        };
        let expected = match answer {
            Lost => None,
            Told(missed) => Some(missed),
        };
        let mut bench = Bench::run(RETENTION, steps);
        let found = missed(bench.recover(offset, epoch));
        assert_eq!(found.as_deref(), expected, "{what}");
        // Whoever asks next is told the same, and what others have been told does no harm.
        let again = missed(bench.recover(offset, epoch));
        assert_eq!(again.as_deref(), expected, "{what}, again");
        bench.step(Say(1));
        bench.history.check(bench.position().top).unwrap();
    }
}
