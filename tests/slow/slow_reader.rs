//! A reader that is slow and steady, and one that is gone: the first is no silent one.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::alone;
use crate::support::client::{Client, fresh_key, handshake};
use crate::support::frame::{self, CLOSE, Outgoing, PING, PONG};
use crate::support::http::Wire;
use crate::support::server::Server;
use crate::support::wait::{Deadline, PATIENCE};

const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// A session in `room` whose socket has a small receive buffer.
fn join_narrow(server: &Server, room: &str) -> (TcpStream, Vec<u8>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("SO_RCVBUF");
    socket.connect(&server.address().into()).expect("connects");
    let stream = TcpStream::from(socket);
    let mut wire = Wire::over(stream.try_clone().expect("a descriptor"));
    let key = fresh_key();
    wire.send(handshake(server.address(), room, &key, "").as_bytes());
    let client = Client::opened(wire, &key);
    (stream, client.wire.bytes().to_vec())
}

/// Goal: a reader of 4 kB/s that answers pings is not closed as silent though its pings wait behind
/// more data than it reads in several idle timeouts; one that stops reading altogether is.
#[test]
fn a_steady_reader_is_not_silent() {
    let _alone = alone();
    let server = Server::start(&["--idle-timeout", "4s", "--ping-interval", "1s"]);
    let (mut steady, mut unread) = join_narrow(&server, "/ws/slow?presence=0");
    let (_stopped, _) = join_narrow(&server, "/ws/slow?presence=0");
    let mut publisher = Client::connect(server.address(), "/ws/slow?presence=0");
    server.await_figure("sessions", |sessions| sessions == 3);
    for _ in 0..40 {
        publisher.send(&Outgoing::binary(vec![7; 10_000]));
    }
    let (mut read, started) = (0, Instant::now());
    let mut stopped_gone = false;
    let deadline = Deadline::after(8 * IDLE_TIMEOUT + PATIENCE);
    while started.elapsed() < 5 * IDLE_TIMEOUT || !stopped_gone {
        deadline.check(|| format!("the one that stopped is gone; {}", server.healthz()));
        let mut piece = [0; 400];
        let count = steady.read(&mut piece).expect("an open connection");
        assert!(count > 0, "the connection ended after {read} bytes");
        read += count;
        unread.extend_from_slice(&piece[..count]);
        while let Some((view, size)) = frame::parse(&unread).expect("frames") {
            match view.opcode {
                CLOSE => panic!("closed after {read} bytes: {:?}", view.payload),
                PING => {
                    let pong = Outgoing::new(PONG, view.payload).bytes();
                    std::io::Write::write_all(&mut steady, &pong).expect("it is open");
                }
                _ => {}
            }
            unread.drain(..size);
        }
        // The publisher would be silent otherwise.
        publisher.send(&Outgoing::new(PONG, b""));
        stopped_gone = stopped_gone || server.figure("sessions") == 2;
        // The pace is what this is about.
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(read < 300_000, "{read} bytes are no slow pace");
}
