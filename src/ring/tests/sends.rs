//! Sends: what is taken, when they are over, and who hears of it.

use super::*;

/// Goal: memory given to a send may be overwritten as soon as the call returns, for single and for
/// gathering sends, also when there are more of them than the queue has room for.
#[test]
fn sends_are_over_when_the_call_returns() {
    const SENDS: usize = 200;
    let mut ring = small_ring();
    let (peer, mut client) = pair();
    let mut log: Vec<u8> = (0..=255).cycle().take(SENDS * 100).collect();
    let original = log.clone();
    ring.send_batch(log.chunks(100).enumerate().map(|(index, chunk)| {
        let slot = u32::try_from(index).unwrap();
        let pieces = if index % 2 == 0 { 100 } else { 7 };
        outgoing(&peer, slot, chunk.chunks(pieces))
    }));
    log.fill(0);
    let mut completions = Vec::new();
    ring.reap(&mut completions);
    assert_eq!(
        completions.len(),
        SENDS,
        "all were completed while they were submitted"
    );
    completions.sort_by_key(|completion| completion.token.slot);
    for (slot, completion) in (0..).zip(&completions) {
        assert_eq!((completion.token.slot, completion.result), (slot, Ok(100)));
    }
    let mut received = vec![0; original.len()];
    client.read_exact(&mut received).unwrap();
    assert!(received == original);
    assert_eq!(ring.in_flight, 0);
}

/// Goal: slices beyond those a send can gather are left out and not counted as sent; empty ones
/// take no place; nothing at all is a send of no bytes.
#[test]
fn a_send_takes_sixteen_slices() {
    let mut ring = small_ring();
    let (peer, mut client) = pair();
    let slices =
        |count: usize| (0..2 * count).map(|n| if n % 2 == 0 { "" } else { "ab" }.as_bytes());
    let mut results = Vec::new();
    for count in [0, 1, SLICES_MAX, SLICES_MAX + 1] {
        ring.send_batch([outgoing(&peer, 1, slices(count))]);
        let mut completions = Vec::new();
        ring.reap(&mut completions);
        results.push(completions.pop().unwrap().result.unwrap() as usize);
    }
    assert_eq!(results, [0, 2, 2 * SLICES_MAX, 2 * SLICES_MAX]);
    let mut received = vec![0; results.iter().sum()];
    client.read_exact(&mut received).unwrap();
    assert!(received.chunks(2).all(|pair| pair == b"ab"));
}

/// Goal: a full socket answers EAGAIN at once, and the poll fires once its peer reads, not before.
#[test]
fn full_sockets_are_polled_not_waited_for() {
    let mut ring = small_ring();
    let (peer, mut client) = pair();
    let (polled, quiet) = (token(Op::Writable, 1), token(Op::Timer, 1));
    let mut taken = fill(&mut ring, &peer);
    // The kernel may still move bytes over to the receiver: full is what stays full for a while.
    loop {
        ring.poll_writable(peer.as_raw_fd(), polled);
        ring.timeout(Duration::from_millis(300), quiet);
        let mut first = None;
        drive(&mut ring, |_, completion| {
            first.get_or_insert(completion.token);
            first == Some(quiet) || completion.token == quiet
        });
        if first == Some(quiet) {
            break;
        }
        taken += fill(&mut ring, &peer);
    }
    let reader = thread::spawn(move || client.read_exact(&mut vec![0; taken]).unwrap());
    let writable = next(&mut ring);
    assert_eq!(writable.token, polled);
    assert!(!writable.more);
    assert!(writable.result.unwrap() & u32::from(libc::POLLOUT.cast_unsigned()) != 0);
    reader.join().unwrap();
}

/// Sends until the socket takes no more; returns how many bytes it took.
fn fill(ring: &mut Ring, peer: &TcpStream) -> usize {
    let piece = vec![5; 100_000];
    let mut completions = Vec::new();
    let mut taken = 0;
    loop {
        ring.send_batch([outgoing(peer, 1, [piece.as_slice()])]);
        ring.reap(&mut completions);
        match completions.pop().unwrap().result {
            Ok(bytes) => taken += bytes as usize,
            Err(error) => {
                assert_eq!(error, Errno::AGAIN);
                return taken;
            }
        }
    }
}

/// The same send, which answers only when it was cut.
fn quiet<S>(peer: &TcpStream, slot: u32, slices: S) -> Outgoing<S> {
    Outgoing {
        token: token(Op::QuietSend, slot),
        ..outgoing(peer, slot, slices)
    }
}

