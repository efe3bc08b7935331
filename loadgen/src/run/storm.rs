//! A storm as the sessions of a worker see it: all are dropped at once, and come back at once. If they are to miss
//! something, publishers stay, and publish it before the others may come back.

use crate::books::payload::Payload;
use crate::clock::now_ns;
use crate::load::layout::Role;
use crate::load::plan::nanoseconds;
use crate::run::opening::open_all;
use crate::run::publish::write;
use crate::session::fleet::{Fleet, Mode};
use crate::shared::Milestone;

/// Messages of one publisher that may wait for an answer at once while the others are away.
const UNANSWERED_MAX: u64 = 16;

/// How long to wait before looking again, in nanoseconds.
const LOOK_NS: u64 = 5_000_000;

/// Goes through the storm, until all are back and have what they are given.
///
/// # Errors
/// When the ring fails.
pub(super) fn go_through(fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
    let shared = fleet.shared;
    let is_missed = shared.settings.missed > 0;
    let dropped = match is_missed {
        true => fleet.drop_all(&[Role::Subscriber, Role::Slow]),
        false => fleet.drop_all(&[Role::Subscriber, Role::Slow, Role::Publisher]),
    };
    if is_missed {
        shared.reached(Milestone::Dropped);
        wait(fleet, u64::MAX, |_| shared.storm.are_all_away())?;
        publish_missed(fleet)?;
        shared.reached(Milestone::Published);
        wait(fleet, u64::MAX, |_| shared.storm.return_ns().is_some())?;
    }
    let start = shared.storm.back_since_ns().unwrap_or_else(now_ns);
    let wanted = dropped.into_iter().map(|slot| (start, slot));
    fleet.wanted.extend(wanted);
    open_all(fleet, start)?;
    fleet.mode = Mode::Running;
    // What was promised and has not come then, is lost.
    let until = now_ns() + nanoseconds(shared.settings.drain);
    wait(fleet, until, |fleet| fleet.tally.awaited() == 0)
}

/// Publishes what others miss, as fast as it is acknowledged; not for longer than it may take to connect.
fn publish_missed(fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
    let shared = fleet.shared;
    let until = now_ns() + nanoseconds(shared.settings.connect_timeout);
    let own = (0..fleet.seats.len()).filter_map(|index| {
        let publisher = shared.layout.publisher_of(fleet.seats[index].session)?;
        Some((index, publisher))
    });
    let own: Vec<(usize, u32)> = own.collect();
    let mut payload = Vec::new();
    wait(fleet, until, |fleet| {
        for &(index, publisher) in &own {
            publish_some(fleet, (index, publisher), &mut payload);
        }
        let has_published = |&(index, publisher): &(usize, u32)| {
            let is_there = fleet.seats[index].is_open();
            !is_there || shared.sent.of(publisher) >= shared.missed_of(publisher)
        };
        own.iter().all(has_published) && fleet.is_answered() && fleet.queued_bytes == 0
    })
}

/// Publishes as much of a publisher's share as may be unanswered.
fn publish_some(fleet: &mut Fleet<'_>, (index, publisher): (usize, u32), payload: &mut Vec<u8>) {
    let shared = fleet.shared;
    loop {
        let sequence = shared.sent.of(publisher);
        let seat = &fleet.seats[index];
        let connection = seat.connection.as_ref().filter(|_| seat.is_open());
        let may = connection.is_some_and(|connection| connection.unanswered() < UNANSWERED_MAX);
        if !may || sequence >= shared.missed_of(publisher) || !fleet.has_room(index) {
            return;
        }
        let planned_ns = now_ns();
        let message = Payload {
            publisher,
            sequence,
            planned_ns,
        };
        write(shared, message, payload);
        fleet.interval.planned += 1;
        // Before the message is on its way: whoever receives it must find that it was sent.
        shared.sent.set(publisher, sequence + 1);
        fleet.publish(index, payload, planned_ns);
    }
}

/// Goes on until something is so, or a time has come.
fn wait(
    fleet: &mut Fleet<'_>,
    until_ns: u64,
    mut is_over: impl FnMut(&mut Fleet<'_>) -> bool,
) -> anyhow::Result<()> {
    let mut now = now_ns();
    while !is_over(fleet) && now < until_ns && !fleet.shared.is_stopped() {
        now = fleet.turn(until_ns.min(now + LOOK_NS))?;
    }
    Ok(())
}
