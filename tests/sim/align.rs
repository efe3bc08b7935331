//! Whether what one client heard of a room is a run of what its witness heard.

use crate::decode::Entry;
use crate::hearing::Hearing;

/// What a client heard fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aligned {
    /// How much of the room it was spared.
    pub(crate) missed: u64,
}

struct Alignment<'a> {
    order: &'a [Entry],
    hearing: &'a Hearing<'a>,
    /// Whether the order may end before what was heard.
    stopped: bool,
    /// Whether what was heard goes up to the end of the order.
    complete: bool,
}

/// Compares what was heard with `order`, which begins at the same point; says how many entries fit when
/// not all do. The order of one that was `stopped` may end too early; what is `complete` may not.
pub(crate) fn align(
    order: &[Entry],
    hearing: &Hearing<'_>,
    stopped: bool,
    complete: bool,
) -> Result<Aligned, usize> {
    let alignment = Alignment {
        order,
        hearing,
        stopped,
        complete,
    };
    alignment.from(0, 0, 0)
}

impl Alignment<'_> {
    /// Whether the client is not sent this one.
    fn hides(&self, entry: &Entry) -> bool {
        let Hearing {
            client, notices, ..
        } = self.hearing;
        match *entry {
            Entry::Message { author, .. } => author == client.number && !client.echo,
            Entry::Connect(id) | Entry::Disconnect(id) => !notices || Some(id) == client.id,
            Entry::Count(_) => !notices,
            Entry::Gap(_) => false,
        }
    }

    /// From the entries on that are named, in what was heard and in the order, so much having been missed.
    fn from(&self, heard: usize, mut at: usize, missed: u64) -> Result<Aligned, usize> {
        for (matched, entry) in self.hearing.entries.iter().enumerate().skip(heard) {
            if let Entry::Gap(most) = *entry {
                return self.behind_gap(matched + 1, at, missed, most);
            }
            at = self.next_shown(at);
            match self.order.get(at) {
                Some(next) if next == entry => at += 1,
                // The stop reached the witness before it reached the client.
                None if self.stopped => return Ok(Aligned { missed }),
                _ => return Err(matched),
            }
        }
        let is_end = self.next_shown(at) == self.order.len();
        match is_end || !self.complete {
            true => Ok(Aligned { missed }),
            false => Err(self.hearing.entries.len()),
        }
    }

    /// It was told that it missed `most`, all of them of this room if it is in no other.
    fn behind_gap(
        &self,
        heard: usize,
        mut at: usize,
        missed: u64,
        most: u64,
    ) -> Result<Aligned, usize> {
        let mut furthest = heard;
        for gap in 0..=most {
            if gap == most || self.hearing.has_company {
                match self.from(heard, at, missed + gap) {
                    Ok(aligned) => return Ok(aligned),
                    Err(matched) => furthest = furthest.max(matched),
                }
            }
            at = self.next_shown(at) + 1;
            if at > self.order.len() {
                return match self.stopped {
                    true => Ok(Aligned { missed }),
                    false => Err(furthest),
                };
            }
        }
        Err(furthest)
    }

    /// The next entry from `at` on that the client is sent.
    fn next_shown(&self, at: usize) -> usize {
        let rest = self.order.get(at..).unwrap_or_default();
        let hidden = rest.iter().take_while(|entry| self.hides(entry)).count();
        at + hidden
    }
}
