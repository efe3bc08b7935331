//! Rooms that are flooded while everybody in them reads: nobody is closed, nothing is lost, and
//! memory stays within the promise, however many shards the room spans.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::promise::{peak_bytes, promised_bytes};
use crate::support::client::Client;
use crate::support::crowd::Crowd;
use crate::support::frame::{BINARY, Outgoing, View};
use crate::support::server::Server;
use crate::{alone, attack_time};

/// Members that only read.
const READERS: usize = 70;
/// How long nothing may arrive anywhere before the flood counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(20);
/// Bytes that one publisher has ready for its socket.
const READY_BYTES: usize = 256 << 10;
/// Where in a frame its payload begins, masked with zeroes: 2 bytes, 2 or 8 of length, 4 of mask.
const NUMBERS_BYTES: usize = 8;

/// A message of a publisher, to be numbered over and over.
pub(crate) struct Template {
    frame: Vec<u8>,
    payload_at: usize,
}

impl Template {
    /// Of `publisher`, with a payload of `payload_bytes`.
    pub(crate) fn new(publisher: u32, payload_bytes: usize) -> Self {
        let mut payload = vec![0xa5; payload_bytes];
        payload[..4].copy_from_slice(&publisher.to_be_bytes());
        let frame = Outgoing::binary(&payload).masked_with([0; 4]).bytes();
        let payload_at = frame.len() - payload_bytes;
        Self { frame, payload_at }
    }

    /// The whole frame with this number.
    pub(crate) fn numbered(&mut self, sequence: u32) -> &[u8] {
        let at = self.payload_at + 4;
        self.frame[at..][..4].copy_from_slice(&sequence.to_be_bytes());
        &self.frame
    }
}

/// Who published a message, and its number.
#[track_caller]
pub(crate) fn numbers(view: &View<'_>, payload_bytes: usize) -> (u32, u32) {
    assert_eq!(
        (view.opcode, view.last, view.payload.len()),
        (BINARY, true, payload_bytes)
    );
    let (numbers, rest) = view.payload.split_at(NUMBERS_BYTES);
    assert!(
        rest.iter().step_by(97).all(|&byte| byte == 0xa5),
        "torn: {rest:.200?}"
    );
    let field = |at: usize| u32::from_be_bytes(numbers[at..at + 4].try_into().expect("four"));
    (field(0), field(4))
}

/// What every member must have got of each publisher, in order.
#[derive(Default)]
struct Books {
    next: HashMap<(usize, u32), u32>,
}

impl Books {
    #[track_caller]
    fn note(&mut self, member: usize, publisher: u32, sequence: u32) {
        let next = self.next.entry((member, publisher)).or_default();
        assert_eq!(
            sequence, *next,
            "of publisher {publisher} at member {member}"
        );
        *next += 1;
    }

    fn has(&self, member: usize, publisher: u32, count: u32) -> bool {
        self.next.get(&(member, publisher)).copied().unwrap_or(0) == count
    }
}

/// One case.
#[derive(Clone, Copy, Debug)]
struct Case {
    shards: &'static str,
    /// Further settings.
    more: &'static [&'static str],
    publishers: u32,
    payload_bytes: usize,
}

/// The two sides of a flood, each in a thread: what they tell each other.
struct Flood {
    case: Case,
    /// Messages that arrived at anybody.
    arrived: AtomicU64,
    /// Messages of each publisher once it has ended, counted from one on.
    totals: Vec<AtomicU64>,
}

impl Flood {
    /// Panics when nothing has arrived for long.
    #[track_caller]
    fn check_progress(&self, seen: &mut (u64, Instant), what: impl FnOnce() -> String) {
        let arrived = self.arrived.load(Ordering::Relaxed);
        if arrived != seen.0 {
            *seen = (arrived, Instant::now());
        }
        assert!(
            seen.1.elapsed() < STUCK_AFTER,
            "{:?} is stuck: {}",
            self.case,
            what()
        );
    }

