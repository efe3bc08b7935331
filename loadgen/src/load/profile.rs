//! How a rate goes on over time, and so when each message is due: not by waiting out gaps, whose errors
//! would add up, but from the integral of the rate. Message `n` is due when more than `n` have been.

use std::sync::Arc;
use std::time::Duration;

use crate::load::stages::{Piece, Stages};

/// A rate over time, in straight pieces.
#[derive(Clone, Debug)]
pub(crate) struct Profile(Arc<[Part]>);

/// A piece of the rate, and how many messages are due before it and in it.
#[derive(Clone, Copy, Debug)]
struct Part {
    piece: Piece,
    before: f64,
    amount: f64,
}

impl Profile {
    /// One rate for some time.
    pub(crate) fn steady(rate: f64, length: Duration) -> Self {
        Self::of([constant(rate, length)])
    }

    /// One rate for some time, and then stages that begin with it.
    pub(crate) fn staged(rate: f64, first: Duration, stages: &Stages) -> Self {
        Self::of(
            [constant(rate, first)]
                .into_iter()
                .chain(stages.pieces(rate, first)),
        )
    }

    fn of(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut before = 0.0;
        let parts = pieces.into_iter().map(|piece| {
            let amount = f64::midpoint(piece.from, piece.to) * piece.length_s;
            let part = Part {
                piece,
                before,
                amount,
            };
            before += amount;
            part
        });
        Self(parts.collect())
    }

    /// Messages that are due in all.
    pub(crate) fn total(&self) -> f64 {
        self.0.last().map_or(0.0, |part| part.before + part.amount)
    }

    /// Seconds from the start until as many messages have been due as stand before a place; none if that
    /// never happens.
    pub(crate) fn due_s(&self, place: f64) -> Option<f64> {
        // A piece in which nothing is due holds no place, so that one at its beginning is due after it.
        let index = self
            .0
            .partition_point(|part| part.before + part.amount <= place);
        let part = self.0.get(index)?;
        Some(part.piece.start_s + part.seconds_to(place - part.before))
    }
}

fn constant(rate: f64, length: Duration) -> Piece {
    Piece {
        start_s: 0.0,
        length_s: length.as_secs_f64(),
        from: rate,
        to: rate,
    }
}

impl Part {
    /// Seconds into the piece until so many messages have been due in it, less than its amount.
    ///
    /// A ramp from `a` to `b` over `d` has had `a t + (b - a) t^2 / 2d` after `t`. The quadratic is solved in
    /// the form that subtracts nothing from its like: from the start where the rate rises, and from the end
    /// where it falls.
    fn seconds_to(&self, messages: f64) -> f64 {
        let Piece {
            length_s, from, to, ..
        } = self.piece;
        let slope = (to - from).abs() / length_s;
        let solve = |rate: f64, messages: f64| match messages > 0.0 {
            true => 2.0 * messages / (rate + (rate * rate + 2.0 * slope * messages).sqrt()),
            false => 0.0,
        };
        if from == to {
            messages / from
        } else if from < to {
            solve(from, messages)
        } else {
            length_s - solve(to, self.amount - messages)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(rate: f64, first_s: u64, stages: &str) -> Profile {
        Profile::staged(rate, Duration::from_secs(first_s), &stages.parse().unwrap())
    }

    /// Goal: each message is due when the area below the rate says so, on the way up, level and down.
    #[test]
    fn messages_are_due_by_the_area() {
        let profile = profile(0.0, 0, "30s:100,10s:100,50s:0");
        // Up: 100/60 t^2. Then 1,500 are due, 1,000 level, and 2,500 down: 100 t - t^2.
        for place in [0.0, 1.0, 375.0, 1_499.0] {
            let due_s: f64 = profile.due_s(place).unwrap();
            assert!(
                (due_s - (place * 0.6).sqrt()).abs() < 1e-9,
                "{place}: {due_s}"
            );
        }
        assert_eq!(profile.due_s(1_600.0), Some(31.0));
        for into in [1.0, 25.0, 49.0, 49.99] {
            let place: f64 = 2_500.0 + 100.0 * into - into * into;
            let due_s = profile.due_s(place).unwrap();
            assert!((due_s - 40.0 - into).abs() < 1e-6, "{into}: {due_s}");
        }
        assert_eq!(profile.due_s(5_000.0), None);
    }

    /// Goal: what would be due in a pause is due after it, and jumps take no time.
    #[test]
    fn pauses_and_jumps_are_kept() {
        let paused = profile(0.0, 5, "10s:0,0s:10,10s:10,0s:0,10s:0,0s:20,1s:20");
        for (place, expected_s) in [(0.0, 15.0), (99.0, 24.9), (100.0, 35.0), (119.0, 35.95)] {
            let due_s: f64 = paused.due_s(place).unwrap();
            assert!((due_s - expected_s).abs() < 1e-9, "{place}: {due_s}");
        }
        assert_eq!(paused.due_s(120.0), None);
        let steady = Profile::steady(3.0, Duration::from_secs(2));
        assert_eq!(steady.due_s(5.0), Some(5.0 / 3.0));
        assert_eq!(steady.due_s(6.0), None);
    }
}