/// Goal: a quiet send answers with what was taken exactly when that is not all of it, whether it is
/// one slice or several, and is not waited for.
#[test]
fn quiet_sends_answer_only_when_they_were_cut() {
    for slices in [1, 2] {
        let mut ring = small_ring();
        let (peer, mut client) = pair();
        let piece = vec![7; 100_000];
        let (mut completions, mut taken) = (Vec::new(), 0);
        while completions.is_empty() {
            ring.send_batch([quiet(&peer, 3, vec![piece.as_slice(); slices])]);
            ring.reap(&mut completions);
            taken += if completions.is_empty() {
                slices * piece.len()
            } else {
                0
            };
            assert_eq!(ring.in_flight, 0);
        }
        let [cut] = &completions[..] else {
            panic!("{completions:?}")
        };
        assert_eq!(cut.token, token(Op::QuietSend, 3));
        match cut.result {
            Ok(bytes) => {
                assert!(bytes > 0 && (bytes as usize) < slices * piece.len());
                taken += bytes as usize;
            }
            Err(error) => assert_eq!(error, Errno::AGAIN),
        }
        drop(peer);
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), taken);
    }
}

/// Goal: waiting together with quiet sends ends with the first thing that is not one of them, with
/// sends that are cut at once.
#[test]
fn waiting_with_sends_waits_for_something_else() {
    let mut ring = small_ring();
    let (peer, mut client) = pair();
    let started = Instant::now();
    ring.timeout(Duration::from_millis(30), token(Op::Timer, 1));
    ring.send_batch_and_wait([quiet(&peer, 1, [b"hello".as_slice()])], 1)
        .unwrap();
    assert!(started.elapsed() >= Duration::from_millis(30));
    let mut completions = Vec::new();
    ring.reap(&mut completions);
    assert!(matches!(&completions[..], [one] if one.token == token(Op::Timer, 1)));
    client.read_exact(&mut [0; 5]).unwrap();

    fill(&mut ring, &peer);
    ring.timeout(Duration::from_secs(60), token(Op::Timer, 2));
    completions.clear();
    let piece = vec![5; 8 << 20];
    ring.send_batch_and_wait([quiet(&peer, 9, [piece.as_slice()])], 1)
        .unwrap();
    ring.reap(&mut completions);
    assert!(matches!(&completions[..], [one] if one.token == token(Op::QuietSend, 9)));
}

/// Goal: what a batch of sends to full and to free sockets came to is known with the next reap,
/// each answer by its own token, in whatever order.
#[test]
fn the_answers_of_a_batch_are_all_in_the_next_reap() {
    let mut ring = Ring::new(&RingConfig::default()).unwrap();
    let pairs: Vec<_> = (0..24).map(|_| pair()).collect();
    let piece = vec![5; 16 << 20];
    let offered = |slot: u32| match slot % 3 {
        0 => &piece[..],
        _ => &piece[..10],
    };
    ring.send_batch((0..).zip(&pairs).map(|(slot, (peer, _))| match slot % 3 {
        2 => quiet(peer, slot, [offered(slot)]),
        _ => outgoing(peer, slot, [offered(slot)]),
    }));
    let mut completions = Vec::new();
    ring.reap(&mut completions);
    completions.sort_by_key(|completion| completion.token.slot);
    let slots: Vec<u32> = (completions.iter()).map(|one| one.token.slot).collect();
    let heard: Vec<u32> = (0..24).filter(|slot| slot % 3 != 2).collect();
    assert_eq!(slots, heard);
    for completion in completions {
        let (slot, taken) = (completion.token.slot, completion.result.unwrap() as usize);
        let whole = taken == offered(slot).len();
        assert!(taken > 0 && whole == (slot % 3 == 1), "{slot}: {taken}");
    }
}

/// Goal: a send to a connection the peer has reset is an error and no signal.
#[test]
fn sends_to_a_dead_peer_fail_quietly() {
    let mut ring = small_ring();
    let (peer, client) = pair();
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    let mut results = Vec::new();
    for _ in 0..2 {
        ring.send_batch([outgoing(&peer, 1, [b"x".as_slice()])]);
        let mut completions = Vec::new();
        ring.reap(&mut completions);
        results.push(completions.pop().unwrap().result);
    }
    assert_eq!(results, [Err(Errno::CONNRESET), Err(Errno::PIPE)]);
}
