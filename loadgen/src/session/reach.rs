//! Which addresses a run goes to, and how.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::ensure;

use crate::session::tls::Client;

/// How long one of several addresses has for answering.
const TRIAL: Duration = Duration::from_secs(2);

/// A place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) address: SocketAddr,
    /// How its target calls it, for the `Host` header.
    pub(crate) host: String,
}

/// Where sessions connect to.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// At least one.
    stops: Vec<Stop>,
    turns: Turns,
    /// How TLS is spoken there, if it is.
    pub(crate) tls: Option<Client>,
}

/// Which of several addresses are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The first that answers, for the whole run: it is one server that is measured.
    First,
    /// All that answer.
    All,
}

/// Who takes turns over several addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turns {
    /// Every session: behind all of them is the same server, or nobody says anything to anybody.
    Sessions,
    /// Rooms: each address is a server of its own, and a room is on one of them.
    Rooms,
}

impl Reach {
    /// Tries the addresses of a host, if it has several: a name such as `localhost` may have one where nobody
    /// listens. All of them are called by the same name.
    ///
    /// # Errors
    /// When nobody answers at any of them.
    pub(crate) fn new(
        addresses: &[SocketAddr],
        host: &str,
        choice: Choice,
        tls: Option<Client>,
    ) -> anyhow::Result<Self> {
        let addresses = match addresses {
            [only] => vec![*only],
            several => answering(several, choice)?,
        };
        let stops = addresses.into_iter().map(|address| Stop {
            address,
            host: host.to_owned(),
        });
        Ok(Self {
            stops: stops.collect(),
            turns: Turns::Sessions,
            tls,
        })
    }

    /// The same with the places of several servers.
    pub(crate) fn over(self, others: impl Iterator<Item = Self>, turns: Turns) -> Self {
        let others = others.flat_map(|other| other.stops);
        Self {
            stops: self.stops.into_iter().chain(others).collect(),
            turns,
            tls: self.tls,
        }
    }

    /// Where a session connects to.
    pub(crate) fn of(&self, session: u32, room: u32) -> &Stop {
        let turn = match self.turns {
            Turns::Sessions => session,
            Turns::Rooms => room,
        };
        &self.stops[turn as usize % self.stops.len()]
    }

    /// The addresses of all of them.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.stops.iter().map(|stop| stop.address)
    }
}

fn answering(addresses: &[SocketAddr], choice: Choice) -> anyhow::Result<Vec<SocketAddr>> {
    let mut found = Vec::new();
    let mut silent = Vec::new();
    for address in addresses {
        match TcpStream::connect_timeout(address, TRIAL) {
            Ok(_) => found.push(*address),
            Err(error) => silent.push(format!("{address} ({error})")),
        }
        if choice == Choice::First && !found.is_empty() {
            break;
        }
    }
    ensure!(
        !found.is_empty(),
        "nobody listens there: {}",
        silent.join(", ")
    );
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Goal: of several addresses the first that answers is used, or all that do if that is asked for; one alone is
    /// not tried, since whoever listens there would see one connection too many.
    #[test]
    fn the_first_that_answers_is_used() {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = listen().local_addr().unwrap();
        let listeners = [(); 2].map(|()| listen());
        let [first, second] = [0, 1].map(|at| listeners[at].local_addr().unwrap());
        let all = [dead, first, second];
        let made = |addresses: &[SocketAddr], host, choice| {
            Reach::new(addresses, host, choice, None).unwrap()
        };
        let reach = made(&all, "a", Choice::First);
        assert_eq!(reach.addresses().collect::<Vec<_>>(), [first]);
        let reach = made(&all, "a", Choice::All);
        assert_eq!(reach.addresses().collect::<Vec<_>>(), [first, second]);
        let stop = |address, host: &str| Stop {
            address,
            host: host.to_owned(),
        };
        assert_eq!(*reach.of(0, 0), stop(first, "a"));
        assert_eq!(*reach.of(3, 0), stop(second, "a"));
        let alone = made(&[dead], "a", Choice::First);
        assert_eq!(alone.of(7, 7).address, dead);
        let one = made(&[first], "a", Choice::First);
        let other = made(&[second], "b:81", Choice::First);
        let servers = one.over([other].into_iter(), Turns::Rooms);
        assert_eq!(*servers.of(1, 0), stop(first, "a"));
        assert_eq!(*servers.of(0, 3), stop(second, "b:81"), "by its own name");
        let error = Reach::new(&[dead, dead], "a", Choice::All, None).unwrap_err();
        assert!(error.to_string().contains(&dead.to_string()), "{error}");
    }
}
