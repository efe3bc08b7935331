//! Sessions that come and go by stages (`--session-stages`): how many are to be there, and who does what
//! when. The first to come are the last to go.

use std::time::Duration;

use crate::load::plan::nanoseconds;
use crate::load::stages::{Piece, Stages};

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Join,
    Leave,
}

/// The number of sessions over time.
#[derive(Clone, Debug)]
pub(crate) struct Tide {
    start_ns: u64,
    pieces: Vec<Piece>,
}

impl Tide {
    /// Stages from a time on, with nobody there before.
    pub(crate) fn new(stages: &Stages, start_ns: u64) -> Self {
        Self {
            start_ns,
            pieces: stages.pieces(0.0, Duration::ZERO).collect(),
        }
    }

    /// How many are to be there at a time.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of sessions, and times of days"
    )]
    pub(crate) fn level(&self, now_ns: u64) -> u64 {
        let Some(after_ns) = now_ns.checked_sub(self.start_ns) else {
            return 0;
        };
        let now_s = after_ns as f64 / 1e9;
        let begun = self
            .pieces
            .iter()
            .take_while(|piece| piece.start_s <= now_s);
        let Some(piece) = begun.last() else {
            return 0;
        };
        let share = match piece.length_s > 0.0 {
            true => ((now_s - piece.start_s) / piece.length_s).min(1.0),
            false => 1.0,
        };
        (piece.from + (piece.to - piece.from) * share) as u64
    }

    /// When a session, by its number from 0 on, comes and goes, in order.
    pub(crate) fn moves(&self, number: u32) -> Vec<(u64, Move)> {
        // It is there as long as so many are.
        let level = f64::from(number) + 1.0;
        let crossing = |piece: &Piece| {
            let share = (level - piece.from) / (piece.to - piece.from);
            let after_s = piece.start_s + piece.length_s * share;
            let after = Duration::from_secs_f64(after_s);
            self.start_ns + nanoseconds(after)
        };
        let moves = self.pieces.iter().filter_map(|piece| {
            if piece.from < level && level <= piece.to {
                Some((crossing(piece), Move::Join))
            } else if piece.to < level && level <= piece.from {
                Some((crossing(piece), Move::Leave))
            } else {
                None
            }
        });
        moves.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_NS: u64 = 5_000_000_000;
    const SECOND_NS: u64 = 1_000_000_000;

    fn tide(stages: &str) -> Tide {
        Tide::new(&stages.parse().unwrap(), START_NS)
    }

    /// Goal: sessions come and go when the stages say, the first as the last, and at every moment as many
    /// are there as are to be.
    #[test]
    fn as_many_are_there_as_are_to_be() {
        let tide = tide("10s:20,10s:20,5s:5,0s:12,5s:0");
        let moves: Vec<_> = (0..20).map(|number| tide.moves(number)).collect();
        assert_eq!(
            moves[0],
            [
                (START_NS + SECOND_NS / 2, Move::Join),
                (START_NS + 25 * SECOND_NS + 55 * SECOND_NS / 12, Move::Leave)
            ]
        );
        assert_eq!(moves[19].len(), 2);
        assert_eq!(
            moves[10].len(),
            4,
            "leaves, comes back with the jump, and leaves"
        );
        for ms in (0..40_000).step_by(7) {
            let now_ns = START_NS + ms * 1_000_000;
            let is_there = |moves: &&Vec<(u64, Move)>| {
                let last = moves.iter().rfind(|(due_ns, _)| *due_ns <= now_ns);
                last.is_some_and(|(_, last)| *last == Move::Join)
            };
            let there = moves.iter().filter(is_there).count() as u64;
            assert!(there.abs_diff(tide.level(now_ns)) <= 1, "{ms} ms: {there}");
        }
    }

    /// Goal: nobody is there before the stages, and after them those of the last target.
    #[test]
    fn the_last_level_stays() {
        let tide = tide("1s:3,1s:2");
        assert_eq!(tide.level(START_NS - 1), 0);
        assert_eq!(tide.level(START_NS + SECOND_NS), 3);
        assert_eq!(tide.level(START_NS + 100 * SECOND_NS), 2);
    }
}
