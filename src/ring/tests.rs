//! The ring against real sockets on the loopback interface.

mod sends;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};

use super::*;

const LISTENER: Token = Token {
    op: Op::Accept,
    slot: 0,
    generation: 1,
};

fn token(op: Op, slot: u32) -> Token {
    Token::new(op, slot, 7)
}

fn small_ring() -> Ring {
    ring_with(TaskRun::default())
}

fn ring_with(task_run: TaskRun) -> Ring {
    Ring::new(&RingConfig {
        sq_entries: 8,
        cq_entries: 64,
        buffers: 4,
        buffer_bytes: 256,
        task_run,
    })
    .unwrap()
}

/// Drives the ring until `enough` says so; fails the test after a minute without, which only a test
/// that fails waits for.
fn drive(ring: &mut Ring, mut enough: impl FnMut(&mut Ring, Completion) -> bool) {
    let guard = token(Op::Timer, SLOT_MAX);
    ring.timeout(Duration::from_secs(60), guard);
    let mut completions = Vec::new();
    let mut done = false;
    while !done {
        ring.submit_and_wait(1).unwrap();
        ring.reap(&mut completions);
        for completion in completions.drain(..) {
            assert_ne!(completion.token, guard, "timed out");
            done |= enough(ring, completion);
        }
    }
    let answer = token(Op::Cancel, SLOT_MAX);
    ring.cancel(guard, answer);
    let mut ended = 0;
    while ended < 2 {
        ring.submit_and_wait(1).unwrap();
        ring.reap(&mut completions);
        for completion in completions.drain(..) {
            if completion.token == guard || completion.token == answer {
                ended += 1;
            } else {
                enough(ring, completion);
            }
        }
    }
}

/// The next completion, which must be the only one the test waits for.
fn next(ring: &mut Ring) -> Completion {
    let mut found = None;
    drive(ring, |_, completion| {
        assert!(found.is_none(), "{completion:?} after {found:?}");
        found = Some(completion);
        true
    });
    found.unwrap()
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, client)
}

/// A send to `peer`.
fn outgoing<S>(peer: &TcpStream, slot: u32, slices: S) -> Outgoing<S> {
    Outgoing {
        fd: peer.as_raw_fd(),
        token: token(Op::Send, slot),
        slices,
    }
}

/// Goal: one accept answers for many connections, and each arrives as an owned descriptor.
#[test]
fn accept_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut ring = small_ring();
    ring.accept_multishot(listener.as_raw_fd(), LISTENER);
    let clients: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let mut peers = Vec::new();
    drive(&mut ring, |_, mut completion| {
        assert_eq!(completion.token, LISTENER);
        assert!(completion.more);
        let accepted = completion.socket.take().unwrap();
        assert_eq!(completion.result, Ok(accepted.as_raw_fd().cast_unsigned()));
        peers.push(TcpStream::from(accepted).peer_addr().unwrap());
        peers.len() == clients.len()
    });
    let mut locals: Vec<_> = clients
        .iter()
        .map(|client| client.local_addr().unwrap())
        .collect();
    peers.sort();
    locals.sort();
    assert_eq!(peers, locals);
    assert_eq!(ring.in_flight, 1, "only the accept itself is left");
}

/// Goal: bytes arrive in order over many buffers, and the end of the stream ends the receive, whenever
/// the kernel does its part of that.
#[test]
fn receive_goes_on_to_the_end_of_the_stream() {
    for task_run in [TaskRun::Deferred, TaskRun::Cooperative] {
        receive_all(&mut ring_with(task_run));
    }
}

fn receive_all(ring: &mut Ring) {
    let (peer, mut client) = pair();
    ring.recv_multishot(peer.as_raw_fd(), token(Op::Recv, 1));
    let sent: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
    let all = sent.clone();
    let writer = thread::spawn(move || client.write_all(&all).unwrap());
    let mut received = Vec::new();
    drive(ring, |ring, completion| {
        if let Some(mut buffer) = completion.buffer {
            received.extend_from_slice(ring.bytes(&mut buffer));
            ring.recycle(buffer);
        }
        match (completion.result, completion.more) {
            (Ok(0), more) => {
                assert!(!more);
                return true;
            }
            (Ok(_) | Err(Errno::NOBUFS), false) => {
                ring.recv_multishot(peer.as_raw_fd(), token(Op::Recv, 1));
            }
            (result, _) => assert!(result.is_ok(), "{result:?}"),
        }
        false
    });
    writer.join().unwrap();
    assert!(
        received == sent,
        "{} bytes of {}",
        received.len(),
        sent.len()
    );
    assert_eq!(ring.in_flight, 0);
}

