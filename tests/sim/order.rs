//! What the members of a room have heard, compared: one order, exactly once, nothing missing.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::align::{Aligned, align};
use crate::client::Client;
use crate::decode::Entry;
use crate::hearing::Hearing;
use crate::roles::Role;
use crate::trace;

/// Whether the room has come to rest: then everybody who is open has heard everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Messages may be under way.
    Busy,
    /// None are.
    Rest,
}

/// How the joins and leaves of a room are made known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Each one.
    All,
    /// As counts where there are many.
    Some,
}

/// One room and what was heard of it.
#[derive(Debug)]
pub(crate) struct Hall<'a> {
    /// Those who came for it, and may have said something.
    pub(crate) authors: Vec<&'a Client>,
    pub(crate) hearings: Vec<Hearing<'a>>,
    pub(crate) moment: Moment,
    pub(crate) announced: Announced,
}

/// How much somebody was spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spared {
    /// At least.
    pub(crate) least: u64,
    /// Whether it was no more.
    pub(crate) is_exact: bool,
}

impl Spared {
    const NOTHING: Self = Self {
        least: 0,
        is_exact: true,
    };
    const UNKNOWN: Self = Self {
        least: 0,
        is_exact: false,
    };
}

impl Hall<'_> {
    /// Checks what was heard; adds to `spared` how much each client was spared.
    pub(crate) fn check(&self, spared: &mut HashMap<u32, Spared>) -> Result<(), String> {
        for hearing in &self.hearings {
            let number = hearing.client.number;
            (self.check_alone(hearing)).map_err(|why| format!("client {number}: {why}"))?;
            for author in &self.authors {
                self.check_author(hearing, author).map_err(|why| {
                    format!("client {number}, messages of {}: {why}", author.number)
                })?;
            }
        }
        self.check_pairs()?;
        let is_witness = |hearing: &&Hearing<'_>| hearing.client.role == Role::Witness;
        let witness = self.hearings.iter().find(is_witness);
        if let Some(witness) = witness {
            self.check_present(witness)?;
        }
        for hearing in self.hearings.iter().filter(|hearing| !is_witness(hearing)) {
            let number = hearing.client.number;
            let missed = match witness {
                Some(witness) => (self.check_against(witness, hearing))
                    .map_err(|why| format!("client {number}: {why}"))?,
                None => Spared::UNKNOWN,
            };
            let sum = spared.entry(number).or_insert(Spared::NOTHING);
            sum.least += missed.least;
            sum.is_exact &= missed.is_exact;
        }
        Ok(())
    }

    /// Nothing of its own, nothing twice, no notices for those who want none; whoever comes or goes was
    /// gone or there.
    fn check_alone(&self, hearing: &Hearing<'_>) -> Result<(), String> {
        let (client, mut seen, mut there) = (hearing.client, HashSet::new(), HashMap::new());
        let gaps = has_gaps(hearing);
        for entry in &hearing.entries {
            match *entry {
                Entry::Message { author, .. } if author == client.number && !client.echo => {
                    return Err(format!("heard its own {entry:?}"));
                }
                Entry::Message { .. } if !seen.insert(entry) => {
                    return Err(format!("heard {entry:?} twice"));
                }
                Entry::Connect(_) | Entry::Disconnect(_) | Entry::Count(_) if !hearing.notices => {
                    return Err(format!("heard {entry:?} without notices"));
                }
                Entry::Connect(id) | Entry::Disconnect(id) => {
                    let comes = matches!(entry, Entry::Connect(_));
                    let was_there = there.insert(id, comes);
                    let right = was_there != Some(comes);
                    if !right && !gaps && self.announced == Announced::All {
                        return Err(format!("heard {entry:?} twice in a row"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The messages of one author, as one client heard them.
    fn check_author(&self, hearing: &Hearing<'_>, author: &Client) -> Result<(), String> {
        if author.number == hearing.client.number && !hearing.client.echo {
            return Ok(());
        }
        let gaps = has_gaps(hearing);
        let (mut expected, mut heard) = (None, 0);
        for entry in &hearing.entries {
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
            heard += 1;
        }
        let said_all = author.is_open() || author.has_said_all();
        if gaps || self.moment == Moment::Busy || !hearing.lasts || !said_all {
            return Ok(());
        }
        let total = u32::try_from(author.published_at.len()).unwrap_or(u32::MAX);
        let heard_from = expected.map_or(total, |next| next - heard);
        let owed_from = (author.published_at.iter()).position(|&at| at > hearing.since);
        match (owed_from, expected) {
            (Some(owed), _) if (heard_from as usize) > owed => Err(format!(
                "was owed them from {owed} on, heard them from {heard_from} on of {total}"
            )),
            (_, Some(next)) if next != total => Err(format!("heard up to {next} of {total}")),
            _ => Ok(()),
        }
    }

    /// Any two clients heard what both heard in the same order, of what happens only once.
    fn check_pairs(&self) -> Result<(), String> {
        let mut count: HashMap<&Entry, u32> = HashMap::new();
        let places: Vec<HashMap<&Entry, usize>> = (self.hearings.iter())
            .map(|hearing| hearing.entries.iter().zip(0..).collect())
            .collect();
        for hearing in &self.hearings {
            let mut here: HashMap<&Entry, u32> = HashMap::new();
            for entry in &hearing.entries {
                *here.entry(entry).or_default() += 1;
            }
            for (entry, times) in here {
                let most = count.entry(entry).or_default();
                *most = times.max(*most);
            }
        }
        let roamed = |id: &Uuid| {
            let mut clients = self.hearings.iter().map(|hearing| hearing.client);
            clients.any(|client| client.roams && client.id == Some(*id))
        };
        let once = |entry: &Entry| match entry {
            Entry::Message { .. } => true,
            Entry::Connect(id) | Entry::Disconnect(id) => count[entry] == 1 && !roamed(id),
            Entry::Count(_) | Entry::Gap(_) => false,
        };
        for (number, first) in self.hearings.iter().enumerate() {
            for second in &self.hearings[number + 1..] {
                let mut last = None;
                for entry in second.entries.iter().filter(|entry| once(entry)) {
                    let Some(&place) = places[number].get(entry) else {
                        continue;
                    };
                    if last.is_some_and(|last| last > place) {
                        let (first, second) = (first.client.number, second.client.number);
                        return Err(format!("{first} and {second} differ in order at {entry:?}"));
                    }
                    last = Some(place);
                }
            }
        }
        Ok(())
    }

    /// At rest, whoever came and has not gone is there.
    fn check_present(&self, witness: &Hearing<'_>) -> Result<(), String> {
        if self.moment == Moment::Busy || self.announced == Announced::Some {
            return Ok(());
        }
        let mut heard = HashSet::new();
        for entry in &witness.entries {
            match entry {
                Entry::Connect(id) => drop(heard.insert(*id)),
                Entry::Disconnect(id) => drop(heard.remove(id)),
                _ => {}
            }
        }
        let present: HashSet<Uuid> = (self.hearings.iter())
            .filter(|hearing| hearing.lasts && hearing.client.presence)
            .filter(|hearing| hearing.client.number != witness.client.number)
            .filter_map(|hearing| hearing.client.id)
            .collect();
        match heard == present {
            true => Ok(()),
            false => Err(format!(
                "{present:?} are there, and the witness knows of {heard:?}"
            )),
        }
    }

    /// What a client heard is a run of the witness's without gaps, but for its own messages, itself,
    /// notices it does not want, and what it was told it missed; returns how much that was.
    fn check_against(
        &self,
        witness: &Hearing<'_>,
        hearing: &Hearing<'_>,
    ) -> Result<Spared, String> {
        let order = &witness.entries;
        let Some(first) = hearing.entries.first() else {
            return Ok(Spared::NOTHING);
        };
        let stopped = witness.client.close_code.is_some();
        let complete = self.moment == Moment::Rest && hearing.lasts;
        let mut furthest = 0;
        for start in 0..=order.len() {
            let here = order.get(start) == Some(first) || (stopped && start == order.len());
            if !matches!(first, Entry::Gap(_)) && !here {
                continue;
            }
            match align(&order[start..], hearing, stopped, complete) {
                Ok(Aligned { missed }) => {
                    self.check_start(&order[..start], hearing)?;
                    // Of what came before the first message that is known, nobody knows the room, and
                    // notices may fit in several places.
                    let is_vague = matches!(first, Entry::Gap(_)) || hearing.notices;
                    return Ok(match is_vague && hearing.has_company {
                        true => Spared::UNKNOWN,
                        false => Spared {
                            least: missed,
                            is_exact: complete,
                        },
                    });
                }
                Err(matched) => furthest = furthest.max(matched),
            }
        }
        trace!("heard {:?}\nof {order:?}", hearing.entries);
        Err(format!(
            "what it heard is no run of the room's order of {}: it differs at {furthest} of {}: {:?}",
            order.len(),
            hearing.entries.len(),
            &hearing.entries[furthest.saturating_sub(3)..hearing.entries.len().min(furthest + 3)],
        ))
    }

    /// Nothing that was written after the client had its answer may lie before what it heard, nor what
    /// came behind the news of its join.
    fn check_start(&self, before: &[Entry], hearing: &Hearing<'_>) -> Result<(), String> {
        let came = Entry::Connect(hearing.client.id.unwrap_or_default());
        let mut is_seen = false;
        for entry in before {
            is_seen |= *entry == came && hearing.is_first;
            let Entry::Message { author, seq } = *entry else {
                continue;
            };
            let author = (self.authors.iter()).find(|client| client.number == author);
            let author = author.ok_or(format!("{entry:?} is of nobody"))?;
            let written = author.published_at[seq as usize];
            let own = author.number == hearing.client.number;
            if (written > hearing.since || is_seen) && !own {
                return Err(format!("joined before {entry:?}, but did not hear it"));
            }
        }
        Ok(())
    }
}

fn has_gaps(hearing: &Hearing<'_>) -> bool {
    (hearing.entries.iter()).any(|entry| matches!(entry, Entry::Gap(_)))
}
