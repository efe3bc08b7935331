//! Names those who waited longest, out of the books of all workers.

use std::cmp::Reverse;

use crate::books::waiting::Waits;
use crate::load::layout::Layout;
use crate::results::model::slowest::{Laggard, Slowest};

/// How many are named.
const NAMED_MAX: usize = 5;

/// The slowest of the sessions with these waits, and of their rooms.
pub(crate) fn slowest(layout: &Layout, waits: impl Iterator<Item = (u32, Waits)>) -> Slowest {
    let mut rooms = vec![Waits::default(); layout.rooms as usize];
    let mut sessions = Vec::new();
    for (session, waits) in waits {
        let room = layout.room(session);
        rooms[room as usize].add(&waits);
        sessions.push(laggard(Some(session), room, &waits));
    }
    let rooms = (0..)
        .zip(&rooms)
        .map(|(room, waits)| laggard(None, room, waits));
    Slowest {
        sessions: first(sessions),
        rooms: match layout.rooms {
            0 | 1 => Vec::new(),
            _ => first(rooms.collect()),
        },
    }
}

fn laggard(session: Option<u32>, room: u32, waits: &Waits) -> Laggard {
    Laggard {
        session,
        room,
        deliveries: waits.count,
        mean_ns: waits.mean_ns(),
        max_ns: waits.max_ns,
    }
}

/// The slowest of those who got anything; of equals, the one with the lower number.
fn first(mut all: Vec<Laggard>) -> Vec<Laggard> {
    all.retain(|one| one.deliveries > 0);
    all.sort_by_key(|one| (Reverse((one.mean_ns, one.max_ns)), one.session, one.room));
    all.truncate(NAMED_MAX);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the five with the longest means are named, slowest first, whichever worker had them, and
    /// rooms are what their sessions are together.
    #[test]
    fn the_slowest_are_named() {
        let mut layout = Layout {
            subscribers: 12,
            slow: 0,
            publishers: 3,
            churners: 0,
            rooms: 3,
            everybody_publishes: false,
            self_delivery: false,
        };
        let waits = |session: u32| {
            let mean_ns = if session == 7 {
                900
            } else {
                u64::from(session)
            };
            let waits = Waits {
                count: 2,
                sum_ns: 2 * mean_ns,
                max_ns: mean_ns + 5,
            };
            (
                session,
                if session == 11 {
                    Waits::default()
                } else {
                    waits
                },
            )
        };
        let found = slowest(&layout, (0..12).rev().map(waits));
        let numbers: Vec<_> = found
            .sessions
            .iter()
            .map(|one| one.session.unwrap())
            .collect();
        assert_eq!(numbers, [7, 10, 9, 8, 6]);
        let first = Laggard {
            session: Some(7),
            room: 1,
            deliveries: 2,
            mean_ns: 900,
            max_ns: 905,
        };
        assert_eq!(found.sessions[0], first);
        let rooms: Vec<_> = found
            .rooms
            .iter()
            .map(|one| (one.room, one.deliveries, one.mean_ns))
            .collect();
        assert_eq!(
            rooms,
            [(1, 8, (1 + 4 + 900 + 10) / 4), (2, 6, 5), (0, 8, 4)]
        );
        layout.rooms = 1;
        assert!(slowest(&layout, (0..12).map(waits)).rooms.is_empty());
    }
}