/// Goal: a receive that finds all buffers held says so, loses nothing, and goes on once one is
/// back.
#[test]
fn held_buffers_stop_a_receive_without_loss() {
    let (peer, mut client) = pair();
    let mut ring = small_ring();
    let recv = token(Op::Recv, 2);
    ring.recv_multishot(peer.as_raw_fd(), recv);
    client.write_all(&[1; 256 * 4 + 10]).unwrap();
    let mut held = Vec::new();
    drive(&mut ring, |ring, completion| {
        held.extend(completion.buffer);
        if completion.result == Err(Errno::NOBUFS) {
            assert!(!completion.more);
            return true;
        }
        if !completion.more {
            ring.recv_multishot(peer.as_raw_fd(), recv);
        }
        false
    });
    assert_eq!(held.len(), 4);
    assert_eq!(ring.in_flight, 0);
    let before: usize = held.iter_mut().map(|buffer| ring.bytes(buffer).len()).sum();
    ring.recycle(held.pop().unwrap());
    ring.recv_once(peer.as_raw_fd(), recv);
    let rest = next(&mut ring);
    assert!(!rest.more);
    assert_eq!(before + rest.result.unwrap() as usize, 256 * 4 + 10);
    assert_eq!(ring.bytes(&mut rest.buffer.unwrap()).len(), 10);
}

/// Goal: with no bytes there, a single receive waits and takes no buffer from the others.
#[test]
fn waiting_receives_hold_no_buffer() {
    let mut ring = small_ring();
    let pairs: Vec<_> = (0..30).map(|_| pair()).collect();
    for (slot, (peer, _)) in (0..).zip(&pairs) {
        ring.recv_once(peer.as_raw_fd(), token(Op::Recv, slot));
    }
    ring.submit_and_wait(0).unwrap();
    assert_eq!(ring.in_flight, 30);
    (&pairs[29].1).write_all(b"hello").unwrap();
    let mut answer = next(&mut ring);
    assert_eq!(answer.token, token(Op::Recv, 29));
    assert_eq!(ring.bytes(answer.buffer.as_mut().unwrap()), b"hello");
}

/// Goal: each timeout fires once and none is early; more of them than the scratch has room for keep
/// their own times, which the ones of an hour would show that must not fire at all.
#[test]
fn timeouts_keep_their_own_times() {
    let mut ring = Ring::new(&RingConfig::default()).unwrap();
    let started = Instant::now();
    for slot in (1..=40).rev() {
        let hours = Duration::from_secs(3_600 * u64::from(slot));
        ring.timeout(hours, token(Op::Timer, 100 + slot));
        let milliseconds = Duration::from_millis(u64::from(slot));
        ring.timeout(milliseconds, token(Op::Timer, slot));
    }
    let mut fired = Vec::new();
    drive(&mut ring, |_, completion| {
        assert_eq!(completion.result, Err(Errno::TIME));
        assert!(started.elapsed() >= Duration::from_millis(completion.token.slot.into()));
        fired.push(completion.token.slot);
        fired.len() == 40
    });
    fired.sort_unstable();
    assert_eq!(fired, (1..=40).collect::<Vec<_>>());
}

/// Goal: both sides of a cancellation answer, and one that comes too late says so.
#[test]
fn cancelled_operations_end() {
    let mut ring = small_ring();
    let (peer, _client) = pair();
    let recv = token(Op::Recv, 3);
    ring.recv_multishot(peer.as_raw_fd(), recv);
    ring.cancel(recv, token(Op::Cancel, 3));
    let mut answers = Vec::new();
    drive(&mut ring, |_, completion| {
        assert!(!completion.more);
        answers.push((completion.token.op, completion.result));
        answers.len() == 2
    });
    assert!(
        answers.contains(&(Op::Recv, Err(Errno::CANCELED))),
        "{answers:?}"
    );
    assert!(
        answers
            .iter()
            .any(|(op, result)| *op == Op::Cancel && result.is_ok()),
        "{answers:?}"
    );
    ring.cancel(recv, token(Op::Cancel, 3));
    assert_eq!(next(&mut ring).result, Err(Errno::NOENT));
}

