//! What clients heard, told apart by room: of one stay in one room each.
//!
//! A message is of the room of whoever wrote it. A notice is of the one room whose notices the client read
//! then; where there are several, nobody but the client itself is in more than one of them.

use std::collections::HashMap;

use uuid::Uuid;

use crate::client::{Client, Heard};
use crate::decode::Entry;
use crate::stay::Stay;

/// What one client heard of a room in one of its stays there.
#[derive(Debug)]
pub(crate) struct Hearing<'a> {
    pub(crate) client: &'a Client,
    pub(crate) entries: Vec<Entry>,
    pub(crate) notices: bool,
    /// What is written after this point of the world's clock it is owed.
    pub(crate) since: u64,
    /// Whether it is there still.
    pub(crate) lasts: bool,
    /// Whether it was never in the room before.
    pub(crate) is_first: bool,
    /// Whether what it was spared may have been of other rooms.
    pub(crate) has_company: bool,
}

/// Sorts what clients have heard.
#[derive(Debug)]
pub(crate) struct Sorter<'a> {
    clients: &'a [Client],
    own_rooms: HashMap<Uuid, usize>,
}

impl<'a> Sorter<'a> {
    pub(crate) fn new(clients: &'a [Client]) -> Self {
        let own_rooms = (clients.iter()).filter_map(|client| Some((client.id?, client.room)));
        Self {
            clients,
            own_rooms: own_rooms.collect(),
        }
    }

    /// What everybody heard of `room`.
    pub(crate) fn of_room(&self, room: usize) -> Result<Vec<Hearing<'a>>, String> {
        let mut hearings = Vec::new();
        for client in self.clients {
            (self.of_client(client, room, &mut hearings))
                .map_err(|why| format!("client {}: {why}", client.number))?;
        }
        Ok(hearings)
    }

    fn of_client(
        &self,
        client: &'a Client,
        room: usize,
        hearings: &mut Vec<Hearing<'a>>,
    ) -> Result<(), String> {
        let Some(welcomed_at) = client.welcomed_at else {
            return Ok(());
        };
        let has_company = client.stays.iter().any(|stay| stay.since.is_some());
        if client.room == room {
            hearings.push(Hearing {
                client,
                entries: self.sort(client, room, &client.received)?,
                notices: client.presence,
                since: welcomed_at,
                lasts: client.is_open(),
                is_first: true,
                has_company,
            });
        }
        let stays = || client.stays.iter().filter(|stay| stay.room == room);
        for stay in stays() {
            let Some(since) = stay.since else { continue };
            let from = (client.received).partition_point(|heard| heard.at < since.bytes);
            let heard = &client.received[from..];
            let to = heard.partition_point(|heard| stay.covers(heard.at));
            hearings.push(Hearing {
                client,
                entries: self.sort(client, room, &heard[..to])?,
                notices: stay.has_notices(),
                since: since.clock,
                lasts: stay.lasts() && client.is_open(),
                is_first: stays()
                    .next()
                    .is_some_and(|first| std::ptr::eq(first, stay)),
                has_company,
            });
        }
        Ok(())
    }

    /// What of `heard` is of `room`.
    fn sort(&self, client: &Client, room: usize, heard: &[Heard]) -> Result<Vec<Entry>, String> {
        let mut entries = Vec::new();
        for heard in heard {
            if matches!(heard.entry, Entry::Gap(_)) || self.room_of(client, heard)? == room {
                entries.push(heard.entry);
            }
        }
        Ok(entries)
    }

    fn room_of(&self, client: &Client, heard: &Heard) -> Result<usize, String> {
        let id = match heard.entry {
            Entry::Message { author, .. } => return Ok(self.clients[author as usize].room),
            Entry::Connect(id) | Entry::Disconnect(id) => Some(id),
            Entry::Count(_) | Entry::Gap(_) => None,
        };
        let is_elsewhere = |stay: &&Stay| stay.has_notices() && stay.covers(heard.at);
        let elsewhere = client.stays.iter().filter(is_elsewhere);
        let mut rooms = (client.presence.then_some(client.room).into_iter())
            .chain(elsewhere.map(|stay| stay.room));
        let first = rooms.next().ok_or(format!("{heard:?} is of no room"))?;
        if rooms.next().is_none() {
            return Ok(first);
        }
        id.and_then(|id| self.own_rooms.get(&id).copied())
            .ok_or(format!("{heard:?} may be of any room"))
    }
}

/// Every message that a client heard is of a room that it was in; notices of further rooms are counted.
pub(crate) fn check_presence(client: &Client, clients: &[Client]) -> Result<u64, String> {
    let mut notices = 0;
    for heard in &client.received {
        let covers = |room: usize| {
            (client.stays.iter()).any(|stay| stay.room == room && stay.covers(heard.at))
        };
        match heard.entry {
            Entry::Message { author, .. } => {
                let room = clients[author as usize].room;
                if room != client.room && !covers(room) {
                    return Err(format!("heard {heard:?} of room {room}, and was not there"));
                }
            }
            Entry::Connect(id) | Entry::Disconnect(id) if Some(id) == client.id => {
                return Err(format!("heard of itself: {heard:?}"));
            }
            Entry::Gap(_) => {}
            _ => {
                let is_elsewhere = |stay: &Stay| stay.has_notices() && stay.covers(heard.at);
                notices += u64::from(client.stays.iter().any(is_elsewhere));
            }
        }
    }
    Ok(notices)
}
