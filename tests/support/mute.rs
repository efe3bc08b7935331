//! The real server where its start line is not to be had, because its stderr is what is tested.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::server::command;
use super::wait::{PATIENCE, eventually};

/// Arguments of a server that starts at once.
pub(crate) const SMALL: [&str; 5] = ["--shards", "2", "--no-pin", "--log-bytes", "1MiB"];

/// A server on a port of the test's choice, with a stderr that tells nothing; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Mute {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Mute {
    /// Starts one with this stderr.
    #[track_caller]
    pub(crate) fn start(stderr: Stdio) -> Self {
        Self::run(|mut command| {
            command.stderr(stderr);
            command
        })
    }

    /// Runs what `wrap` makes of the command.
    #[track_caller]
    pub(crate) fn run(wrap: impl FnOnce(Command) -> Command) -> Self {
        let address = free_address();
        let child = wrap(serve(address))
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let server = Self { child, address };
        eventually("the server listens", PATIENCE, || {
            TcpStream::connect(address).ok()
        });
        server
    }

    /// Sends a signal.
    pub(crate) fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it takes a signal");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn await_exit(&mut self) -> ExitStatus {
        await_exit(&mut self.child)
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody uses.
pub(crate) fn free_address() -> SocketAddr {
    busy_port().local_addr().expect("its address")
}

/// A port held by this process: on one of the loopback addresses that no client is given.
pub(crate) fn busy_port() -> TcpListener {
    let own = Ipv4Addr::new(
        127,
        fastrand::u8(1..),
        fastrand::u8(..),
        fastrand::u8(1..255),
    );
    TcpListener::bind((own, 0)).expect("a port")
}

/// The command for a server that has something to log.
pub(crate) fn serve(address: SocketAddr) -> Command {
    let mut command = command(&["serve", "--listen", &address.to_string()]);
    command.args(SMALL).env("FANRING_LOG", "debug");
    command
}

/// Goodbyes take three seconds at most, by a constant of the event loop.
#[track_caller]
pub(crate) fn await_exit(child: &mut Child) -> ExitStatus {
    eventually("the process ends", Duration::from_secs(10), || {
        child.try_wait().expect("it is a child")
    })
}
