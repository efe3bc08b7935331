//! Which address each connection comes from, so that local ports don't run out.
//!
//! A connection is told apart by both ends; towards one server, one source address has only the
//! ports of `ip_local_port_range`, some 28,000. Loopback has 2^24 addresses of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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
        match settings
            .reach
            .addresses()
            .any(|address| is_loopback(&address))
        {
            true => {
                let sessions = settings.layout().sessions();
                Self::Loopback(sessions.div_ceil(CONNECTIONS_MAX).max(ADDRESSES_MIN))
            }
            false => Self::Any,
        }
    }

    /// The address of a session on its way to a target, if it is not left to the system.
    pub(crate) fn of(&self, session: u32, target: &SocketAddr) -> Option<IpAddr> {
        match self {
            Self::Loopback(count) if is_loopback(target) => {
                let first = u32::from(Ipv4Addr::LOCALHOST);
                Some(Ipv4Addr::from(first + session % count).into())
            }
            Self::Any | Self::Loopback(_) => None,
            Self::Given(addresses) => {
                let same = || (addresses.iter()).filter(|ip| ip.is_ipv4() == target.is_ipv4());
                let turn = session as usize % same().count().max(1);
                // One of the wrong kind makes the connection fail, which is told.
                same().nth(turn).or(addresses.first()).copied()
            }
        }
    }
}

/// Whether a target is in 127.0.0.0/8; of IPv6 there is one address only.
fn is_loopback(target: &SocketAddr) -> bool {
    target.is_ipv4() && target.ip().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: sessions are spread evenly over loopback addresses that all exist.
    #[test]
    fn addresses_take_turns() {
        let target = "127.0.0.1:80".parse().unwrap();
        let other = "[::1]:80".parse().unwrap();
        let sources = Sources::Loopback(300);
        let of = |session| sources.of(session, &target);
        assert_eq!(of(0), Some(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(of(299), Some(IpAddr::from([127, 0, 1, 44])));
        assert_eq!(of(300), of(0));
        assert_eq!(sources.of(5, &other), None);
        assert_eq!(Sources::Any.of(5, &target), None);
    }

    /// Goal: those that were given take turns, each towards targets of its own kind.
    #[test]
    fn given_addresses_take_turns() {
        let [first, second] = [7, 8].map(|last| IpAddr::from([127, 0, 0, last]));
        let third = "::1".parse().unwrap();
        let sources = Sources::Given(vec![first, third, second]);
        let of = |session, target: &str| sources.of(session, &target.parse().unwrap()).unwrap();
        let turns = [0, 1, 2].map(|session| of(session, "127.0.0.1:80"));
        assert_eq!(turns, [first, second, first]);
        assert_eq!(of(5, "[::1]:80"), third);
    }
}
