//! The course of a run: witnesses first, then the crowd, then either rest or a stop, then the end.

use std::collections::HashMap;
use std::time::Duration;

use fanring::config::SlowConsumer;
use fanring::metrics::ShardMetrics;
use fanring::shard::clock::SLACK;

use crate::books::{check_credit, check_members};
use crate::client::Client;
use crate::counts::Counts;
use crate::decode::Entry;
use crate::hearing::{Sorter, check_presence};
use crate::order::{Announced, Hall, Moment, Spared};
use crate::roles::{Role, Stage};
use crate::stay::Stay;
use crate::trace;
use crate::world::World;

/// Steps after which a run that should have come to rest has not.
const REST_STEPS_MAX: u32 = 6000;

/// The longest time between two of them.
const REST_STEP_MAX: Duration = Duration::from_millis(10);

/// How long the event loop gives goodbyes.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Runs a seed and says what happened in it; an error says which invariant was broken.
pub(crate) fn run(seed: u64) -> Result<Counts, String> {
    let mut world = World::new(seed);
    witnesses_first(&mut world)?;
    crowd(&mut world)?;
    if world.settings.stop {
        stop(&mut world)?;
    } else {
        rest(&mut world)?;
        check_members(&world)?;
        check_rooms(&world, Moment::Rest)?;
        leave(&mut world)?;
    }
    check_rooms(&world, Moment::Busy)?;
    check_nothing_left(&world)?;
    count_heard(&mut world)?;
    Ok(world.counts)
}

/// Everybody was where it heard something.
fn count_heard(world: &mut World) -> Result<(), String> {
    let counts = &mut world.counts;
    for client in &world.clients {
        let notices = check_presence(client, &world.clients);
        counts.notices_elsewhere +=
            notices.map_err(|why| format!("client {}: {why}", client.number))?;
        let of_several = client.received.iter().filter(|heard| {
            let is_gap = matches!(heard.entry, Entry::Gap(_));
            is_gap && client.stays.iter().any(|stay| stay.covers(heard.at))
        });
        counts.gaps_of_several += of_several.count() as u64;
        counts.left_with_a_word += u64::from(client.last_words);
    }
    Ok(())
}

fn witnesses_first(world: &mut World) -> Result<(), String> {
    let is_witness = |client: &Client| client.role == Role::Witness;
    for number in 0..world.clients.len() {
        if is_witness(&world.clients[number]) {
            world.connect(number);
        }
    }
    for _ in 0..REST_STEPS_MAX {
        if (world.clients.iter()).all(|client| !is_witness(client) || client.is_open()) {
            return Ok(());
        }
        world.exchange(false)?;
        take_step(world)?;
    }
    Err("the witnesses were not let in".to_owned())
}

fn crowd(world: &mut World) -> Result<(), String> {
    for step in 0..world.settings.steps {
        trace!("step {step} at {:?}", world.now);
        for number in 0..world.clients.len() {
            let absent = world.clients[number].stage == Stage::Absent;
            if absent && world.rng.u32(..world.settings.steps / 3) == 0 {
                world.connect(number);
            }
        }
        world.exchange(false)?;
        world.act();
        world.desert_rooms();
        world.stall()?;
        take_step(world)?;
    }
    Ok(())
}

/// One step, after which what always holds is looked at.
fn take_step(world: &mut World) -> Result<(), String> {
    world.step()?;
    check_causes(world)?;
    check_invariants(world)
}

fn check_invariants(world: &World) -> Result<(), String> {
    (world.shards.iter()).try_for_each(|shard| shard.check_invariants())?;
    check_credit(world)
}

