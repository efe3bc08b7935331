//! Starts the threads, joins them over the mesh, and waits for them to end.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use thiserror::Error;
use tracing::{debug, info};

use crate::config::Config;
use crate::id::ShardId;
use crate::mesh::{self, Endpoint};
use crate::metrics::ShardMetrics;
use crate::process::{self, Limit};
use crate::ring::{Ring, RingConfig, SetupError};
use crate::room::homes::Homes;
use crate::shard::event_loop::EventLoop;
use crate::shard::{Message, Shard, ShardSetup};
use crate::signals;
use crate::socket;
use crate::web::{self, WebError};

/// Connections the kernel may hold that no shard has accepted yet; it cuts this to `somaxconn`.
const BACKLOG: i32 = 4096;

/// How long a stop may take besides the drain of HTTP before the process just ends: more than any
/// thread takes that is not stuck.
const STOP_TIMEOUT: Duration = Duration::from_secs(7);

/// How long an address that is in use is tried again.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest pause between two tries, in milliseconds. It is drawn anew each time, so that two servers
/// that both failed because of each other do not meet again.
const ADDRESS_PAUSE_MS_MAX: u64 = 20;

/// Why the server could not start, or had to end.
#[derive(Debug, Error)]
pub enum ServerError {
    /// An address could not be listened on.
    #[error("can't listen on {address}: {cause}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        cause: io::Error,
    },
    /// No descriptor is left: those that were open at the start count too.
    #[error(
        "no file descriptor is left (limit: {limit}): raise it with `ulimit -n` or LimitNOFILE=, \
         or leave fewer open to the server"
    )]
    Descriptors {
        /// The limit that holds.
        limit: Limit,
    },
    /// A ring could not be set up.
    #[error(transparent)]
    Ring(#[from] SetupError),
    /// A thread, a log or a doorbell could not be made.
    #[error(
        "can't start: {0}; give the server more memory or descriptors, or a smaller --log-bytes"
    )]
    Resources(io::Error),
    /// The web thread could not serve.
    #[error(transparent)]
    Web(WebError),
    /// A ring was of no more use.
    #[error("a shard has failed: {0}; `fanring doctor` shows what this machine allows")]
    Shard(io::Error),
    /// A thread has ended when it should not have.
    #[error("a thread has failed; the lines above say why")]
    Thread,
}

// Not derived: what is part of the sentence must not be its source too, and so be told twice.
impl From<io::Error> for ServerError {
    fn from(cause: io::Error) -> Self {
        Self::because(cause, Self::Resources)
    }
}

impl ServerError {
    /// `otherwise`, unless the cause is one whose fix is always the same.
    fn because(cause: io::Error, otherwise: impl FnOnce(io::Error) -> Self) -> Self {
        match Errno::from_io_error(&cause) {
            Some(Errno::MFILE | Errno::NFILE) => Self::Descriptors {
                limit: Limit::of_descriptors(),
            },
            _ => otherwise(cause),
        }
    }
}

impl From<WebError> for ServerError {
    fn from(error: WebError) -> Self {
        match error {
            WebError::Folder(cause) => {
                Self::because(cause, |cause| Self::Web(WebError::Folder(cause)))
            }
            WebError::Runtime(cause) => {
                Self::because(cause, |cause| Self::Web(WebError::Runtime(cause)))
            }
        }
    }
}

type Reports = mpsc::Sender<Result<(), ServerError>>;

/// Runs the server until it is told to stop by a signal, see [`signals`].
///
/// # Errors
/// A [`ServerError`], when it can't start or a thread has failed.
pub fn run(mut config: Config) -> Result<ExitCode, ServerError> {
    // One for all threads: what stands in the way of any ring is said once, before there are threads.
    drop(Ring::new(&RingConfig::default())?);
    let shards = u16::try_from(config.shards.get()).unwrap_or(u16::MAX);
    let (mut listeners, addresses) = listen(&config.listen, shards)?;
    // From here on a port is the one the kernel gave, which requests are compared with.
    config.listen.clone_from(&addresses);
    let config = Arc::new(config);
    let budget = config.budget();
    info!("memory {budget}; the kernel holds sockets' buffers besides");
    for line in &budget.lines {
        debug!("memory for {line}");
    }
    let homes = Homes::new(shards, fastrand::u128(..));
    let metrics: Arc<[ShardMetrics]> = (0..shards).map(|_| ShardMetrics::default()).collect();
    let mut ends = mesh::connect(shards + 1)?;
    let web_end = ends.pop().ok_or(ServerError::Thread)?;
    signals::stop_with(web_end.stopper(), config.drain_timeout + STOP_TIMEOUT)?;
    let (reports, reported) = mpsc::channel();
    let processors = process::processors();

    let mut threads = Vec::new();
    for (number, end) in (0u16..).zip(ends) {
        let setup = ShardSetup {
            number: ShardId::new(number),
            homes,
            config: Arc::clone(&config),
            metrics: Arc::clone(&metrics),
            seed: fastrand::u64(..),
        };
        let processor = (config.pin && !processors.is_empty())
            .then(|| processors[usize::from(number) % processors.len()]);
        let listeners = std::mem::take(&mut listeners[usize::from(number)]);
        let report = reports.clone();
        threads.push(spawn(
            format!("shard-{number}"),
            reports.clone(),
            move || run_shard(setup, end, listeners, processor, &report),
        )?);
    }
    let (web_config, web_metrics) = (Arc::clone(&config), Arc::clone(&metrics));
    let web_report = reports.clone();
    // Not joined: it serves until the process ends.
    spawn("web".to_owned(), reports, move || {
        let started = || drop(web_report.send(Ok(())));
        Ok(web::run(web_config, web_metrics, homes, web_end, started)?)
    })?;
    for _ in 0..=shards {
        reported.recv().map_err(|_| ServerError::Thread)??;
    }
    for address in &addresses {
        info!("listening on http://{address}");
    }
    wait(threads, &reported)
}

