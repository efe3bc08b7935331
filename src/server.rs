//! Starts the threads, joins them over the mesh, and waits for them to end.

mod error;
mod listen;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::{debug, info, warn};

pub use self::error::ServerError;
use self::listen::listen;
use crate::budget::Budget;
use crate::config::Config;
use crate::drive::EventLoop;
use crate::id::ShardId;
use crate::listener::Listener;
use crate::mesh::{self, ShardEnd};
use crate::metrics::ShardMetrics;
use crate::process;
use crate::ring::{Ring, RingConfig};
use crate::room::homes::Homes;
use crate::shard::{Shard, ShardSetup};
use crate::signals;
use crate::talk::{ToShard, ToWeb};
use crate::web;

/// How long a stop may take besides the drain of HTTP before the process just ends: more than any
/// thread takes that is not stuck.
const STOP_TIMEOUT: Duration = Duration::from_secs(7);

type Reports = mpsc::Sender<Result<(), ServerError>>;

/// Runs the server until it is told to stop by a signal, see `signals`.
///
/// # Errors
/// A [`ServerError`], when it can't start or a thread has failed.
pub fn run(mut config: Config) -> Result<ExitCode, ServerError> {
    // One for all threads: what stands in the way of any ring is said once, before there are threads.
    drop(Ring::new(&RingConfig::default())?);
    let shards = u16::try_from(config.shards.get()).expect("SHARDS_MAX at most");
    let (mut listeners, addresses) = listen(&config.listen, shards)?;
    // From here on a port is the one the kernel gave, which requests are compared with.
    config.listen.clone_from(&addresses);
    let config = Arc::new(config);
    let budget = Budget::of(&config);
    info!("memory {budget}; the kernel holds sockets' buffers besides");
    for line in &budget.lines {
        debug!("memory for {line}");
    }
    let homes = Homes::new(shards, fastrand::u128(..));
    let metrics: Arc<[ShardMetrics]> = (0..shards).map(|_| ShardMetrics::default()).collect();
    let (ends, web_end) = mesh::connect(shards)?;
    signals::stop_with(web_end.bell.stopper(), config.drain_timeout + STOP_TIMEOUT)?;
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
    tell_who_may_enter(&config);
    for address in &addresses {
        info!("listening on http://{address}");
    }
    wait(threads, &reported)
}

/// Says what nobody should find out by chance.
fn tell_who_may_enter(config: &Config) {
    if config.chat.is_playground() {
        info!(
            "a playground: nobody needs a token, until the settings file has a section client or channel"
        );
    } else if config.chat.is_insecure() {
        warn!(
            "client.insecure is on: nobody needs a token, and all may do what is forbidden otherwise"
        );
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
    end: ShardEnd<ToShard, ToWeb>,
    listeners: Vec<Listener>,
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

    /// Goal: a thread that panics is reported like one that fails.
    #[test]
    fn a_panic_is_a_failure() {
        let (ended, reported) = mpsc::channel();
        let thread = spawn("unlucky".to_owned(), ended, || panic!("out of luck")).unwrap();
        assert!(matches!(reported.recv(), Ok(Err(ServerError::Thread))));
        thread.join().unwrap();
    }
}
