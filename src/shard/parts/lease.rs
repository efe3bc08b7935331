//! What a token gives a client: rooms, and for how long.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::expiry;
use crate::config::chat::doors::Entry;
use crate::room::history::Recover;
use crate::room::rendition::Rendition;
use crate::session::client::{Standing, Subscription};
use crate::session::tick::Tick;

/// Until when something lasts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    /// In how many seconds the client is told to renew it; never if nothing.
    pub(crate) expires_s: Option<NonZeroU32>,
    /// When it is over, if it was not renewed by then.
    pub(crate) ends: Option<Tick>,
}

/// The time as it is on the wall and in a shard, and something by chance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Since the beginning of 1970.
    pub(crate) unix_time: Duration,
    /// The same moment for deadlines.
    pub(crate) tick: Tick,
    /// Any random number.
    pub(crate) draw: u64,
}

impl Lease {
    /// What is over at `expires_at`, in seconds of the Unix epoch, and `delay` later at the latest for a client
    /// that does not renew it; or never.
    #[must_use]
    pub(crate) fn until(expires_at: Option<u64>, delay: Duration, now: &Moment) -> Self {
        let Some(expires_at) = expires_at else {
            return Self::default();
        };
        let seconds = expiry::ttl_seconds(expires_at, now.unix_time, now.draw);
        let left = expiry::time_left(expires_at, now.unix_time);
        Self {
            expires_s: NonZeroU32::new(seconds),
            ends: Some(now.tick.after(left + delay)),
        }
    }
}

/// What somebody may who comes in by a door without a handshake of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admission {
    /// What it may do there.
    pub(crate) entry: Entry,
    /// Until when, in seconds of the Unix epoch, if there is an end.
    pub(crate) expires_at: Option<u64>,
}

/// A room that a client is put into.
#[derive(Debug)]
pub(crate) struct Put {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// In which form it reads it.
    pub(crate) rendition: Rendition,
    /// What is told of it there.
    pub(crate) subscription: Subscription,
    /// Whether it is told where the room's history stands.
    pub(crate) standing: Standing,
    /// What it wants of what it has missed.
    pub(crate) recover: Option<Recover>,
    /// What the application says to it.
    pub(crate) data: Box<[u8]>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Lease, Moment, Tick};

    /// Goal: a client is told to renew before its time is over, and has a while longer to do so; what never ends
    /// is not told of.
    #[test]
    fn a_lease_outlasts_what_is_told_of_it() {
        let now = Moment {
            unix_time: Duration::from_secs(1_800_000_000),
            tick: Tick(50),
            draw: 3,
        };
        let delay = Duration::from_secs(25);
        assert_eq!(Lease::until(None, delay, &now), Lease::default());
        let lease = Lease::until(Some(1_800_000_100), delay, &now);
        assert_eq!(lease.expires_s.map(|seconds| seconds.get()), Some(97));
        assert_eq!(lease.ends, Some(Tick(50 + 1250 + 1)));
        let past = Lease::until(Some(5), delay, &now);
        assert_eq!(past.expires_s.map(|seconds| seconds.get()), Some(1));
    }
}
