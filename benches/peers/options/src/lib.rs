//! What the peers on tokio have in common: their flags, their runtime, and a channel for each room.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast::{self, Sender};

/// Messages a receiver may be behind before it misses some.
pub const CHANNEL_MESSAGES: usize = 1024;

/// What a peer's `main` does: reads its flags and serves; an error is one sentence, whatever
/// `RUST_BACKTRACE` says.
pub fn run(name: &str, serve: impl FnOnce(Options) -> anyhow::Result<()>) -> ExitCode {
    let Err(error) = Options::from_args().and_then(serve) else {
        return ExitCode::SUCCESS;
    };
    // A closed stderr is no reason to lose the exit code.
    let _ = writeln!(std::io::stderr(), "{name}: {error:#}");
    ExitCode::FAILURE
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
    /// Reads the flags of this process.
    ///
    /// # Errors
    /// One sentence for an unknown flag or a value that is none.
    pub fn from_args() -> anyhow::Result<Self> {
        let mut options = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9002)),
            threads: 1,
        };
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            let mut value = || (args.next()).with_context(|| format!("{flag} needs a value"));
            match flag.as_str() {
                "--listen" => {
                    options.listen = value()?.parse().context("--listen takes address:port")?;
                }
                "--threads" => {
                    options.threads = value()?.parse().context("--threads takes a count")?
                }
                _ => bail!("unknown option {flag}; there are --listen ADDR and --threads N"),
            }
        }
        Ok(options)
    }

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
        let listener = socket.listen(4096)?;
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