/// Nobody says anything new, everybody reads: all of it arrives, and everything rests.
fn rest(world: &mut World) -> Result<(), String> {
    trace!("rest");
    world.kernel.calm_down();
    world.settings.manners.roam = 0;
    // With many clients and long steps somebody is always being pinged.
    world.settings.step_max = world.settings.step_max.min(REST_STEP_MAX);
    for client in &mut world.clients {
        client.stalled = false;
    }
    let mut quiet_steps = 0;
    for step in 0..REST_STEPS_MAX {
        if step < 10 {
            world.leave_one();
        }
        world.exchange(true)?;
        take_step(world)?;
        let settled = |client: &Client| {
            client.is_settled(&world.kernel) || (client.parted && client.stage != Stage::Leaving)
        };
        if world.is_quiet() && world.clients.iter().all(settled) {
            quiet_steps += 1;
            if quiet_steps == 5 {
                // A room that is held for slow members is looked at again only after a while.
                let step_max = world.settings.step_max;
                world.now += Duration::from_millis(200).saturating_sub(5 * step_max);
            }
        } else {
            // Not from 0 on: with short intervals somebody is being pinged every now and then.
            quiet_steps = u32::saturating_sub(quiet_steps, 1);
        }
        // Long enough to hear of those who have just left.
        if quiet_steps >= 15 {
            return Ok(());
        }
    }
    let busy = (world.clients.iter())
        .filter(|client| !client.is_settled(&world.kernel))
        .map(|client| (client.number, client.stage));
    Err(format!(
        "clients {:?} do not come to rest",
        busy.collect::<Vec<_>>()
    ))
}

fn leave(world: &mut World) -> Result<(), String> {
    trace!("everybody leaves");
    world.leave_all(false);
    // Strangers who said only half of what they wanted are gone after their deadline.
    run_until_empty(world, 20, false)?;
    world.leave_all(true);
    run_until_empty(world, 20, true)
}

fn run_until_empty(world: &mut World, seconds: u64, everybody: bool) -> Result<(), String> {
    let until = world.now + Duration::from_secs(seconds);
    while world.now < until {
        world.exchange(true)?;
        take_step(world)?;
        let empty = world.shards.iter().all(|shard| shard.is_empty());
        if world.is_quiet() && (empty || !everybody && only_witnesses(world)) {
            break;
        }
        world.now += Duration::from_millis(20);
    }
    Ok(())
}

fn only_witnesses(world: &World) -> bool {
    (world.clients.iter()).all(|client| {
        client.role == Role::Witness || matches!(client.stage, Stage::Ended | Stage::Absent)
    })
}

/// The server stops: everybody who is open is told so, and after the deadline nothing is left.
fn stop(world: &mut World) -> Result<(), String> {
    trace!("stop");
    world.kernel.calm_down();
    let open: Vec<usize> = (0..world.clients.len())
        .filter(|&number| {
            let client = &world.clients[number];
            client.is_open() && client.close_code.is_none() && client.role != Role::Rude
        })
        .collect();
    world.stop();
    for client in &mut world.clients {
        client.parted = true;
        client.stalled = false;
    }
    let deadline = world.now + STOP_TIMEOUT;
    while world.now < deadline {
        world.exchange(true)?;
        take_step(world)?;
    }
    for number in open {
        let client = &world.clients[number];
        // Through a small window the rest of a large frame may take longer than the stop.
        let slow = world.kernel.was_full(client.connection);
        if !slow && client.close_code != Some(1001) {
            let code = client.close_code;
            return Err(format!(
                "client {number} was not told of the stop: {code:?}"
            ));
        }
    }
    for shard in &mut world.shards {
        shard.handle_stop_deadline();
        shard.handle_drained();
    }
    // As long as a narrow mesh takes to tell all homes who has gone.
    for step in 0..REST_STEPS_MAX {
        if step >= 50 && world.is_quiet() {
            break;
        }
        world.exchange(true)?;
        take_step(world)?;
    }
    Ok(())
}

