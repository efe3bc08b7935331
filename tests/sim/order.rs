//! What the members of a room have heard, compared: one order, exactly once, nothing missing.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::client::{Client, Role, Stage};
use crate::decode::Entry;
use crate::trace;

/// Whether the room has come to rest: then everybody who is open has heard everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Messages may be under way.
    Busy,
    /// None are.
    Rest,
}

/// Checks what the clients of one room have heard.
pub(crate) fn check_room(clients: &[&Client], moment: Moment) -> Result<(), String> {
    for client in clients {
        check_alone(client).map_err(|why| format!("client {}: {why}", client.number))?;
        for author in clients
            .iter()
            .filter(|author| !author.published_at.is_empty())
        {
            check_author(client, author, moment).map_err(|why| {
                let (client, author) = (client.number, author.number);
                format!("client {client}, messages of {author}: {why}")
            })?;
        }
    }
    check_pairs(clients)?;
    let witness = clients.iter().find(|client| client.role == Role::Witness);
    let Some(witness) = witness else {
        return Ok(());
    };
    for client in clients.iter().filter(|client| client.role != Role::Witness) {
        let complete = moment == Moment::Rest && client.is_open();
        check_against(witness, client, clients, complete)
            .map_err(|why| format!("client {}: {why}", client.number))?;
    }
    Ok(())
}

