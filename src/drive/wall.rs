//! The clock on the wall, by which tokens are good. Nothing else goes by it: it may be set at any time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often it is read.
const READ_INTERVAL: Duration = Duration::from_millis(1);

/// What it said last.
#[derive(Debug, Default)]
pub(super) struct Wall {
    read_at: Option<Duration>,
    unix_time: Duration,
}

impl Wall {
    /// The time since the beginning of 1970, when the shard's own clock says `now`.
    pub(super) fn unix_time(&mut self, now: Duration) -> Duration {
        let is_fresh = self.read_at.is_some_and(|at| now < at + READ_INTERVAL);
        if !is_fresh {
            self.read_at = Some(now);
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            // Before 1970 every token is too new.
            self.unix_time = since.unwrap_or_default();
        }
        self.unix_time
    }
}
