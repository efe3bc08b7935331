//! What shards know of each other, compared: credit after every step, members and holds at rest.

use fanring::id::ShardId;
use fanring::shard::{RoomFigures, cost_of};
use fanring::talk::{Lane, ToShard};

use crate::client::Client;
use crate::stay::Stay;
use crate::world::World;

/// Every byte that a shard counts as sent and not used up is on its way, waits there, or is on its way
/// back.
pub(crate) fn check_credit(world: &World) -> Result<(), String> {
    let shards = || ShardId::all(world.shard_count());
    for (from, to) in shards().flat_map(|from| shards().map(move |to| (from, to))) {
        for lane in [Lane::ToHome, Lane::FromHome] {
            check_account(world, from, to, lane)?;
        }
    }
    Ok(())
}

fn check_account(world: &World, from: ShardId, to: ShardId, lane: Lane) -> Result<(), String> {
    let links = &world.to_shards;
    let outstanding = world.shards[from.index()].account(lane, to).outstanding;
    let sent = (links.between(from.index(), to.index()))
        .filter_map(cost_of)
        .filter(|(there, _)| *there == lane);
    let on_the_way: usize = sent.map(|(_, bytes)| bytes).sum();
    let unreturned = world.shards[to.index()].account(lane, from).unreturned;
    let returned = links.between(to.index(), from.index());
    let on_the_way_back: usize = returned
        .filter_map(|message| match message {
            ToShard::Credit {
                lane: there, bytes, ..
            } if *there == lane => Some(*bytes),
            _ => None,
        })
        .sum();
    if outstanding == on_the_way + unreturned + on_the_way_back {
        return Ok(());
    }
    Err(format!(
        "shard {from} counts {outstanding} bytes with shard {to} on {lane:?}: {on_the_way} are on their \
         way, {unreturned} there, {on_the_way_back} on their way back"
    ))
}

/// At rest a room's home knows its members, and everybody whether they are waited for.
pub(crate) fn check_members(world: &World) -> Result<(), String> {
    for (room, name) in world.names.iter().enumerate() {
        let figures: Vec<Option<RoomFigures>> = (world.shards.iter())
            .map(|shard| shard.room_figures(name))
            .collect();
        let is_in = |stay: &Stay| stay.room == room && stay.is_in();
        let present = |client: &&Client| {
            client.is_open() && (client.room == room || client.stays.iter().any(is_in))
        };
        let expected = world.clients.iter().filter(present);
        let visible = expected.clone().filter(|client| client.presence).count();
        check_room(&figures, expected.count(), visible)
            .map_err(|why| format!("room {name}: {why}: {figures:?}"))?;
    }
    Ok(())
}

fn check_room(
    figures: &[Option<RoomFigures>],
    expected: usize,
    visible: usize,
) -> Result<(), String> {
    let here = || figures.iter().flatten();
    let mut homes = here().filter_map(|room| room.home.as_ref());
    let Some(home) = homes.next() else {
        let nobody = expected == 0 && here().next().is_none();
        return match nobody {
            true => Ok(()),
            false => Err(format!("{expected} members have no home")),
        };
    };
    if homes.next().is_some() {
        return Err("it has two homes".to_owned());
    }
    let by_shard = figures.iter().map(|room| match room {
        Some(room) => room.members,
        None => 0,
    });
    if !by_shard.eq(home.members.iter().copied()) {
        return Err("its home counts others".to_owned());
    }
    let total: u32 = home.members.iter().sum();
    if total as usize != expected || home.visible as usize != visible {
        return Err(format!("{expected} should be there, {visible} visible"));
    }
    if here().map(|room| room.visible).sum::<u32>() != home.visible {
        return Err("its home counts others as visible".to_owned());
    }
    if here().any(|room| room.held != home.held) {
        return Err("not everybody knows whether it is held".to_owned());
    }
    Ok(())
}
