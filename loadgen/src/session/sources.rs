//! Which address each connection comes from, so that local ports don't run out.
//!
//! A connection is told apart by both ends; towards one server, one source address has only the
//! ports of `ip_local_port_range`, some 28,000. Loopback has 2^24 addresses of its own.

use std::net::{IpAddr, Ipv4Addr};

use crate::cli::settings::Settings;

/// Connections that share a source address, well below the ports there are, even while those of
/// earlier runs are in TIME_WAIT.
const CONNECTIONS_MAX: u32 = 8_000;

/// The fewest addresses that take turns on loopback.
const ADDRESSES_MIN: u32 = 8;

/// The source addresses of a run.
pub(crate) enum Sources {
    /// The system picks.
    Any,
    /// So many of 127.0.0.0/8, from 127.0.0.1 on.
    Loopback(u32),
    /// Those that were given.
    Given(Vec<IpAddr>),
}

impl Sources {
    pub(crate) fn new(settings: &Settings) -> Self {
        if !settings.source_ips.is_empty() {
            return Self::Given(settings.source_ips.clone());
        }
        match settings.target.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => {
                let sessions = settings.layout().sessions();
                Self::Loopback(sessions.div_ceil(CONNECTIONS_MAX).max(ADDRESSES_MIN))
            }
            _ => Self::Any,
        }
    }

    /// The address of a session, if it is not left to the system.
    pub(crate) fn of(&self, session: u32) -> Option<IpAddr> {
        match self {
            Self::Any => None,
            Self::Loopback(count) => {
                let first = u32::from(Ipv4Addr::LOCALHOST);
                Some(Ipv4Addr::from(first + session % count).into())
            }
            Self::Given(addresses) => Some(addresses[session as usize % addresses.len()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: sessions are spread evenly over loopback addresses that all exist.
    #[test]
    fn addresses_take_turns() {
        let sources = Sources::Loopback(300);
        assert_eq!(sources.of(0), Some(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(sources.of(299), Some(IpAddr::from([127, 0, 1, 44])));
        assert_eq!(sources.of(300), sources.of(0));
        assert_eq!(Sources::Any.of(5), None);
    }
}
