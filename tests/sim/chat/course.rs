//! The course of a run: the witness first, then everybody, then rest, then the end.

use std::time::Duration;

use super::checks::{check_gone, check_nobody_left, check_nothing_left, check_rest};
use super::tally::Tally;
use super::world::World;
use crate::roles::Leave;
use crate::support::chat::saying::Form;
use crate::trace;

/// Steps after which a run that should have come to rest has not.
const REST_STEPS_MAX: u32 = 3000;

/// The longest time between two of them: short enough that none counts as a standstill.
const REST_STEP_MAX: Duration = Duration::from_millis(250);

/// The same once nothing is left to be done, as far as can be seen.
const QUIET_STEP_MAX: Duration = Duration::from_millis(10);

/// How long goodbyes have.
const STOP_TIMEOUT: Duration = Duration::from_secs(7);

/// Runs a seed and says what happened in it; an error says what was not as it has to be.
pub(crate) fn run(seed: u64) -> Result<Tally, String> {
    play(seed).map(|world| world.tally)
}

/// Runs a seed and says by a number what happened in it.
pub(crate) fn digest(seed: u64) -> Result<u64, String> {
    play(seed).map(|world| world.digest())
}

fn play(seed: u64) -> Result<World, String> {
    let mut world = World::new(seed);
    if world.has_witness() {
        world.seat_witness();
        settle(&mut world)?;
    }
    for step in 0..world.settings.steps {
        trace!("step {step} at {:?}", world.now);
        world.act()?;
        world.exchange(false)?;
        world.stall()?;
        world.step()?;
    }
    rest(&mut world)?;
    match world.settings.stops {
        true => stop(&mut world)?,
        false => leave(&mut world)?,
    }
    check_gone(&mut world)?;
    world.tally.full += u64::from(world.settings.is_full);
    Ok(world)
}

/// Until the witness is in its rooms.
fn settle(world: &mut World) -> Result<(), String> {
    for _ in 0..REST_STEPS_MAX {
        let is_in = world.actors[0].sdk().is_some_and(|sdk| sdk.is_answered());
        if world.actors[0].is_open() && is_in {
            return Ok(());
        }
        world.exchange(false)?;
        world.step()?;
    }
    Err("the witness was not let in".to_owned())
}

/// Nobody says anything new, everybody reads and comes back: all of it arrives.
fn rest(world: &mut World) -> Result<(), String> {
    trace!("rest");
    world.kernel.calm_down();
    world.settings.step_max = REST_STEP_MAX;
    come_to_rest(world)?;
    trace!("who is there?");
    world.answers.clear();
    let ledger = &world.ledger;
    let mut sdks = world.actors.iter_mut().filter_map(|actor| actor.sdk_mut());
    if let Some(sdk) = sdks.next() {
        for room in 0..ledger.rooms.len() {
            sdk.ask_who(room, ledger);
        }
    }
    come_to_rest(world)?;
    check_rest(world)
}

fn come_to_rest(world: &mut World) -> Result<(), String> {
    let mut quiet_steps = 0;
    for _ in 0..REST_STEPS_MAX {
        world.gather();
        world.exchange(true)?;
        world.step()?;
        let is_gathered = world.is_gathered();
        // In a long time somebody is always pinged.
        world.settings.step_max = match is_gathered {
            true => QUIET_STEP_MAX,
            false => REST_STEP_MAX,
        };
        quiet_steps = match is_gathered {
            true => quiet_steps + 1,
            false => u32::saturating_sub(quiet_steps, 1),
        };
        if quiet_steps >= 8 {
            return Ok(());
        }
    }
    let busy = (world.actors.iter())
        .filter(|actor| !actor.is_open() || !actor.is_settled(&world.kernel))
        .map(|actor| (actor.number, actor.stage));
    let missed = (world.actors.iter())
        .filter_map(|actor| Some((actor.number, actor.sdk()?.missed())))
        .filter(|(_, missed)| !missed.is_empty());
    let (busy, missed): (Vec<_>, Vec<_>) = (busy.collect(), missed.collect());
    Err(format!(
        "they do not come to rest: {busy:?}, rooms are missed: {missed:?}"
    ))
}

/// The server stops while clients publish: each of them is told to come back, and nothing of it is left.
fn stop(world: &mut World) -> Result<(), String> {
    trace!("stop");
    let ledger = &mut world.ledger;
    for sdk in world.actors.iter_mut().filter_map(|actor| actor.sdk_mut()) {
        sdk.publish(0, Form::Object, 10, ledger);
    }
    world.is_stopping = true;
    let deadline = world.now + STOP_TIMEOUT;
    while world.now < deadline {
        world.exchange(true)?;
        world.step()?;
    }
    for actor in world.actors.iter().filter(|actor| actor.sdk().is_some()) {
        let was_full = world.kernel.was_full(actor.connection);
        if !was_full && actor.last_code != Some(3001) {
            let (number, code) = (actor.number, actor.last_code);
            return Err(format!("{number} was not told of the stop: {code:?}"));
        }
    }
    for shard in &mut world.shards {
        shard.handle_stop_deadline();
        shard.handle_drained();
    }
    for step in 0..REST_STEPS_MAX {
        if step >= 50 && world.is_quiet() {
            break;
        }
        world.exchange(true)?;
        world.step()?;
    }
    check_nobody_left(world)
}

/// Everybody leaves, and what rooms keep is forgotten. Then one comes back to places that may be those of rooms
/// which were there before, and leaves again.
fn leave(world: &mut World) -> Result<(), String> {
    everybody_leaves(world)?;
    let mut actors = world.actors.iter();
    if let Some(number) = actors.position(|actor| actor.sdk().is_some()) {
        come_again(world, number)?;
        everybody_leaves(world)?;
    }
    Ok(())
}

fn come_again(world: &mut World, number: usize) -> Result<(), String> {
    trace!("{number} comes again");
    world.come_again(number);
    for _ in 0..REST_STEPS_MAX {
        world.exchange(true)?;
        world.step()?;
        let actor = &world.actors[number];
        let is_settled = actor.is_open() && actor.is_settled(&world.kernel);
        if is_settled && actor.sdk().is_some_and(|sdk| sdk.missed().is_empty()) {
            return Ok(());
        }
    }
    Err(format!("{number} is not let in again"))
}

fn everybody_leaves(world: &mut World) -> Result<(), String> {
    trace!("everybody leaves");
    for actor in &mut world.actors {
        let how = Leave::ALL[world.rng.usize(..3)];
        actor.leave(how, &mut world.kernel, &world.ledger)?;
    }
    for _ in 0..REST_STEPS_MAX {
        world.exchange(true)?;
        world.step()?;
        if world.is_quiet() && world.shards.iter().all(|shard| shard.is_empty()) {
            break;
        }
    }
    // Shards that wait for nothing else wake up when something is too old.
    for _ in 0..2000 {
        world.now += Duration::from_secs(1);
        world.step()?;
        if check_nothing_left(world).is_ok() {
            return Ok(());
        }
    }
    check_nothing_left(world)
}