/// One listener for each address and shard, and the addresses as bound.
fn listen(
    asked: &[SocketAddr],
    shards: u16,
) -> Result<(Vec<Vec<OwnedFd>>, Vec<SocketAddr>), ServerError> {
    let mut listeners: Vec<Vec<OwnedFd>> = (0..shards).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for &address in asked {
        let failed =
            |cause| ServerError::because(cause, |cause| ServerError::Listen { address, cause });
        let shared = listen_soon(address, usize::from(shards)).map_err(failed)?;
        addresses.push(socket::bound_address(&shared[0]).map_err(failed)?);
        for (shard, listener) in listeners.iter_mut().zip(shared) {
            shard.push(listener);
        }
    }
    Ok((listeners, addresses))
}

/// Listeners for `address`, which the kernel may only be about to give free: a ring that was killed
/// holds its sockets until it is taken down, some milliseconds after its process has gone.
fn listen_soon(address: SocketAddr, count: usize) -> io::Result<Vec<OwnedFd>> {
    let end = Instant::now() + ADDRESS_TIMEOUT;
    let mut told = false;
    loop {
        match socket::listen_shared(address, count, BACKLOG) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < end => {
                if !std::mem::replace(&mut told, true) {
                    info!("{address} is in use; trying for {ADDRESS_TIMEOUT:?}");
                }
                thread::sleep(Duration::from_millis(fastrand::u64(
                    1..=ADDRESS_PAUSE_MS_MAX,
                )));
            }
            result => return result,
        }
    }
}

fn spawn(
    name: String,
    ended: Reports,
    body: impl FnOnce() -> Result<(), ServerError> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(move || {
        // A thread that panics must not leave the others waiting for its messages.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        let _ = ended.send(result.unwrap_or(Err(ServerError::Thread)));
    })
}

fn run_shard(
    setup: ShardSetup,
    end: Endpoint<Message>,
    listeners: Vec<OwnedFd>,
    processor: Option<usize>,
    reports: &Reports,
) -> Result<(), ServerError> {
    if let Some(processor) = processor {
        process::pin(processor)?;
    }
    let ring = Ring::new(&RingConfig::default())?;
    let event_loop = EventLoop::new(ring, Shard::new(setup)?, end, listeners);
    let _ = reports.send(Ok(()));
    event_loop.run().map_err(ServerError::Shard)
}

/// Waits for the shards to end, or for any thread to fail; the web thread ends in no other way.
fn wait(
    shards: Vec<JoinHandle<()>>,
    reported: &mpsc::Receiver<Result<(), ServerError>>,
) -> Result<ExitCode, ServerError> {
    for _ in &shards {
        reported.recv().map_err(|_| ServerError::Thread)??;
    }
    for shard in shards {
        shard.join().map_err(|_| ServerError::Thread)?;
    }
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: with its causes, as the command prints it, an error says nothing twice.
    #[test]
    fn errors_say_their_cause_once() {
        let cause = || io::Error::from_raw_os_error(12);
        let address = SocketAddr::from(([127, 0, 0, 1], 9001));
        let errors = [
            ServerError::from(cause()),
            ServerError::Shard(cause()),
            ServerError::Web(WebError::Folder(cause())),
            ServerError::Web(WebError::Runtime(cause())),
            ServerError::Listen {
                address,
                cause: cause(),
            },
            ServerError::Ring(SetupError::Kernel {
                call: "io_uring_setup",
                errno: Errno::NOMEM,
            }),
        ];
        for error in errors {
            let sentence = format!("{:#}", anyhow::Error::from(error));
            let told = sentence.matches("(os error 12)").count();
            assert_eq!((told, sentence.lines().count()), (1, 1), "{sentence}");
        }
    }

    /// Goal: a thread that panics is reported like one that fails.
    #[test]
    fn a_panic_is_a_failure() {
        let (ended, reported) = mpsc::channel();
        let thread = spawn("unlucky".to_owned(), ended, || panic!("out of luck")).unwrap();
        assert!(matches!(reported.recv(), Ok(Err(ServerError::Thread))));
        thread.join().unwrap();
    }
}
