//! What has to be so once everybody rests, and once everybody has gone.

use std::collections::BTreeSet;

use super::actor::Actor;
use super::world::World;
use crate::support::chat::room::Announced;
use crate::support::chat::sdk::Event;
use crate::trace;

/// Everybody has heard what it was owed, and knows who is where.
pub(crate) fn check_rest(world: &World) -> Result<(), String> {
    for (number, author) in world.ledger.authors.iter().enumerate() {
        trace!("author {number} is {:?}", author.name);
    }
    let present: Vec<BTreeSet<&str>> = (0..world.ledger.rooms.len())
        .map(|room| present(world, room))
        .collect();
    for actor in &world.actors {
        check_actor(world, actor, &present).map_err(|why| format!("{}: {why}", actor.number))?;
    }
    check_answers(world, &present)?;
    world.ledger.check_end()
}

fn check_actor(world: &World, actor: &Actor, present: &[BTreeSet<&str>]) -> Result<(), String> {
    let ledger = &world.ledger;
    if let Some(sdk) = actor.sdk() {
        let me = sdk.name.as_deref().ok_or("it is nobody")?;
        for (&room, stay) in &sdk.stays {
            stay.check_rest(ledger, me, |name| present[room].contains(name))
                .map_err(|why| format!("room {room}: {why}"))?;
        }
    }
    if let Some(plain) = actor.plain() {
        plain.check(ledger, actor.is_open(), world.has_witness())?;
        if ledger.rooms[plain.room].rules.announced != Announced::Some {
            plain.check_rest(|name| present[plain.room].contains(name))?;
        }
    }
    Ok(())
}

/// Who is in a room and may be seen there, and what it is called.
fn present(world: &World, room: usize) -> BTreeSet<&str> {
    let is_seen = |actor: &&Actor| match (actor.sdk(), actor.plain()) {
        (Some(sdk), _) => sdk.is_in(room) && world.ledger.rooms[room].rules.has_presence,
        (_, Some(plain)) => plain.room == room && plain.is_visible && actor.is_open(),
        _ => false,
    };
    let seen = world.actors.iter().filter(is_seen);
    let authors = seen.map(|actor| &world.ledger.authors[actor.author() as usize]);
    authors
        .filter_map(|author| author.name.as_deref())
        .collect()
}

/// What was told of who is in which room.
fn check_answers(world: &World, present: &[BTreeSet<&str>]) -> Result<(), String> {
    let most = world.settings.config.presence_members_max;
    for answer in &world.answers {
        let is_right = match answer {
            Event::Presence(room, names) => {
                let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
                names == present[*room] && names.len() <= most
            }
            &Event::Stats(room, clients, users) => {
                let there = present[room].len();
                clients as usize == there && users == u32::from(there > 0)
            }
            &Event::Unavailable(room) => present[room].len() > most,
            _ => true,
        };
        if !is_right {
            return Err(format!("{answer:?}, and there are {present:?}"));
        }
    }
    Ok(())
}

/// What plain members heard whose connections have ended.
pub(crate) fn check_gone(world: &mut World) -> Result<(), String> {
    for plain in &world.gone {
        plain
            .check(&world.ledger, false, world.has_witness())
            .map_err(|why| format!("plain author {}: {why}", plain.author))?;
    }
    let plains = world.actors.iter().filter_map(Actor::plain);
    let heard = world
        .gone
        .iter()
        .chain(plains)
        .map(|plain| plain.heard() as u64);
    world.tally.heard_plainly += heard.sum::<u64>();
    Ok(())
}

/// Nobody is left, nor any trace of anybody.
pub(crate) fn check_nothing_left(world: &World) -> Result<(), String> {
    check_nobody_left(world)?;
    for (number, metrics) in world.metrics.iter().enumerate() {
        let rooms = metrics.rooms.get();
        if rooms > 0 {
            return Err(format!("shard {number} ends with {rooms} rooms"));
        }
    }
    Ok(())
}

/// Nobody is left; what was said may be.
pub(crate) fn check_nobody_left(world: &World) -> Result<(), String> {
    for (number, shard) in world.shards.iter().enumerate() {
        if !shard.is_empty() || shard.operations() > 0 || shard.has_work() {
            return Err(format!("shard {number} still has something to do"));
        }
        shard.publish_gauges();
        let metrics = &world.metrics[number];
        for (what, gauge) in [
            ("connections", &metrics.connections),
            ("sessions", &metrics.sessions),
            ("operations", &metrics.operations),
        ] {
            if gauge.get() > 0 {
                return Err(format!("shard {number} ends with {} {what}", gauge.get()));
            }
        }
    }
    Ok(())
}
