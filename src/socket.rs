//! TCP sockets apart from what a ring does with them: listeners, addresses, half-closing, and how far a
//! peer has come.
//!
//! Accepted sockets inherit what [`listen`] sets on the listener, so nothing has to be set for
//! each connection (Linux copies the options of the listener into the child, `tcp(7)`).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::{Shutdown, getpeername, getsockname, shutdown};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::ring::sockopt;

/// How much unsent data a socket takes before a send comes back short, in bytes.
///
/// A peer that stops reading must not pin megabytes in the kernel: the log is the buffer, and the
/// kernel's only has to cover the time until the next flush (`TCP_NOTSENT_LOWAT`, `tcp(7)`).
pub(crate) const UNSENT_BYTES_MAX: u32 = 131_072;

/// How much of it a socket takes whose peer has to be reached in seconds whatever lies before: those that
/// read as slowly as a few kB/s hear of it in time.
const UNSENT_BYTES_FEW: u32 = 16_384;

/// A listening TCP socket; nobody else listens on its address.
///
/// Sets `SO_REUSEADDR`, `IPV6_V6ONLY` where it applies, `TCP_NODELAY` and `UNSENT_BYTES_MAX`. Port 0
/// picks a free one, see [`bound_address`].
///
/// # Errors
/// What `socket(2)`, `bind(2)` and `listen(2)` say: EADDRINUSE, EACCES, EADDRNOTAVAIL, EMFILE.
pub fn listen(address: SocketAddr, backlog: i32) -> io::Result<OwnedFd> {
    let socket = prepared(address)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// `count` listeners on one address, between which the kernel shares out the connections
/// (`SO_REUSEPORT`, `socket(7)`); nobody else listens there, or has listened in between.
///
/// The first one is bound *and listens* without the option, which succeeds for one only of those
/// who try at the same moment (binding alone lets the other in until one of them listens), at
/// times for none: trying again is worth it. It joins the sharing once the others are added:
/// their `listen(2)` takes in those on the same address that have the option by then
/// (`reuseport_add_sock` in net/core/sock_reuseport.c, Linux 4.6).
///
/// # Errors
/// Those of [`listen`].
pub(crate) fn listen_shared(
    address: SocketAddr,
    count: usize,
    backlog: i32,
) -> io::Result<Vec<OwnedFd>> {
    let mut listeners = vec![listen(address, backlog)?];
    let bound = bound_address(&listeners[0])?;
    while listeners.len() < count {
        SockRef::from(&listeners[0]).set_reuse_port(true)?;
        let further = prepared(bound)?;
        further.set_reuse_port(true)?;
        further.bind(&bound.into())?;
        further.listen(backlog)?;
        listeners.push(further.into());
    }
    Ok(listeners)
}

/// A socket with the options that its connections inherit, which may take over a port from
/// connections that are only lingering.
fn prepared(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
    Ok(socket)
}

/// Gives a socket that is about to connect a source address, and leaves the choice of the port to
/// [`connect(2)`](https://man7.org/linux/man-pages/man2/connect.2.html): so a port can be used once
/// for each destination instead of once in all (`IP_BIND_ADDRESS_NO_PORT`, `ip(7)`, Linux 4.2).
///
/// # Errors
/// EADDRNOTAVAIL when the address is not this machine's, EINVAL when it is of another family.
pub fn bind_source(socket: &Socket, address: IpAddr) -> io::Result<()> {
    sockopt::bind_address_no_port(socket)?;
    socket.bind(&SocketAddr::new(address, 0).into())
}

/// Has a connected socket take little unsent data before a send comes back short: `UNSENT_BYTES_FEW`.
///
/// # Errors
/// What `setsockopt(2)` says: EBADF, EINVAL of what is no TCP socket.
pub fn hold_little(socket: impl AsFd) -> io::Result<()> {
    SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES_FEW)
}

/// The address a socket is bound to.
///
/// # Errors
/// EBADF, or `InvalidData` when the socket is not an IP socket.
pub fn bound_address(socket: impl AsFd) -> io::Result<SocketAddr> {
    let address = getsockname(socket)?;
    address
        .try_into()
        .map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The address of the other end.
///
/// # Errors
/// ENOTCONN when the connection is gone already, or `InvalidData` when it is not an IP socket.
pub(crate) fn peer_address(socket: impl AsFd) -> io::Result<SocketAddr> {
    let address = getpeername(socket)?.ok_or(io::ErrorKind::InvalidData)?;
    address
        .try_into()
        .map_err(|_| io::ErrorKind::InvalidData.into())
}

/// How far the peer of a socket has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that the peer's machine has acknowledged since the connection began.
    pub acknowledged: u64,
    /// Bytes that it has yet to acknowledge, sent or not.
    pub outstanding: u64,
    /// Those of them that could not be sent yet.
    pub unsent: u64,
    /// Bytes that have arrived and wait to be received.
    pub unread: u64,
}

