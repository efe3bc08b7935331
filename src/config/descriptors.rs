//! Who gets the descriptors that the process may open: itself, the web thread, sessions.

use super::Config;

/// Connections the web thread serves at once, unless a small descriptor limit says less.
pub(super) const WEB_CONNECTIONS_MAX: usize = 256;
/// The fewest connections of the web thread: a browser opens six for one page.
pub(super) const WEB_CONNECTIONS_MIN: usize = 16;
/// Connections beyond those for health checks.
const WEB_HEALTH_CONNECTIONS_MAX: usize = 16;
/// Connections a shard hands to the web thread before it has taken earlier ones, at most: a whole turn
/// of new visitors, where there are descriptors for them.
const WEB_WAITING_MAX: usize = 256;
/// The same where descriptors are few.
const WEB_WAITING_MIN: usize = 16;
/// Descriptors for standard streams, the web thread's ring, signals and whatever libraries open:
/// twelve when this was counted, and what a parent may leave open.
const DESCRIPTORS_FOR_PROCESS: usize = 32;
/// Descriptors of a shard besides its listeners and sessions: ring, doorbell, log, spares for
/// connections about to be refused.
const DESCRIPTORS_FOR_SHARD: usize = 8;

impl Config {
    /// Descriptors that are not for sessions, for `shards` shards with `listeners` addresses each.
    /// A connection of the web thread may have a file open, and another one may wait for its
    /// place; a health check has no file.
    #[must_use]
    pub fn descriptors_reserved(
        descriptors_max: usize,
        shards: usize,
        listeners: usize,
        web_connections_max: usize,
    ) -> usize {
        DESCRIPTORS_FOR_PROCESS
            + 3 * web_connections_max
            + web_health_connections_max(web_connections_max)
            + shards * (DESCRIPTORS_FOR_SHARD + listeners + web_waiting(descriptors_max, shards))
    }

    /// Connections a shard hands to the web thread before it has taken earlier ones; more are answered
    /// 503 by the shard.
    #[must_use]
    pub fn web_waiting_max(&self) -> usize {
        web_waiting(self.descriptors_max, self.shards.get())
    }

    /// Of those, the ones that only health checks get.
    #[must_use]
    pub fn web_waiting_health(&self) -> usize {
        (self.web_waiting_max() / 4).min(WEB_HEALTH_CONNECTIONS_MAX)
    }

    /// Connections of the web thread where the kernel lets a process open `descriptors_max`
    /// descriptors and nothing else is said.
    #[must_use]
    pub fn web_connections_for(descriptors_max: usize) -> usize {
        (descriptors_max / 16).clamp(WEB_CONNECTIONS_MIN, WEB_CONNECTIONS_MAX)
    }

    /// Places beyond [`Self::web_connections_max`] for connections that begin with a health
    /// check and end with its answer.
    #[must_use]
    pub(crate) fn web_health_connections_max(&self) -> usize {
        web_health_connections_max(self.web_connections_max)
    }
}

fn web_health_connections_max(web_connections_max: usize) -> usize {
    web_connections_max
        .div_ceil(4)
        .min(WEB_HEALTH_CONNECTIONS_MAX)
}

/// A thirty-second of the descriptors over all shards.
fn web_waiting(descriptors_max: usize, shards: usize) -> usize {
    (descriptors_max / 32 / shards).clamp(WEB_WAITING_MIN, WEB_WAITING_MAX)
}

#[cfg(test)]
mod tests {

    use crate::config::testing::{MACHINE, resolved};
    use crate::process::Machine;

    /// Goal: pages don't take the descriptors that sessions need, however few there are.
    #[test]
    fn a_small_limit_scales_http_down() {
        for (descriptors_max, web, sessions) in [
            (256, 16, 256 - 32 - 48 - 4 - 25),
            (1024, 64, 1024 - 32 - 192 - 16 - 41),
            (4096, 256, 4096 - 32 - 768 - 16 - 137),
        ] {
            let machine = Machine {
                descriptors_max,
                processors: 1,
                ..MACHINE
            };
            let config = resolved(&[], &machine).expect("it is accepted").config;
            assert_eq!(config.web_connections_max, web);
            assert_eq!(config.connections_max, sessions, "{descriptors_max}");
        }
    }
}
