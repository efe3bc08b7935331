//! The subscribers of one worker that come and go by stages (`--session-stages`).

use crate::load::layout::Role;
use crate::load::plan::Plan;
use crate::load::tide::{Move, Tide};
use crate::session::fleet::Fleet;

/// Who comes or goes when, in order of time.
pub(crate) struct Guests {
    /// Times, seats in the fleet, and what they do.
    moves: Vec<(u64, usize, Move)>,
    next: usize,
}

impl Guests {
    pub(crate) fn new(fleet: &Fleet<'_>, plan: &Plan) -> Self {
        let shared = fleet.shared;
        let stages = &shared.settings.pace.session_stages;
        let tide = Tide::new(stages, plan.measure_start_ns());
        let first = shared.layout.steady();
        let mut moves = Vec::new();
        for (index, seat) in fleet.seats.iter().enumerate() {
            if seat.role == Role::Churner {
                let own = tide.moves(seat.session - first).into_iter();
                moves.extend(own.map(|(due_ns, what)| (due_ns, index, what)));
            }
        }
        // What one session does at one moment stays in its order.
        moves.sort_by_key(|(due_ns, ..)| *due_ns);
        Self { moves, next: 0 }
    }

    /// When the next of them comes or goes.
    pub(crate) fn next_ns(&self) -> u64 {
        self.moves
            .get(self.next)
            .map_or(u64::MAX, |(due_ns, ..)| *due_ns)
    }

    /// Lets those come and go whose time it is.
    pub(crate) fn act(&mut self, fleet: &mut Fleet<'_>, now: u64) {
        while self.next_ns() <= now {
            let (due_ns, index, what) = self.moves[self.next];
            self.next += 1;
            match what {
                Move::Join => join(fleet, index, due_ns),
                Move::Leave => leave(fleet, index),
            }
        }
    }
}

fn join(fleet: &mut Fleet<'_>, index: usize, due_ns: u64) {
    // Whoever is still about to leave has had the time for it.
    fleet.force_out(index);
    fleet.wanted.push_back((due_ns, slot(index)));
}

fn leave(fleet: &mut Fleet<'_>, index: usize) {
    if fleet.seats[index].is_open() {
        return fleet.leave(index);
    }
    // It has not come far enough to say goodbye, or has not even begun.
    fleet.wanted.retain(|(_, wanted)| *wanted != slot(index));
    fleet.withdraw(index);
}

fn slot(index: usize) -> u32 {
    u32::try_from(index).expect("more seats than a ring has slots are refused")
}
