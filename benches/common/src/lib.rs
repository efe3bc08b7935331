//! What the comparison's own servers have in common: flags, a listener, and bare WebSocket connections.

pub mod connection;
pub mod flags;

use std::io::Write;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use fanring::{process, socket};

use self::flags::Flags;

/// Connections that wait to be accepted, for many that come at once.
pub const BACKLOG: u16 = 4096;

/// What a server's `main` does: reads the flags that it knows, such as `--listen ADDR`, and serves. An error is
/// one sentence, whatever `RUST_BACKTRACE` says.
pub fn run(
    name: &str,
    known: &'static [&'static str],
    serve: impl FnOnce(Flags) -> anyhow::Result<()>,
) -> ExitCode {
    let Err(error) = Flags::from_args(known).and_then(serve) else {
        return ExitCode::SUCCESS;
    };
    // A closed stderr is no reason to lose the exit code.
    let _ = writeln!(std::io::stderr(), "{name}: {error:#}");
    ExitCode::FAILURE
}

/// Raises the limit of descriptors, listens, and says where. The listener does not block.
///
/// # Errors
/// When the address is taken or not this machine's.
pub fn listen(address: SocketAddr) -> anyhow::Result<OwnedFd> {
    process::raise_descriptor_limit()?;
    let listener = socket::listen(address, i32::from(BACKLOG))?;
    let bound = socket::bound_address(&listener)?;
    let listener = std::net::TcpListener::from(listener);
    listener.set_nonblocking(true)?;
    writeln!(std::io::stderr(), "listening on {bound}")?;
    Ok(listener.into())
}
