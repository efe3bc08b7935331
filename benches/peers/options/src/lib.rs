//! What the peers on tokio have in common: their flags, their runtime, and a channel for each room.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use bench_common::BACKLOG;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast::{self, Sender};

/// Messages a receiver may be behind before it misses some.
pub const CHANNEL_MESSAGES: usize = 1024;

/// What a peer's `main` does: reads its flags and serves; an error is one sentence.
pub fn run(name: &str, serve: impl FnOnce(Options) -> anyhow::Result<()>) -> ExitCode {
    bench_common::run(name, &["--listen ADDR", "--threads N"], |flags| {
        serve(Options {
            listen: flags.listen(9002)?,
            threads: flags.value("--threads", "a count", 1)?,
        })
    })
}

/// `--listen ADDR` and `--threads N`.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Threads of the runtime.
    pub threads: usize,
}

impl Options {
    /// A runtime of so many threads; one is without work stealing, which is faster on one processor.
    ///
    /// # Errors
    /// When there are to be no threads, or they can't be started.
    pub fn runtime(&self) -> anyhow::Result<Runtime> {
        let mut builder = match self.threads {
            0 => bail!("--threads must be at least 1"),
            1 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        if self.threads > 1 {
            builder.worker_threads(self.threads);
        }
        builder
            .enable_all()
            .build()
            .context("can't start the runtime")
    }

    /// A listener with a backlog for many connections at once.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub fn listener(&self) -> anyhow::Result<tokio::net::TcpListener> {
        let socket = match self.listen {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        (socket.bind(self.listen)).with_context(|| format!("bind {}", self.listen))?;
        let listener = socket.listen(u32::from(BACKLOG))?;
        writeln!(std::io::stderr(), "listening on {}", listener.local_addr()?)?;
        Ok(listener)
    }
}

/// A channel for each room, by its path.
#[derive(Debug)]
pub struct Rooms<T>(Mutex<HashMap<String, Sender<T>>>);

impl<T: Clone> Default for Rooms<T> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<T: Clone> Rooms<T> {
    /// The channel of a room, made for its first member.
    pub fn join(&self, path: &str) -> Sender<T> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = rooms.get(path) {
            return room.clone();
        }
        let (room, _) = broadcast::channel(CHANNEL_MESSAGES);
        rooms.insert(path.to_owned(), room.clone());
        room
    }
}