    fn total(&self, publisher: u32) -> Option<u32> {
        let told = self.totals[publisher as usize].load(Ordering::Acquire);
        u32::try_from(told.checked_sub(1)?).ok()
    }

    fn is_complete(&self, books: &Books, member: usize, except: Option<u32>) -> bool {
        (0..self.case.publishers)
            .filter(|&publisher| Some(publisher) != except)
            .all(|publisher| {
                (self.total(publisher)).is_some_and(|total| books.has(member, publisher, total))
            })
    }

    /// Reads until each of the crowd's members has everything.
    #[track_caller]
    fn read(&self, crowd: &mut Crowd) {
        let (mut books, mut seen) = (Books::default(), (0, Instant::now()));
        while !(0..READERS).all(|member| self.is_complete(&books, member, None)) {
            self.turn(crowd, &mut books);
            check_open(crowd, READERS);
            self.check_progress(&mut seen, || format!("readers: {:?}", books.next));
        }
    }

    #[track_caller]
    fn turn(&self, crowd: &mut Crowd, books: &mut Books) {
        let mut arrived = 0;
        crowd.turn(Duration::from_millis(20), &mut |member, view| {
            let (publisher, sequence) = numbers(&view, self.case.payload_bytes);
            books.note(member, publisher, sequence);
            arrived += 1;
        });
        self.arrived.fetch_add(arrived, Ordering::Relaxed);
    }

    /// Publishes as fast as the sockets take it for `duration`, reading what the others publish, and goes
    /// on reading until each publisher has everything.
    #[track_caller]
    fn publish(&self, crowd: &mut Crowd, duration: Duration) {
        let count = self.case.publishers;
        let mut templates: Vec<Template> = (0..count)
            .map(|publisher| Template::new(publisher, self.case.payload_bytes))
            .collect();
        let mut sequences = vec![0; count as usize];
        let (mut books, mut seen) = (Books::default(), (0, Instant::now()));
        let (begun, mut bytes) = (Instant::now(), Vec::new());
        loop {
            let is_over = begun.elapsed() >= duration;
            for member in 0..count as usize {
                bytes.clear();
                while !is_over && crowd.seat(member).pending_bytes() + bytes.len() < READY_BYTES {
                    bytes.extend_from_slice(templates[member].numbered(sequences[member]));
                    sequences[member] += 1;
                }
                if !bytes.is_empty() {
                    crowd.send(member, &bytes);
                }
            }
            if is_over {
                break;
            }
            self.turn(crowd, &mut books);
            check_open(crowd, count as usize);
        }
        for (total, sequence) in self.totals.iter().zip(&sequences) {
            total.store(u64::from(*sequence) + 1, Ordering::Release);
        }
        let is_done = |crowd: &Crowd, books: &Books, own: u32| {
            let member = own as usize;
            crowd.seat(member).pending_bytes() == 0 && self.is_complete(books, member, Some(own))
        };
        while !(0..count).all(|own| is_done(crowd, &books, own)) {
            self.turn(crowd, &mut books);
            check_open(crowd, count as usize);
            self.check_progress(&mut seen, || format!("publishers: {:?}", books.next));
        }
    }
}

#[track_caller]
fn check_open(crowd: &Crowd, count: usize) {
    for member in 0..count {
        let seat = crowd.seat(member);
        let close = &seat.close;
        assert!(
            close.is_none() && !seat.ended,
            "member {member}, who reads, got {close:?}"
        );
    }
}

fn join(address: SocketAddr, count: usize) -> Crowd {
    let mut crowd = Crowd::new();
    for _ in 0..count {
        crowd.sit(Client::connect(address, "/ws/flood?presence=0"));
    }
    crowd
}

