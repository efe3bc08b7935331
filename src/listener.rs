//! A listener and its role: who serves the connections that come in by it.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// For everybody: WebSockets on the shard that accepts them, and the rest on the web thread.
    Public,
}

/// One shard's listening socket on an address, and what it is for.
#[derive(Debug)]
pub(crate) struct Listener {
    /// None once it is closed: what was accepted before may still be on its way.
    socket: Option<OwnedFd>,
    role: Role,
}

impl Listener {
    /// `socket` listens already.
    pub(crate) fn new(socket: OwnedFd, role: Role) -> Self {
        Self {
            socket: Some(socket),
            role,
        }
    }

    /// Who serves its connections, closed or not.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// What to accept from, until it is closed.
    pub(crate) fn fd(&self) -> Option<RawFd> {
        self.socket.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Stops listening; an accept in flight holds on to the socket until it is cancelled.
    pub(crate) fn close(&mut self) {
        self.socket = None;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::{Listener, Role};

    /// Goal: a closed listener gives its address free and is remembered for what it was.
    #[test]
    fn a_closed_listener_keeps_its_role() {
        let socket = TcpListener::bind("127.0.0.79:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut listener = Listener::new(socket.into(), Role::Public);
        assert!(listener.fd().is_some());
        listener.close();
        assert_eq!((listener.fd(), listener.role()), (None, Role::Public));
        assert!(TcpListener::bind(address).is_ok());
    }
}