/// Measures a connected TCP socket (`TCP_INFO`, `SIOCOUTQ` and `SIOCINQ`, tcp(7)).
///
/// # Errors
/// EBADF, and what is said of a socket that is not TCP.
pub fn measure(socket: impl AsFd) -> io::Result<Progress> {
    // Where two fields stand in `struct tcp_info` (include/uapi/linux/tcp.h); the last of them came with
    // Linux 4.6.
    const BYTES_ACKED: usize = 120;
    const NOTSENT_BYTES: usize = 144;
    let fd = socket.as_fd();
    let info = sockopt::tcp_info(fd)?;
    let acknowledged = info[BYTES_ACKED..].first_chunk().copied();
    let unsent = info[NOTSENT_BYTES..].first_chunk().copied();
    Ok(Progress {
        acknowledged: u64::from_ne_bytes(acknowledged.unwrap_or_default()),
        outstanding: sockopt::outgoing_bytes(fd)?,
        unsent: u32::from_ne_bytes(unsent.unwrap_or_default()).into(),
        unread: rustix::io::ioctl_fionread(fd)?,
    })
}

/// Sends a FIN after what is queued; receiving goes on.
///
/// # Errors
/// ENOTCONN when the peer has reset the connection.
pub fn shutdown_write(socket: impl AsFd) -> io::Result<()> {
    Ok(shutdown(socket, Shutdown::Write)?)
}

/// Ends both directions: receives and polls in flight on the socket complete.
///
/// # Errors
/// ENOTCONN when the peer has reset the connection.
pub fn shutdown_both(socket: impl AsFd) -> io::Result<()> {
    Ok(shutdown(socket, Shutdown::Both)?)
}

/// Closes a socket. Operations of a ring on it are not cancelled by that: they keep the connection
/// alive until they complete, so shut it down or cancel them first.
pub fn close(socket: OwnedFd) {
    drop(socket);
}

