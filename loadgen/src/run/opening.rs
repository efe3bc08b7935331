//! How a worker's sessions are opened: all that are to stay at the start, and those that a storm has dropped.

use crate::clock::now_ns;
use crate::load::layout::Role;
use crate::load::plan::nanoseconds;
use crate::session::fleet::{Fleet, Mode};

/// Opens all sessions that are to stay.
///
/// # Errors
/// When the ring fails.
pub(super) fn connect(fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
    let shared = fleet.shared;
    let start = now_ns();
    let due = |turn: u32| match shared.settings.connect_rate {
        Some(rate) => start + u64::from(turn) * 1_000_000_000 / u64::from(rate),
        None => start,
    };
    // Where some may be refused, those without whom there is nothing to receive come first.
    let ahead = match shared.settings.failures_max() {
        0 => 0,
        _ => shared.layout.steady() - shared.layout.subscribers,
    };
    let turn = |session: u32| (session + ahead) % shared.layout.steady();
    let steady = (0..).zip(&fleet.seats);
    let steady = steady.filter(|(_, seat)| seat.role != Role::Churner);
    let mut turns: Vec<(u32, u32)> = steady
        .map(|(index, seat)| (turn(seat.session), index))
        .collect();
    turns.sort_unstable();
    // However a server gets around to them: the others wait until those are open.
    let (before, behind) = turns.split_at(turns.partition_point(|(turn, _)| *turn < ahead));
    for part in [before, behind] {
        let wanted = part.iter().map(|&(turn, index)| (due(turn), index));
        fleet.wanted.extend(wanted);
        open_all(fleet, start)?;
    }
    fleet.mode = Mode::Running;
    Ok(())
}

/// Goes on until all that is to open is open, or the time for that, which began at `start`, is over.
///
/// # Errors
/// When the ring fails.
pub(super) fn open_all(fleet: &mut Fleet<'_>, start: u64) -> anyhow::Result<()> {
    let shared = fleet.shared;
    let until = start + nanoseconds(shared.settings.connect_timeout);
    while fleet.is_opening() && !shared.is_stopped() {
        if fleet.turn(until)? >= until {
            fleet.give_up();
        }
    }
    Ok(())
}
