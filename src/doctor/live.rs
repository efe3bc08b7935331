//! Trying the ring out over the loopback interface, the way the server will use it.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use super::check::{Check, failure, good};
use super::quiet;
use super::trial::{answer, failed};
use crate::ring::{Op, Outgoing, Ring, Token};
use crate::socket;

/// Accepts, receives and sends over the loopback interface, as the server will.
pub(super) fn try_out(ring: &mut Ring) -> Vec<Check> {
    let features = *ring.features();
    let buffers = format!("{} of {} bytes", features.buffers, features.buffer_bytes);
    let mut checks = vec![good("buffer ring", buffers)];
    match try_live(ring) {
        Ok(tried) => checks.extend(tried),
        Err(error) => checks.push(failure(
            "loopback test",
            error.to_string(),
            "allow TCP connections on 127.0.0.1 and leave some descriptors free",
        )),
    }
    checks
}

fn try_live(ring: &mut Ring) -> io::Result<Vec<Check>> {
    let fix = "run Linux 6.1 or newer";
    let judge = |name, good_one: bool, found: &str| {
        if good_one {
            good(name, found)
        } else {
            failure(name, format!("not {found}"), fix)
        }
    };
    let listener = socket::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 8)?;
    ring.accept_multishot(listener.as_raw_fd(), Token::new(Op::Accept, 0, 0));
    let mut client = TcpStream::connect(socket::bound_address(&listener)?)?;
    let accepted = answer(ring, Op::Accept)?;
    let goes_on = accepted.more;
    let peer: OwnedFd = accepted
        .socket
        .ok_or_else(|| failed("accept", accepted.result))?;
    let mut checks = vec![judge(
        "multishot accept",
        goes_on,
        "goes on after a connection",
    )];

    ring.recv_multishot(peer.as_raw_fd(), Token::new(Op::Recv, 0, 0));
    client.write_all(b"?")?;
    let received = answer(ring, Op::Recv)?;
    checks.push(judge(
        "multishot receive",
        received.more,
        "goes on after bytes",
    ));
    if let Some(buffer) = received.buffer {
        ring.recycle(buffer);
    }

    ring.send_batch([Outgoing {
        fd: peer.as_raw_fd(),
        token: Token::new(Op::Send, 0, 0),
        slices: [b"!".as_slice()],
    }]);
    let mut completions = Vec::new();
    ring.reap(&mut completions);
    let inline = completions
        .iter()
        .any(|sent| sent.token.op == Op::Send && sent.result == Ok(1));
    checks.push(judge(
        "send with DONTWAIT",
        inline,
        "over when it is submitted",
    ));
    // One byte of that send is still on its way.
    checks.push(quiet::try_out(ring, peer, client, 1)?);
    Ok(checks)
}