/// Nothing of its own, nothing twice, no notices for those who want none.
fn check_alone(client: &Client) -> Result<(), String> {
    let mut seen = HashSet::new();
    for entry in &client.received {
        let unique = !matches!(entry, Entry::Count(_) | Entry::Gap(_));
        if unique && !seen.insert(entry) {
            return Err(format!("heard {entry:?} twice"));
        }
        match *entry {
            Entry::Message { author, .. } if author == client.number && !client.echo => {
                return Err(format!("heard its own {entry:?}"));
            }
            Entry::Connect(_) | Entry::Disconnect(_) | Entry::Count(_) if !client.presence => {
                return Err(format!("heard {entry:?} without presence"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The messages of one author, as one client heard them.
fn check_author(client: &Client, author: &Client, moment: Moment) -> Result<(), String> {
    if author.number == client.number && !client.echo {
        return Ok(());
    }
    let gaps = client
        .received
        .iter()
        .any(|entry| matches!(entry, Entry::Gap(_)));
    let mut expected: Option<u32> = None;
    for entry in &client.received {
        let Entry::Message { author: who, seq } = *entry else {
            continue;
        };
        if who != author.number {
            continue;
        }
        let right = expected.is_none_or(|expected| seq == expected || (gaps && seq > expected));
        if !right {
            return Err(format!("{seq} came where {expected:?} was next"));
        }
        expected = Some(seq + 1);
    }
    if gaps || moment == Moment::Busy || !client.is_open() || !author.is_open() {
        return Ok(());
    }
    let total = u32::try_from(author.published_at.len()).unwrap_or(u32::MAX);
    let heard_from = expected.map_or(total, |next| {
        let count = client.received.iter().filter(
            |entry| matches!(entry, Entry::Message { author: who, .. } if *who == author.number),
        );
        next - u32::try_from(count.count()).unwrap_or(u32::MAX)
    });
    let owed_from = author
        .published_at
        .iter()
        .position(|&at| Some(at) > client.welcomed_at);
    match (owed_from, expected) {
        (Some(owed), _) if (heard_from as usize) > owed => Err(format!(
            "was owed them from {owed} on, heard them from {heard_from} on of {total}"
        )),
        (_, Some(next)) if next != total => Err(format!("heard up to {next} of {total}")),
        _ => Ok(()),
    }
}

/// Any two clients heard what both heard in the same order.
fn check_pairs(clients: &[&Client]) -> Result<(), String> {
    for (number, first) in clients.iter().enumerate() {
        let places: HashMap<&Entry, usize> = (first.received.iter())
            .enumerate()
            .map(|(place, entry)| (entry, place))
            .collect();
        for second in &clients[number + 1..] {
            let mut last = None;
            for entry in &second.received {
                if matches!(entry, Entry::Count(_) | Entry::Gap(_)) {
                    continue;
                }
                let Some(&place) = places.get(entry) else {
                    continue;
                };
                if last.is_some_and(|last| last > place) {
                    let (first, second) = (first.number, second.number);
                    return Err(format!("{first} and {second} differ in order at {entry:?}"));
                }
                last = Some(place);
            }
        }
    }
    Ok(())
}

/// What a client heard is a run of `order` without gaps, but for its own messages, its own join,
/// notices it does not want, and what it was told it missed.
fn check_against(
    witness: &Client,
    client: &Client,
    clients: &[&Client],
    complete: bool,
) -> Result<(), String> {
    let order = &witness.received;
    if client.stage == Stage::Absent || client.received.is_empty() {
        return Ok(());
    }
    let heard: HashSet<&Entry> = client.received.iter().collect();
    let joins = order.iter().filter(|entry| !heard.contains(entry));
    let candidates: Vec<Option<Uuid>> = joins
        .filter_map(|entry| match entry {
            Entry::Connect(id) => Some(Some(*id)),
            _ => None,
        })
        .chain([None])
        .collect();
    let stopped = witness.close_code.is_some();
    let mut furthest = 0;
    for start in 0..=order.len() {
        let first = client.received[0];
        let here = order.get(start) == Some(&first) || (stopped && start == order.len());
        if !matches!(first, Entry::Gap(_)) && !here {
            continue;
        }
        for &own_id in &candidates {
            match align(
                &order[start..],
                client,
                own_id,
                witness.close_code.is_some(),
            ) {
                Ok(length) if complete && start + length < order.len() => {
                    furthest = furthest.max(client.received.len());
                }
                Ok(_) => return check_start(&order[..start], client, clients),
                Err(matched) => furthest = furthest.max(matched),
            }
        }
    }
    trace!(
        "{} heard {:?}\nof {order:?}",
        client.number, client.received
    );
    Err(format!(
        "what it heard is no run of the room's order of {}: it differs at {furthest} of {}: {:?}",
        order.len(),
        client.received.len(),
        &client.received[furthest.saturating_sub(3)..client.received.len().min(furthest + 3)],
    ))
}

/// How many entries of `order` the client's stream covers when both begin at the same point; or
/// how many of the client's fit.
fn align(
    order: &[Entry],
    client: &Client,
    own_id: Option<Uuid>,
    stopped: bool,
) -> Result<usize, usize> {
    let hidden = |entry: &Entry| match *entry {
        Entry::Message { author, .. } => author == client.number && !client.echo,
        Entry::Connect(id) => !client.presence || Some(id) == own_id,
        Entry::Disconnect(_) | Entry::Count(_) => !client.presence,
        Entry::Gap(_) => false,
    };
    let mut at = 0;
    for (matched, entry) in client.received.iter().enumerate() {
        let mut missed = match entry {
            Entry::Gap(missed) => *missed,
            _ => 0,
        };
        while missed > 0 {
            let skipped = match order.get(at) {
                Some(skipped) => skipped,
                None if stopped => return Ok(at),
                None => return Err(matched),
            };
            missed -= u64::from(!hidden(skipped));
            at += 1;
        }
        if matches!(entry, Entry::Gap(_)) {
            continue;
        }
        while order.get(at).is_some_and(hidden) {
            at += 1;
        }
        match order.get(at) {
            Some(next) if next == entry => {}
            // The stop reached the witness before it reached the client.
            None if stopped => return Ok(at),
            _ => return Err(matched),
        }
        at += 1;
    }
    while order.get(at).is_some_and(hidden) {
        at += 1;
    }
    Ok(at)
}

/// Nothing that was written after the client had its answer may lie before what it heard.
fn check_start(before: &[Entry], client: &Client, clients: &[&Client]) -> Result<(), String> {
    for entry in before {
        let Entry::Message { author, seq } = *entry else {
            continue;
        };
        let author = clients.iter().find(|client| client.number == author);
        let written = author.and_then(|author| author.published_at.get(seq as usize).copied());
        let own = author.is_some_and(|author| author.number == client.number);
        if written > client.welcomed_at && !own {
            return Err(format!(
                "joined before {entry:?} was written, but did not hear it"
            ));
        }
    }
    Ok(())
}
