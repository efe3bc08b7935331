//! The same server on epoll: Fanring's shard with its sessions, rooms, log and flush, driven by
//! epoll(7), recv, send and writev instead of a ring. What differs between the two is the ring's doing.
//!
//! One shard, no web thread: whatever is no WebSocket is closed without an answer.

mod event_loop;
mod interest;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use fanring::config::Config;
use fanring::id::ShardId;
use fanring::metrics::ShardMetrics;
use fanring::room::homes::Homes;
use fanring::shard::{Shard, ShardSetup};
use fanring::{process, socket};

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    // A closed stderr is no reason to lose the exit code.
    let _ = writeln!(
        std::io::stderr(),
        concat!(env!("CARGO_PKG_NAME"), ": {:#}"),
        error
    );
    ExitCode::FAILURE
}

fn run() -> anyhow::Result<()> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 9006));
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        match (flag.as_str(), args.next()) {
            ("--listen", Some(value)) => {
                listen = value.parse().context("--listen takes address:port")?;
            }
            _ => bail!("unknown option {flag}; there is --listen ADDR"),
        }
    }
    let descriptors = process::raise_descriptor_limit()?;
    let descriptors = usize::try_from(descriptors).expect("64-bit machines");
    let config = Config {
        connections_max: descriptors.saturating_sub(100),
        descriptors_max: descriptors,
        ..Config::default()
    };
    let shard = Shard::new(ShardSetup {
        number: ShardId::new(0),
        homes: Homes::new(1, 0),
        config: Arc::new(config),
        metrics: Arc::new([ShardMetrics::default()]),
        seed: 1,
    })?;
    let listener = socket::listen(listen, 4096)?;
    writeln!(
        std::io::stderr(),
        "listening on {}",
        socket::bound_address(&listener)?
    )?;
    event_loop::EventLoop::new(shard, listener)?.run()
}