/// Goal: shutting a socket down ends its receive, so that a slot can be freed without a cancel.
#[test]
fn shutdown_ends_a_receive() {
    let mut ring = small_ring();
    let (peer, _client) = pair();
    ring.recv_multishot(peer.as_raw_fd(), token(Op::Recv, 3));
    ring.submit_and_wait(0).unwrap();
    peer.shutdown(Shutdown::Both).unwrap();
    let end = next(&mut ring);
    assert_eq!((end.result, end.more), (Ok(0), false));
}

/// Goal: a doorbell rung from another thread wakes the ring, whether it was rung before or after.
#[test]
fn doorbells_wake_the_ring() {
    for flags in [EventfdFlags::empty(), EventfdFlags::NONBLOCK] {
        let bell = eventfd(0, flags | EventfdFlags::CLOEXEC).unwrap();
        let mut ring = small_ring();
        let armed = token(Op::Doorbell, 0);
        for _ in 0..3 {
            ring.read_doorbell(bell.as_raw_fd(), armed);
            thread::scope(|scope| {
                scope.spawn(|| rustix::io::write(&bell, &1u64.to_ne_bytes()).unwrap());
                let rung = next(&mut ring);
                assert_eq!((rung.token, rung.result), (armed, Ok(8)));
            });
        }
    }
}

/// Goal: completions beyond the queue are counted and arrive all the same, each once.
#[test]
fn overflowing_completions_are_not_lost() {
    const SENDS: u32 = 500;
    let config = RingConfig {
        sq_entries: 4,
        cq_entries: 4,
        buffers: 4,
        buffer_bytes: 256,
        ..RingConfig::default()
    };
    let mut ring = Ring::new(&config).unwrap();
    let (peer, _client) = pair();
    assert_eq!(ring.overflows(), 0);
    ring.send_batch((0..SENDS).map(|slot| outgoing(&peer, slot, [b"x".as_slice()])));
    let mut completions = Vec::new();
    while completions.len() < SENDS as usize {
        let before = completions.len();
        ring.submit_and_wait(0).unwrap();
        ring.reap(&mut completions);
        assert!(completions.len() > before, "lost some: {before} of {SENDS}");
    }
    let mut slots: Vec<_> = completions
        .iter()
        .map(|completion| completion.token.slot)
        .collect();
    slots.sort_unstable();
    assert_eq!(slots, (0..SENDS).collect::<Vec<_>>());
    assert!(ring.overflows() > 0);
    assert_eq!(ring.in_flight, 0);
}

/// Goal: an iterator that panics leaves nothing in the queue that points at memory it borrowed.
#[test]
fn a_panicking_iterator_still_submits() {
    let mut ring = small_ring();
    let (peer, mut client) = pair();
    let mut log = b"good".to_vec();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ring.send_batch((0..2).map(|index| {
            assert!(index == 0, "as planned");
            outgoing(&peer, 0, [log.as_slice()])
        }));
    }));
    assert!(caught.is_err());
    log.fill(0);
    ring.submit_and_wait(0).unwrap();
    let mut received = [0; 4];
    client.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"good");
}

/// Goal: dropping a ring ends all it had in flight, so that its buffers can go.
#[test]
fn dropping_a_ring_ends_its_operations() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bell = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let pairs: Vec<_> = (0..20).map(|_| pair()).collect();
    let mut ring = small_ring();
    ring.accept_multishot(listener.as_raw_fd(), LISTENER);
    ring.read_doorbell(bell.as_raw_fd(), token(Op::Doorbell, 0));
    ring.timeout(Duration::from_secs(100), token(Op::Timer, 0));
    for (slot, (peer, _)) in (0..).zip(&pairs) {
        ring.recv_multishot(peer.as_raw_fd(), token(Op::Recv, slot));
        ring.poll_writable(peer.as_raw_fd(), token(Op::Writable, slot));
    }
    ring.submit_and_wait(0).unwrap();
    assert!(ring.in_flight >= 23);
    for (_, client) in &pairs {
        (&*client).write_all(&[1; 1000]).unwrap();
    }
    assert!(ring.quiesce());
    assert_eq!(ring.in_flight, 0);
}

/// Goal: a buffer of one ring can't be used to reach into the memory of another.
#[test]
#[should_panic(expected = "a foreign buffer")]
fn foreign_buffers_are_refused() {
    let (peer, mut client) = pair();
    let mut ring = small_ring();
    ring.recv_once(peer.as_raw_fd(), token(Op::Recv, 1));
    client.write_all(b"mine").unwrap();
    let mut buffer = next(&mut ring).buffer.unwrap();
    let mut other = small_ring();
    let _ = other.bytes(&mut buffer);
}