/// Runs one case for `duration` and insists on everything.
#[track_caller]
fn run(case: Case, duration: Duration) {
    let settings = ["--shards", case.shards, "--connections-max", "100"];
    let server = Server::start(&[&settings, case.more].concat());
    let promise = promised_bytes(&server.log());
    let publishers = case.publishers as usize;
    let address = server.address();
    let flood = Flood {
        case,
        arrived: AtomicU64::new(0),
        totals: (0..publishers).map(|_| AtomicU64::new(0)).collect(),
    };
    // Channels and not barriers: when one side panics, the other must not wait for it.
    let (seated, readers_seated) = mpsc::channel();
    let (finished, readers_finished) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let (peak, health) = thread::scope(|scope| {
        let flood = &flood;
        scope.spawn(move || {
            let mut crowd = join(address, READERS);
            seated.send(()).expect("the publishers wait");
            flood.read(&mut crowd);
            finished.send(()).expect("the publishers wait");
            // They leave when they are told to, or when there is nobody left to tell them.
            let _ = may_leave.recv();
        });
        readers_seated.recv().expect("the readers are in");
        let mut crowd = join(address, publishers);
        flood.publish(&mut crowd, duration);
        readers_finished
            .recv()
            .expect("the readers have everything");
        let measured = (peak_bytes(&server), server.healthz());
        drop(leave);
        measured
    });
    let arrived = flood.arrived.load(Ordering::Relaxed);
    eprintln!("{case:?}: {arrived} arrived, {peak} bytes at the peak of {promise} promised");
    assert!(arrived > 0, "nothing was published");
    assert_eq!(health["slow_closed"], 0, "{health}");
    assert_eq!(health["sessions"], READERS + publishers, "{health}");
    assert!(
        peak <= promise,
        "{case:?}: {peak} bytes at the peak, {promise} promised: {health}"
    );
}

/// Runs one number of shards and size of messages with few and many publishers.
#[track_caller]
fn run_all(shards: &'static str, payload_bytes: usize) {
    let _alone = alone();
    for publishers in [1, 4, 12] {
        let case = Case {
            shards,
            more: &[],
            publishers,
            payload_bytes,
        };
        run(case, attack_time() / 2);
    }
}

/// Goal: one shard, where no mesh is in between, is what the others are compared with.
#[test]
fn one_shard_is_flooded_with_short_messages() {
    run_all("1", 1_000);
}

/// Goal: the same with messages near the largest.
#[test]
fn one_shard_is_flooded_with_long_messages() {
    run_all("1", 60_000);
}

/// Goal: a room that spans two shards.
#[test]
fn two_shards_are_flooded_with_short_messages() {
    run_all("2", 1_000);
}

/// Goal: the same with messages near the largest.
#[test]
fn two_shards_are_flooded_with_long_messages() {
    run_all("2", 60_000);
}

/// Goal: more shards than processors, so that each of them waits for the others.
#[test]
fn four_shards_are_flooded_with_short_messages() {
    run_all("4", 1_000);
}

/// Goal: the same with messages near the largest.
#[test]
fn four_shards_are_flooded_with_long_messages() {
    run_all("4", 60_000);
}

/// Goal: a room that was spread from its first member on, so that each shard has as many as the next.
#[test]
fn evenly_spread_rooms_are_flooded() {
    let _alone = alone();
    for (shards, publishers, payload_bytes) in [
        ("2", 4, 60_000),
        ("2", 12, 1_000),
        ("4", 4, 60_000),
        ("4", 12, 1_000),
    ] {
        let case = Case {
            shards,
            more: &["--spread-members-min", "1"],
            publishers,
            payload_bytes,
        };
        run(case, attack_time() / 2);
    }
}

/// Goal: small logs, of which a flood that is not held back in time leaves nothing.
#[test]
fn rooms_on_small_logs_are_flooded() {
    let _alone = alone();
    for (shards, publishers, payload_bytes) in [
        ("1", 12, 1_000),
        ("1", 4, 16_000),
        ("2", 12, 1_000),
        ("2", 4, 16_000),
        ("4", 12, 1_000),
    ] {
        let case = Case {
            shards,
            more: &["--log-bytes", "1MiB", "--message-bytes-max", "16KiB"],
            publishers,
            payload_bytes,
        };
        run(case, attack_time() / 2);
    }
}
