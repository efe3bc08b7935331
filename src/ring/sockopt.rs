//! What the kernel is asked about a socket and no safe interface asks; `socket` says what it means.
#![expect(unsafe_code, reason = "options and requests that no crate wraps")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// How much of `struct tcp_info` is asked for, in bytes; it only grows at its end.
pub(crate) const TCP_INFO_BYTES: usize = 152;

/// Leaves the choice of the port to `connect(2)` (`IP_BIND_ADDRESS_NO_PORT`, `ip(7)`, Linux 4.2).
///
/// # Errors
/// What `setsockopt(2)` says: EBADF, ENOPROTOOPT.
pub(crate) fn bind_address_no_port(socket: impl AsFd) -> io::Result<()> {
    const C_INT_BYTES: libc::socklen_t = 4;
    let one: libc::c_int = 1;
    // SAFETY: the descriptor is borrowed from a live socket, and the value is a whole c_int that
    // outlives the call, with its true length (setsockopt(2)).
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const one).cast(),
            C_INT_BYTES,
        )
    };
    check(result)
}

/// The first bytes of `struct tcp_info` (`TCP_INFO`, `tcp(7)`); zeroes where the kernel has none.
///
/// # Errors
/// What `getsockopt(2)` says: EBADF, and EOPNOTSUPP of a socket that is not TCP.
pub(crate) fn tcp_info(socket: impl AsFd) -> io::Result<[u8; TCP_INFO_BYTES]> {
    let mut info = [0; TCP_INFO_BYTES];
    let mut info_bytes: libc::socklen_t = 152;
    // SAFETY: the descriptor is borrowed from a live socket; the kernel writes at most `info_bytes`
    // bytes, which is how many `info` has, and both outlive the call (getsockopt(2)).
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut info_bytes,
        )
    };
    check(result).map(|()| info)
}

/// Bytes that the peer has yet to acknowledge (`SIOCOUTQ`, which is `TIOCOUTQ`, `tcp(7)`).
///
/// # Errors
/// What `ioctl(2)` says: EBADF, EINVAL of a listener.
pub(crate) fn outgoing_bytes(socket: impl AsFd) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is borrowed from a live socket; the kernel writes one c_int, which is
    // what `bytes` is, and it outlives the call.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    check(result).map(|()| u64::try_from(bytes).expect("a queue is never less than empty"))
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
