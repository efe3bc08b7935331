//! Publishers faster than the server: TCP slows them down, and nothing is lost or put out of
//! order on the way, whichever shards it crosses.

mod support;

use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use self::support::client::Client;
use self::support::crowd::Crowd;
use self::support::room::Numbered;
use self::support::server::Server;
use self::support::wait::{Deadline, PATIENCE};

/// Memory a server may take beyond its log while it is flooded: buffers of bounded size.
const SLACK_BYTES: u64 = 96 << 20;
/// The default size of a shard's log, which is mapped twice.
const LOG_BYTES: u64 = 64 << 20;

/// These tests need both processors: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For each subscriber, the publishers it hears and how many messages each of them sends.
type Expected = HashMap<usize, Vec<(u32, u32)>>;

/// One publisher's task.
struct Flood {
    client: Client,
    publisher: u32,
    messages: u32,
    message_bytes: usize,
}

impl Flood {
    /// Writes everything as fast as the socket takes it, and returns how often it was full.
    fn run(mut self) -> (Client, u64) {
        let mut blocked = 0;
        let mut stream = Vec::new();
        for sequence in 0..self.messages {
            stream.extend(
                Numbered {
                    publisher: self.publisher,
                    sequence,
                }
                .frame(self.message_bytes),
            );
        }
        self.client
            .wire
            .stream
            .set_nonblocking(true)
            .expect("O_NONBLOCK");
        let mut deadline = Deadline::after(PATIENCE);
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            match self.client.wire.stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    blocked += 1;
                    self.client
                        .wire
                        .stream
                        .set_nonblocking(false)
                        .expect("no O_NONBLOCK");
                    let count = self
                        .client
                        .wire
                        .stream
                        .write(&rest[..1])
                        .expect("room at last");
                    rest = &rest[count..];
                    self.client
                        .wire
                        .stream
                        .set_nonblocking(true)
                        .expect("O_NONBLOCK");
                }
                Err(error) => panic!("publisher {}: {error}", self.publisher),
            }
            deadline.renew(rest.len());
            deadline.check(|| format!("publisher {} still has {}", self.publisher, rest.len()));
        }
        self.client
            .wire
            .stream
            .set_nonblocking(false)
            .expect("no O_NONBLOCK");
        (self.client, blocked)
    }
}

/// Runs the floods, each in a thread, and reads at the subscribers until each of them has what
/// `expected` says of every publisher of its own. Returns how often a publisher was held up.
#[track_caller]
fn flood(server: &Server, floods: Vec<Flood>, crowd: &mut Crowd, expected: &Expected) -> u64 {
    let base = server.rss_bytes();
    let mut deadline = Deadline::after(PATIENCE);
    let mut next: HashMap<(usize, u32), u32> = HashMap::new();
    let mut missing: u64 = expected
        .values()
        .flatten()
        .map(|(_, messages)| u64::from(*messages))
        .sum();
    let writers: Vec<_> = floods
        .into_iter()
        .map(|flood| thread::spawn(|| flood.run()))
        .collect();
    let mut peak = 0;
    let mut turns = 0_u32;
    while missing > 0 {
        crowd.turn(Duration::from_millis(50), &mut |session, view| {
            let message = Numbered::read(&view);
            let sequence = next.entry((session, message.publisher)).or_default();
            assert_eq!(
                message.sequence, *sequence,
                "{message:?} at session {session}"
            );
            *sequence += 1;
            missing -= 1;
        });
        if turns.is_multiple_of(64) {
            peak = peak.max(server.rss_bytes());
        }
        turns += 1;
        deadline.renew(missing);
        deadline.check(|| {
            let closed: Vec<_> = expected
                .keys()
                .filter_map(|index| crowd.seat(*index).close.clone())
                .collect();
            format!(
                "{missing} messages are missing; closed: {closed:?}; {}",
                server.healthz()
            )
        });
    }
    let mut blocked = 0;
    for writer in writers {
        // Kept open until here: nobody was told of a leave in between.
        let (mut client, times) = writer.join().expect("a publisher finishes");
        client.expect_quiet();
        blocked += times;
    }
    for (session, publishers) in expected {
        for (publisher, messages) in publishers {
            assert_eq!(
                next.get(&(*session, *publisher)),
                Some(messages),
                "session {session}"
            );
        }
    }
    let grown = peak.max(server.rss_bytes()).saturating_sub(base);
    let shards = 2;
    let allowed = 2 * LOG_BYTES * shards + SLACK_BYTES;
    assert!(
        grown < allowed,
        "resident memory grew by {grown} bytes, over {allowed}"
    );
    blocked
}

/// Goal: one publisher that writes as fast as it can is held up by TCP, and everything it sent
/// arrives in order at everyone who reads.
#[test]
fn a_publisher_faster_than_the_server_is_slowed_down() {
    let _alone = alone();
    let server = Server::start(&["--shards", "2"]);
    let target = "/ws/one?presence=0";
    let mut crowd = Crowd::new();
    let subscribers: Vec<usize> = (0..8)
        .map(|_| crowd.connect(server.address(), target))
        .collect();
    let messages = 12_000;
    let task = Flood {
        client: Client::connect(server.address(), target),
        publisher: 0,
        messages,
        message_bytes: 2_048,
    };
    let expected = subscribers
        .iter()
        .map(|index| (*index, vec![(0, messages)]))
        .collect();
    let blocked = flood(&server, vec![task], &mut crowd, &expected);
    assert!(blocked > 0, "the publisher was never held up");
}