/// Whoever was refused, told off or dropped gave a reason for it.
fn check_causes(world: &World) -> Result<(), String> {
    // Ticks are coarse, and of each stall the clock of a shard counts a little.
    let slack = Duration::from_millis(300) + SLACK * world.stalls;
    for client in world.clients.iter().filter(|client| !client.parted) {
        let was_full = client.connection != usize::MAX && world.kernel.was_full(client.connection);
        let slow = was_full && world.settings.config.slow_consumer == SlowConsumer::Close;
        let right = match (client.refused, client.close_code) {
            (Some(503), _) => world.settings.crowded,
            (Some(_), _) => false,
            (None, Some(4001)) => slow,
            // It neither wrote nor read anything for the whole timeout, or read nothing: who does not take
            // what it is owed is not listened to.
            (None, Some(1001)) => {
                let silent = client.mute_max.max(client.deaf_max);
                silent + slack >= world.settings.config.idle_timeout
            }
            (None, Some(_)) => false,
            // One who was told, but did not read it in time, or has never got so far.
            (None, None) => client.stage != Stage::Ended || (client.hasty && client.was_stalled),
        };
        if !right {
            return Err(format!(
                "client {} was refused with {:?}, closed with {:?} or dropped ({:?}) for no reason",
                client.number, client.refused, client.close_code, client.stage
            ));
        }
    }
    Ok(())
}

fn check_rooms(world: &World, moment: Moment) -> Result<(), String> {
    let announced = match world.settings.config.presence_members_max {
        2000 => Announced::All,
        _ => Announced::Some,
    };
    let sorter = Sorter::new(&world.clients);
    let mut spared = HashMap::new();
    for room in 0..world.names.len() {
        let authors = world.clients.iter().filter(|client| client.room == room);
        let hall = Hall {
            authors: authors.collect(),
            hearings: sorter.of_room(room)?,
            moment,
            announced,
        };
        hall.check(&mut spared)
            .map_err(|why| format!("room {room}: {why}"))?;
    }
    (world.clients.iter())
        .filter_map(|client| Some((client, *spared.get(&client.number)?)))
        .try_for_each(|(client, spared)| check_spared(client, spared, moment))
}

/// What a client was told that it missed is what it missed in all its rooms.
fn check_spared(client: &Client, spared: Spared, moment: Moment) -> Result<(), String> {
    let told = client.received.iter().map(|heard| match heard.entry {
        Entry::Gap(missed) => missed,
        _ => 0,
    });
    let told: u64 = told.sum();
    let is_known = moment == Moment::Rest && client.is_open();
    let is_all = is_known && client.stays.iter().all(Stay::is_in);
    if spared.least > told || (is_all && spared.is_exact && spared.least < told) {
        let number = client.number;
        trace!(
            "client {number} heard {:?} in {:?}",
            client.received, client.stays
        );
        return Err(format!(
            "client {number} missed {spared:?}, and was told of {told}"
        ));
    }
    Ok(())
}

fn check_nothing_left(world: &World) -> Result<(), String> {
    let open = world.kernel.open_connections();
    if !open.is_empty() && !world.settings.stop {
        return Err(format!("connections {open:?} were never closed"));
    }
    for (number, shard) in world.shards.iter().enumerate() {
        if !shard.is_empty() || shard.operations() > 0 || shard.has_work() {
            return Err(format!("shard {number} still has something to do"));
        }
        shard.publish_gauges();
        let metrics = &world.metrics[number];
        check_ends(metrics).map_err(|why| format!("shard {number}: {why}"))?;
        for (what, gauge) in [
            ("connections", &metrics.connections),
            ("sessions", &metrics.sessions),
            ("operations", &metrics.operations),
            ("rooms", &metrics.rooms),
        ] {
            if gauge.get() > 0 {
                return Err(format!("shard {number} ends with {} {what}", gauge.get()));
            }
        }
    }
    if world.is_quiet() {
        Ok(())
    } else {
        Err("messages are still under way".to_owned())
    }
}

/// Every session that was opened has ended in one of the ways that are counted, and every refusal
/// has its status.
fn check_ends(metrics: &ShardMetrics) -> Result<(), String> {
    let closed: u64 = metrics.closes.figures().map(|(_, count)| count).sum();
    let left = metrics.peer_closed.get() + metrics.lost.get();
    let opened = metrics.opened.get();
    if closed + left != opened {
        return Err(format!(
            "of {opened} sessions {closed} were closed and {left} left"
        ));
    }
    let refused: u64 = metrics.refusals.figures().map(|(_, count)| count).sum();
    if refused != metrics.refused.get() {
        return Err(format!("{refused} refusals by status, {metrics:?}"));
    }
    Ok(())
}