/// Makes the next [`close`] send a RST instead of a FIN and drop what is queued, for a peer that
/// does not read (`SO_LINGER` with a time of zero, `socket(7)`).
///
/// # Errors
/// EBADF.
pub fn reset_on_close(socket: impl AsFd) -> io::Result<()> {
    let zero = Some(Duration::ZERO);
    Ok(rustix::net::sockopt::set_socket_linger(socket, zero)?)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpStream};

    use super::*;

    /// Goal: an accepted socket has the listener's options without a call of its own.
    #[test]
    fn accepted_sockets_inherit_the_options() {
        let listener = listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let address = bound_address(&listener).unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (accepted, _) = Socket::from(listener).accept().unwrap();
        assert!(accepted.tcp_nodelay().unwrap());
        assert_eq!(accepted.tcp_notsent_lowat().unwrap(), UNSENT_BYTES_MAX);
        hold_little(&accepted).unwrap();
        assert_eq!(accepted.tcp_notsent_lowat().unwrap(), UNSENT_BYTES_FEW);
        assert_eq!(
            peer_address(&accepted).unwrap(),
            client.local_addr().unwrap()
        );
    }

    /// Goal: an address belongs to one, whether it shares or not.
    #[test]
    fn an_address_belongs_to_one() {
        for count in [1, 2] {
            let own = SocketAddr::from(([127, 0, 0, 78], 0));
            let listeners = listen_shared(own, count, 16).unwrap();
            let address = bound_address(&listeners[0]).unwrap();
            for error in [
                listen(address, 16).map(|_| ()).unwrap_err(),
                listen_shared(address, count, 16).map(|_| ()).unwrap_err(),
            ] {
                assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            }
        }
    }

    /// Goal: connections are shared out between all listeners, the first one included, although it
    /// began without the option, and all of them give their connections the same options.
    #[test]
    fn connections_are_shared_out_between_all_listeners() {
        const LISTENERS: usize = 4;
        const CONNECTIONS: usize = 400;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = listen_shared(any, LISTENERS, 1024).unwrap();
        let address = bound_address(&listeners[0]).unwrap();
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let mut accepted = 0;
        for (number, listener) in listeners.into_iter().enumerate() {
            let listener = Socket::from(listener);
            listener.set_nonblocking(true).unwrap();
            let mut here = 0;
            while let Ok((socket, _)) = listener.accept() {
                assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_BYTES_MAX);
                here += 1;
            }
            // A quarter is 100, with a deviation of 9.
            assert!(
                (50..=150).contains(&here),
                "{here} of {CONNECTIONS} at {number}"
            );
            accepted += here;
        }
        assert_eq!(accepted, clients.len());
    }

    /// Goal: of two who want the same port at the same moment, never both get it. Every tenth of a
    /// percent counts, so the race is run often; the kernel asks for the user, not for the process.
    #[test]
    fn two_at_once_never_share_a_port() {
        let mut taken = 0;
        for _ in 0..500 {
            let own = SocketAddr::from(([127, 0, 0, 77], 0));
            let free = listen_shared(own, 1, 1).unwrap();
            let address = bound_address(&free[0]).unwrap();
            drop(free);
            let barrier = std::sync::Barrier::new(2);
            let contend = || {
                barrier.wait();
                listen_shared(address, 2, 16)
            };
            let (first, second) = std::thread::scope(|scope| {
                let first = scope.spawn(contend);
                let second = contend();
                (first.join().unwrap(), second)
            });
            assert!(first.is_err() || second.is_err(), "both got {address}");
            taken += usize::from(first.is_ok() || second.is_ok());
        }
        // At times neither does: each sees the other about to listen.
        assert!(taken > 250, "{taken}");
    }

    /// Goal: an IPv6 wildcard does not take the IPv4 port away from a second listener.
    #[test]
    fn ipv6_listeners_leave_ipv4_alone() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let listener = Socket::from(listen(any, 16).unwrap());
        assert!(listener.only_v6().unwrap());
    }

    /// Goal: connections come from the address they are told to, each from a port of its own.
    #[test]
    fn sources_are_chosen() {
        let listener = Socket::from(listen("127.0.0.1:0".parse().unwrap(), 16).unwrap());
        let target = bound_address(&listener).unwrap();
        for last in [2, 3] {
            let source = IpAddr::from([127, 0, 0, last]);
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
            bind_source(&socket, source).unwrap();
            socket.connect(&target.into()).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            assert_eq!(peer_address(&accepted).unwrap().ip(), source);
        }
    }

    /// Goal: what a peer has and has not taken is told apart: acknowledged, held back, not
    /// received.
    #[test]
    fn the_progress_of_a_peer_is_measured() {
        use std::io::{Read, Write};
        let listener = Socket::from(listen("127.0.0.1:0".parse().unwrap(), 16).unwrap());
        let mut client = TcpStream::connect(bound_address(&listener).unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        client.write_all(b"four").unwrap();
        accepted.write_all(&[1; 1000]).unwrap();
        client.read_exact(&mut [0; 1000]).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        let first = loop {
            let now = measure(&accepted).unwrap();
            if (now.outstanding, now.unread) == (0, 4) {
                break now;
            }
            assert!(std::time::Instant::now() < deadline, "{now:?}");
        };
        assert_eq!(first.unsent, 0);
        accepted.set_nonblocking(true).unwrap();
        while accepted.write(&[2; 4096]).is_ok() {}
        let full = measure(&accepted).unwrap();
        assert!(
            full.unsent > 0 && full.outstanding >= full.unsent,
            "{full:?}"
        );
        loop {
            client.read_exact(&mut [0; 4096]).unwrap();
            let now = measure(&accepted).unwrap();
            if now.acknowledged > full.acknowledged && now.outstanding < full.outstanding {
                break;
            }
        }
    }

    /// Goal: half-closing ends the reader's stream and leaves the other direction open.
    #[test]
    fn shutting_down_the_write_side_is_a_fin() {
        use std::io::{Read, Write};
        let listener = Socket::from(listen("127.0.0.1:0".parse().unwrap(), 16).unwrap());
        let mut client = TcpStream::connect(bound_address(&listener).unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        shutdown_write(&accepted).unwrap();
        assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
        client.write_all(b"still").unwrap();
        let mut bytes = [0; 5];
        accepted.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"still");
    }
}
