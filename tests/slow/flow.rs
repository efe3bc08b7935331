//! A stream of messages to a room of which some members do not read. It goes as fast as those
//! who do read take it, so that no machine is too slow for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::crowd::Crowd;
use crate::support::frame::{TEXT, View};
use crate::support::room::Numbered;
use crate::support::server::Server;
use crate::support::wait::{Deadline, PATIENCE};

/// Payload of each message.
pub(crate) const MESSAGE_BYTES: u32 = 32 << 10;
/// Messages under way to readers at once: far less than a log holds.
const WINDOW: u32 = 4;

/// What one member got.
#[derive(Debug, Default)]
struct Member {
    /// The number of the message it must get next.
    next: u32,
    /// Messages it was told it missed.
    missed: u32,
    /// How often it was told.
    gaps: u32,
    stalled: bool,
}

/// A room, its publisher and its members.
pub(crate) struct Flow {
    crowd: Crowd,
    publisher: usize,
    members: HashMap<usize, Member>,
    sent: Vec<Instant>,
    /// Readers that have each message of the window.
    got: Vec<usize>,
    /// Messages that all readers have.
    complete: u32,
    latencies: Vec<Duration>,
}

impl Flow {
    /// Opens a room with one publisher, `readers` members that read and `stalled` ones that do
    /// not, their receive buffers small so that they fall behind soon.
    pub(crate) fn open(server: &Server, readers: usize, stalled: usize) -> Self {
        let target = "/ws/flow?presence=0";
        let address = server.address();
        let mut crowd = Crowd::new();
        let publisher = crowd.connect(address, target);
        let mut members = HashMap::new();
        for _ in 0..readers {
            members.insert(crowd.connect(address, target), Member::default());
        }
        for _ in 0..stalled {
            let index = crowd.sit(narrow_client(address, target));
            crowd.pause(index);
            members.insert(
                index,
                Member {
                    stalled: true,
                    ..Member::default()
                },
            );
        }
        let (sent, got, latencies) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            crowd,
            publisher,
            members,
            sent,
            got,
            complete: 0,
            latencies,
        }
    }

    /// Publishes `messages` more and waits until all readers have them.
    #[track_caller]
    pub(crate) fn publish(&mut self, messages: u32) {
        let mut deadline = Deadline::after(PATIENCE);
        let goal = self.complete + messages;
        let readers = self
            .members
            .values()
            .filter(|member| !member.stalled)
            .count();
        let mut next = u32::try_from(self.sent.len()).expect("not that many messages");
        while self.complete < goal {
            while next < goal && next < self.complete + WINDOW {
                let message = Numbered {
                    publisher: 0,
                    sequence: next,
                };
                self.sent.push(Instant::now());
                self.got.push(0);
                self.crowd
                    .send(self.publisher, &message.frame(MESSAGE_BYTES as usize));
                next += 1;
            }
            self.turn();
            while self.got.get(self.complete as usize) == Some(&readers) {
                self.complete += 1;
            }
            deadline.renew(self.got.iter().sum::<usize>());
            deadline.check(|| format!("{} of {goal} at all readers", self.complete));
        }
    }

    /// One turn of the crowd, in which every member's messages are checked.
    #[track_caller]
    pub(crate) fn turn(&mut self) {
        let Self {
            crowd,
            members,
            sent,
            got,
            latencies,
            ..
        } = self;
        crowd.turn(Duration::from_millis(50), &mut |session, view| {
            let member = members
                .get_mut(&session)
                .expect("the publisher hears nothing");
            if let Some(missed) = gap_in(&view) {
                assert!(missed > 0, "a gap of nothing");
                member.next += missed;
                member.missed += missed;
                member.gaps += 1;
                return;
            }
            let message = Numbered::read(&view);
            let at = message.sequence as usize;
            assert_eq!(
                message.sequence, member.next,
                "session {session}: {member:?}"
            );
            member.next += 1;
            if !member.stalled {
                got[at] += 1;
                latencies.push(sent[at].elapsed());
            }
        });
    }

    /// Lets every stalled member but the last `except` read again, and goes on until `done`
    /// holds for each of them.
    #[track_caller]
    fn wake(&mut self, except: usize, done: impl Fn(&Crowd, usize, &Member) -> bool) -> usize {
        let mut stalled = self.stalled();
        stalled.truncate(stalled.len() - except);
        for index in &stalled {
            self.crowd.resume(*index);
        }
        let mut deadline = Deadline::after(PATIENCE);
        while let Some(index) = stalled
            .iter()
            .find(|index| !done(&self.crowd, **index, &self.members[*index]))
        {
            deadline.renew(self.received());
            deadline.check(|| {
                format!(
                    "{index}: {:?}, {:?}",
                    self.members[index],
                    self.crowd.seat(*index).close
                )
            });
            self.turn();
        }
        stalled.len()
    }

    /// Lets every stalled member but the last `except` read again, and insists that each gets
    /// what it has not missed, then close code 4001, then the end.
    #[track_caller]
    pub(crate) fn wake_to_be_closed(&mut self, except: usize) {
        let woken = self.wake(except, |crowd, index, _| crowd.seat(index).ended);
        let stalled = self.stalled();
        for index in &stalled[..woken] {
            let code = self
                .crowd
                .seat(*index)
                .close
                .as_ref()
                .map(|(code, _)| *code);
            assert_eq!(
                code,
                Some(4001),
                "session {index}: {:?}",
                self.members[index]
            );
            let member = &self.members[index];
            assert!(member.next < self.complete, "{member:?} was not behind");
            assert_eq!(
                member.gaps, 0,
                "{member:?}: no gap is announced before a close"
            );
        }
    }

    /// Lets every stalled member read again, publishes one message more, and insists that each
    /// was told of a gap and that what it got and what it missed is everything.
    #[track_caller]
    pub(crate) fn wake_to_catch_up(&mut self) {
        let goal = self.complete + 1;
        let message = Numbered {
            publisher: 0,
            sequence: self.complete,
        };
        for index in self.stalled() {
            self.crowd.resume(index);
        }
        self.sent.push(Instant::now());
        self.got.push(0);
        self.crowd
            .send(self.publisher, &message.frame(MESSAGE_BYTES as usize));
        self.wake(0, |_, _, member| member.next >= goal);
        self.publish(1);
        for index in self.stalled() {
            let member = &self.members[&index];
            assert!(
                member.gaps > 0 && member.missed > 0,
                "{index} was told of no gap: {member:?}"
            );
            assert!(
                self.crowd.seat(index).close.is_none(),
                "{:?}",
                self.crowd.seat(index).close
            );
            self.crowd.pause(index);
        }
    }

    /// Insists that all readers are still there.
    #[track_caller]
    pub(crate) fn check_readers(&self) {
        for (index, member) in self.members.iter().filter(|(_, member)| !member.stalled) {
            let seat = self.crowd.seat(*index);
            assert!(
                !seat.ended && seat.close.is_none(),
                "reader {index}: {:?}",
                seat.close
            );
            assert_eq!(
                (member.next, member.gaps),
                (self.complete, 0),
                "reader {index}"
            );
        }
    }

    /// The 99th percentile of the time from a message's sending to its arrival at a reader,
    /// and forgets what was measured.
    pub(crate) fn take_p99(&mut self) -> Duration {
        let mut latencies = std::mem::take(&mut self.latencies);
        latencies.sort_unstable();
        latencies[latencies.len() * 99 / 100]
    }

    /// What all members together have got or know they missed.
    fn received(&self) -> u64 {
        let ended = |index| u32::from(self.crowd.seat(index).ended);
        let members = self.members.iter();
        members
            .map(|(index, member)| u64::from(member.next + ended(*index)))
            .sum()
    }

    fn stalled(&self) -> Vec<usize> {
        let stalled = self.members.iter().filter(|(_, member)| member.stalled);
        let mut indices: Vec<usize> = stalled.map(|(index, _)| *index).collect();
        indices.sort_unstable();
        indices
    }
}

/// The number in a gap notice, if the frame is text; panics when it is any other text.
#[track_caller]
pub(crate) fn gap_in(view: &View<'_>) -> Option<u32> {
    if view.opcode != TEXT {
        return None;
    }
    let notice: Value = serde_json::from_slice(view.payload).expect("a notice is JSON");
    let missed = notice["missed"]
        .as_u64()
        .expect("a count of what was missed");
    assert_eq!(notice, json!({"event": "gap", "missed": missed}));
    Some(u32::try_from(missed).expect("no more than was sent"))
}

/// A session whose socket takes little before it is full.
pub(crate) fn narrow_client(address: SocketAddr, target: &str) -> Client {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(64 << 10).expect("SO_RCVBUF");
    socket.connect(&address.into()).expect("a connection");
    Client::upgrade(
        crate::support::http::Wire::over(socket.into()),
        address,
        target,
    )
}
