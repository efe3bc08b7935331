//! What a client wants of a room's history, and whether what it is told of that can be.

use super::chronicle::{Kept, Lack, Spot};
use super::ledger::Ledger;
use super::room::{Asked, Place, Room};
use super::saying::identify;
use super::told::History;

/// Which part of a history somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct Excerpt {
    pub(crate) limit: i32,
    pub(crate) since: Option<Place>,
    pub(crate) reverse: bool,
}

impl Excerpt {
    /// Whether nothing can be what it asks for.
    pub(crate) fn is_senseless(&self) -> bool {
        self.reverse && self.since.as_ref().is_some_and(|place| place.offset == 0)
    }
}

impl Room {
    /// What it keeps, however much of that is recovered at once.
    fn kept(&self) -> Option<Kept> {
        let recovered = u64::MAX;
        self.rules.kept.map(|kept| Kept { recovered, ..kept })
    }

    /// Checks what somebody was told of the room's history, oldest first.
    fn check_history(
        &self,
        spots: &[Spot],
        top: Spot,
        asked: &Asked,
        from: u64,
    ) -> Result<(), String> {
        let Some(kept) = self.kept() else {
            return Err("there is no history".to_owned());
        };
        let consecutive = spots
            .windows(2)
            .all(|two| two[1].offset == two[0].offset + 1);
        let right = spots.iter().all(|spot| {
            spot.incarnation == top.incarnation && spot.offset <= top.offset && spot.offset > from
        });
        if !consecutive || !right {
            return Err(format!("{spots:?} of {top:?}, behind {from}"));
        }
        let lack = |known| Lack {
            incarnation: top.incarnation,
            known,
            from: asked.at,
            until: self.now,
        };
        if let Some(first) = spots.first()
            && self.chronicle.is_gone(&kept, &lack(first.offset - 1))
        {
            return Err(format!("{first:?} was gone"));
        }
        Ok(())
    }

    /// Whether everything is there behind the place `known` that has to be, where so much was given out.
    fn check_history_is_all(
        &self,
        first: Option<u64>,
        top: Spot,
        asked: &Asked,
        known: u64,
    ) -> Result<(), String> {
        let Some(kept) = self.kept() else {
            return Ok(());
        };
        // One less than the oldest that was given out was gone.
        let before = first.map_or(top.offset, |first| first - 1);
        let lack = Lack {
            incarnation: top.incarnation,
            known: before.saturating_sub(1),
            from: asked.at,
            until: self.now,
        };
        let is_all = before <= known || self.chronicle.may_be_gone(&kept, &lack, top.offset);
        match is_all {
            true => Ok(()),
            false => Err(format!(
                "{before} of {top:?} is there and was not told, {lack:?}"
            )),
        }
    }
}

/// Whether what a client is told of a history is what it asked for.
pub(crate) fn check(
    room: usize,
    asked: &Asked,
    excerpt: &Excerpt,
    told: &History,
    ledger: &mut Ledger,
) -> Result<(), String> {
    let publications = &told.publications;
    if excerpt.limit >= 0 && publications.len() > excerpt.limit.unsigned_abs() as usize {
        return Err("more than it asked for".to_owned());
    }
    let mut spots = Vec::new();
    for publication in publications {
        let id = identify(&publication.data)?;
        spots.extend(ledger.see(room, &told.epoch, publication, id)?);
    }
    let here = &mut ledger.rooms[room];
    let top = Spot {
        incarnation: here.incarnation(&told.epoch)?,
        offset: told.offset,
    };
    let since = excerpt.since.as_ref().map(|place| place.offset);
    if excerpt.reverse {
        spots.reverse();
        let before = since.unwrap_or(u64::MAX);
        if spots.last().is_some_and(|last| last.offset >= before) {
            return Err(format!("not before {before}: {spots:?}"));
        }
        return here.check_history(&spots, top, asked, 0);
    }
    let since = since.unwrap_or(0);
    here.check_history(&spots, top, asked, since)?;
    if excerpt.limit < 0 {
        let first = spots.first().map(|spot| spot.offset);
        here.check_history_is_all(first, top, asked, since)?;
    }
    Ok(())
}
