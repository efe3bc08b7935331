//! How long a shard waits for its peers and for the web thread once the server stops.

use std::time::Duration;

use crate::shard::Shard;
use crate::shard::clock::earlier;

/// How much longer than it may take the web thread is waited for, should it be stuck.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// How long those are waited for who came last, and were refused.
const LAST_REFUSAL: Duration = Duration::from_secs(1);

/// How long goodbyes may take in all.
const GOODBYES_MAX: Duration = Duration::from_secs(3);

/// The end of a shard, once it has begun.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    /// When nobody is waited for any more.
    stop_at: Option<Duration>,
    /// When those who were there at the stop have had their time.
    goodbyes_over: Option<Duration>,
    /// When the web thread's word that HTTP is done is waited for no longer.
    drained_at: Option<Duration>,
}

impl Farewell {
    /// When [`Self::proceed`] has something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        earlier(self.stop_at, self.drained_at)
    }

    /// Goes on with the end of a stopping shard, as far as it is time; true when nothing is to be accepted
    /// from now on.
    pub(super) fn proceed(&mut self, shard: &mut Shard, now: Duration) -> bool {
        match self.stop_at {
            None => {
                self.stop_at = Some(now + GOODBYES_MAX);
                self.goodbyes_over = self.stop_at;
                self.drained_at = Some(now + shard.drain_timeout() + DRAIN_GRACE);
            }
            Some(at) if at <= now => {
                shard.handle_stop_deadline();
                self.stop_at = Some(now + GOODBYES_MAX);
            }
            Some(_) => {}
        }
        if self.drained_at.is_some_and(|at| at <= now) {
            shard.handle_drained();
        }
        let news = shard.is_drained() && self.drained_at.take().is_some();
        if news {
            // Whoever was refused a moment ago may still read why.
            let last = self.goodbyes_over.max(Some(now + LAST_REFUSAL));
            self.stop_at = self.stop_at.min(last);
        }
        news
    }
}
