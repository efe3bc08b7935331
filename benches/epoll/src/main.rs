//! The same server on epoll: Fanring's shard with its sessions, rooms, log and flush, driven by
//! epoll(7), recv, send and writev instead of a ring. What differs between the two is the ring's doing.
//!
//! One shard, no web thread: whatever is no WebSocket is closed without an answer.

mod event_loop;
mod interest;

use std::process::ExitCode;
use std::sync::Arc;

use fanring::config::Config;
use fanring::id::ShardId;
use fanring::metrics::ShardMetrics;
use fanring::process;
use fanring::room::homes::Homes;
use fanring::shard::{Shard, ShardSetup};

fn main() -> ExitCode {
    bench_common::run(env!("CARGO_PKG_NAME"), &["--listen ADDR"], |flags| {
        let listener = bench_common::listen(flags.listen(9006)?)?;
        event_loop::EventLoop::new(shard()?, listener)?.run()
    })
}

/// The only shard, with room for as many sessions as there may be descriptors.
fn shard() -> std::io::Result<Shard> {
    let descriptors = process::raise_descriptor_limit()?;
    let descriptors = usize::try_from(descriptors).expect("64-bit machines");
    let config = Config {
        connections_max: descriptors.saturating_sub(100),
        descriptors_max: descriptors,
        echo: true,
        ..Config::default()
    };
    Shard::new(ShardSetup {
        number: ShardId::new(0),
        homes: Homes::new(1, 0),
        config: Arc::new(config),
        metrics: Arc::new([ShardMetrics::default()]),
        seed: 1,
    })
}