/// A server whose rooms are on both shards however small they are.
fn spread_server() -> Server {
    Server::start(&["--shards", "2", "--spread-members-min", "1"])
}

/// Opens rooms with a publisher and six subscribers each, on whatever shard accepts them, and
/// gives the publishers' tasks and what each subscriber shall hear.
fn spread_rooms(
    address: SocketAddr,
    crowd: &mut Crowd,
    rooms: u32,
    messages: u32,
    message_bytes: usize,
) -> (Vec<Flood>, Expected) {
    let mut floods = Vec::new();
    let mut expected = HashMap::new();
    for room in 0..rooms {
        let target = format!("/ws/room-{room}?presence=0");
        let subscribers: Vec<usize> = (0..6).map(|_| crowd.connect(address, &target)).collect();
        let publisher = Flood {
            client: Client::connect(address, &target),
            publisher: room,
            messages,
            message_bytes,
        };
        floods.push(publisher);
        for subscriber in subscribers {
            expected.insert(subscriber, vec![(room, messages)]);
        }
    }
    (floods, expected)
}

/// Goal: four publishers of four rooms, the members of each room on both shards: both
/// directions of the mesh are full at once, and nothing is lost between the shards.
#[test]
fn publishers_in_both_directions_lose_nothing() {
    let _alone = alone();
    let server = spread_server();
    let mut crowd = Crowd::new();
    let (floods, expected) = spread_rooms(server.address(), &mut crowd, 4, 3_000, 2_048);
    server.await_figure("sessions", |sessions| sessions == 28);
    let blocked = flood(&server, floods, &mut crowd, &expected);
    assert!(blocked > 0, "no publisher was ever held up");
    // The publishers are gone by now; of the subscribers, nobody was closed.
    server.await_figure("sessions", |sessions| sessions == 24);
}

/// Goal: the same with small messages, of which many more fit into a ring than it has places:
/// what does not fit waits and is not lost.
#[test]
fn floods_of_small_messages_lose_nothing() {
    let _alone = alone();
    let server = spread_server();
    let mut crowd = Crowd::new();
    let (floods, expected) = spread_rooms(server.address(), &mut crowd, 4, 30_000, 32);
    flood(&server, floods, &mut crowd, &expected);
}

/// Goal: several publishers in one room that spans both shards: everybody sees one order, and
/// each publisher's messages in the order it sent them.
#[test]
fn publishers_in_one_room_share_one_order() {
    let _alone = alone();
    let server = spread_server();
    let target = "/ws/shared?presence=0";
    let mut crowd = Crowd::new();
    let subscribers: Vec<usize> = (0..8)
        .map(|_| crowd.connect(server.address(), target))
        .collect();
    let messages = 2_000;
    // Publishers get what the others publish, so they are read from by the crowd as well.
    let publishers: Vec<usize> = (0..4)
        .map(|_| crowd.connect(server.address(), target))
        .collect();
    server.await_figure("sessions", |sessions| sessions == 12);
    for (number, publisher) in publishers.iter().enumerate() {
        let publisher_number = u32::try_from(number).expect("four");
        let stream: Vec<u8> = (0..messages)
            .flat_map(|sequence| {
                Numbered {
                    publisher: publisher_number,
                    sequence,
                }
                .frame(1_024)
            })
            .collect();
        crowd.send(*publisher, &stream);
    }
    let mut heard: Vec<Vec<Numbered>> = vec![Vec::new(); subscribers.len() + publishers.len()];
    let mut deadline = Deadline::after(PATIENCE);
    let total = messages as usize * publishers.len();
    while heard[..subscribers.len()]
        .iter()
        .any(|messages| messages.len() < total)
        || heard[subscribers.len()..]
            .iter()
            .any(|got| got.len() < total - messages as usize)
    {
        crowd.turn(Duration::from_millis(50), &mut |session, view| {
            heard[session].push(Numbered::read(&view));
        });
        deadline.renew(heard.iter().map(Vec::len).sum::<usize>());
        deadline.check(|| {
            let counts: Vec<usize> = heard.iter().map(Vec::len).collect();
            format!(
                "everything at everyone: {counts:?} of {total}; {}",
                server.healthz()
            )
        });
    }
    let order = heard[0].clone();
    for (index, got) in heard.iter().enumerate() {
        let own = index.checked_sub(subscribers.len());
        let wanted: Vec<&Numbered> = order
            .iter()
            .filter(|message| Some(message.publisher as usize) != own)
            .collect();
        assert!(got.iter().eq(wanted), "session {index} saw another order");
    }
    for publisher in 0..4 {
        let sequences = order
            .iter()
            .filter(|m| m.publisher == publisher)
            .map(|m| m.sequence);
        assert!(
            sequences.eq(0..messages),
            "publisher {publisher} out of order"
        );
    }
}
