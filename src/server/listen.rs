//! Listeners for the addresses that were asked for, one for each shard and with a role.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use tracing::info;

use super::error::ServerError;
use crate::listener::{Listener, Role};
use crate::socket;

/// Connections the kernel may hold that no shard has accepted yet; it cuts this to `somaxconn`.
const BACKLOG: i32 = 4096;

/// How long an address that is in use is tried again.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest pause between two tries, in milliseconds. It is drawn anew each time, so that two servers
/// that both failed because of each other do not meet again.
const ADDRESS_PAUSE_MS_MAX: u64 = 20;

/// One listener for each address and shard, and the addresses as bound.
pub(super) fn listen(
    asked: &[SocketAddr],
    shards: u16,
) -> Result<(Vec<Vec<Listener>>, Vec<SocketAddr>), ServerError> {
    let mut listeners: Vec<Vec<Listener>> = (0..shards).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for &address in asked {
        let failed =
            |cause| ServerError::because(cause, |cause| ServerError::Listen { address, cause });
        let shared = listen_soon(address, usize::from(shards)).map_err(failed)?;
        addresses.push(socket::bound_address(&shared[0]).map_err(failed)?);
        for (shard, socket) in listeners.iter_mut().zip(shared) {
            shard.push(Listener::new(socket, Role::Public));
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
