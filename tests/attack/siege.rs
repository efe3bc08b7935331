//! A server with small limits, what it promised at its start, and what it must be like afterwards.

use std::net::SocketAddr;
use std::time::Duration;

use crate::bystander::{Bystander, Served};
use crate::promise::{mebibytes, peak_bytes, promised_bytes};
use crate::support::server::Server;
use crate::support::wait::{Deadline, PATIENCE};

/// The limits of a small server: the smallest log, and few sessions with short messages.
const SMALL: [&str; 6] = [
    "--log-bytes",
    "1MiB",
    "--connections-max",
    "600",
    "--message-bytes-max",
    "16KiB",
];
/// Sessions that attackers of a [`SMALL`] server may open; the bystander has two more.
pub(crate) const ATTACKERS_MAX: usize = 590;

/// A server, the bystander on it, and the memory it said it takes at most.
pub(crate) struct Siege {
    /// The server.
    pub(crate) server: Server,
    /// Bytes of its start line.
    pub(crate) promise: u64,
    bystander: Option<Bystander>,
}

/// The kernel may keep to itself that a connection was reset right behind data; then a ping finds out,
/// which is to be before this test has waited for long. Nobody is closed for silence meanwhile.
const SILENCE: [&str; 4] = ["--ping-interval", "20s", "--idle-timeout", "10m"];

impl Siege {
    /// A [`SMALL`] server of two shards.
    #[track_caller]
    pub(crate) fn small() -> Self {
        Self::small_and(&["--shards", "2"])
    }

    /// A [`SMALL`] server with further `arguments`.
    #[track_caller]
    pub(crate) fn small_and(arguments: &[&str]) -> Self {
        Self::with(&[&SMALL, arguments].concat())
    }

    /// A server with these `arguments`.
    #[track_caller]
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let server = Server::start(&[arguments, &SILENCE].concat());
        let promise = promised_bytes(&server.log());
        let bystander = Bystander::start(server.address());
        Self {
            server,
            promise,
            bystander: Some(bystander),
        }
    }

    /// Where to attack.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Calls `press` with short durations until the server has closed or skipped somebody as too slow.
    #[track_caller]
    pub(crate) fn press_until_slow(&self, press: &mut impl FnMut(Duration)) {
        let deadline = Deadline::after(PATIENCE);
        loop {
            press(Duration::from_millis(200));
            let health = self.server.healthz();
            if health["slow_closed"] != 0 || health["slow_skipped"] != 0 {
                return;
            }
            deadline.check(|| format!("somebody is too slow for {health}"));
        }
    }

    /// Ends the bystander's talk, so that what it met during the attack alone is told.
    #[track_caller]
    pub(crate) fn stop_bystander(&mut self) -> Served {
        self.bystander.take().expect("stopped once").stop()
    }

    /// The attackers are gone: insists that the bystander was served, that memory stayed within
    /// the promise, and that nothing of the attack is left.
    #[track_caller]
    pub(crate) fn end(mut self, attack: &str) {
        self.server.assert_alive();
        let peak = peak_bytes(&self.server);
        let promise = self.promise;
        eprintln!(
            "{attack}: {:.1} MiB at the peak of {:.1} MiB promised",
            mebibytes(peak),
            mebibytes(promise)
        );
        if self.bystander.is_some() {
            let served = self.stop_bystander();
            eprintln!("{attack}: {served}");
            served.check(attack);
        }
        assert!(
            peak <= promise,
            "{attack}: {peak} bytes at the peak, {promise} promised: {}",
            self.server.healthz()
        );
        self.await_calm(attack);
        self.server.assert_alive();
    }

    /// Waits until no connection is left and the kernel owes no answer.
    #[track_caller]
    fn await_calm(&self, attack: &str) {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let health = self.server.healthz();
            let left = ["connections", "sessions", "operations", "rooms"]
                .iter()
                .find(|name| health[**name] != 0);
            let Some(left) = left else { return };
            deadline.check(|| format!("{attack}: no {left} in {health}"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
