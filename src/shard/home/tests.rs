//! The home of rooms, as other shards know it: what they tell it, and what it tells them.

mod asks;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::config::Config;
use crate::id::{MemberId, SessionKey, ShardId, Ticket};
use crate::message::{Event, Form, Info, Message, Origin, Run};
use crate::metrics::ShardMetrics;
use crate::room::history::{
    Direction, EpochClaim, Otherwise, Position, Query, Recover, Recovery, Since,
};
use crate::room::home::{Guest, Visible};
use crate::room::homes::Homes;
use crate::room::presence::{About, Asker, Present};
use crate::shard::{Shard, ShardSetup};
use crate::talk::{Ack, Answer, Arrival, JoinAnswer, Letter, Published, Question, ToShard};

const HOME: ShardId = ShardId::new(0);
const OTHER: ShardId = ShardId::new(1);

/// The shard that is the home of a room, whose members are all elsewhere.
struct Bench {
    shard: Shard,
    room: Arc<str>,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        let homes = Homes::new(2, 7);
        let mut names = (0..100).map(|number| format!("room {number}"));
        let room = names.find(|name| homes.of(name) == HOME).unwrap();
        let metrics: Vec<ShardMetrics> = (0..2).map(|_| ShardMetrics::default()).collect();
        let setup = ShardSetup {
            number: HOME,
            homes,
            config: Arc::new(Config {
                log_bytes: 1 << 20,
                presence_members_max: 4,
                history_bytes_max: 8 << 20,
                ..Config::default()
            }),
            metrics: metrics.into(),
            seed: 3,
        };
        Self {
            shard: Shard::new(setup).unwrap(),
            room: room.into(),
            now: Duration::ZERO,
        }
    }

    /// So many seconds have passed since the beginning.
    fn pass_time(&mut self, seconds: u64) {
        self.now = Duration::from_secs(seconds);
        self.shard.handle_clock(self.now);
        self.shard.handle_time();
    }

    /// The other shard says something; returns what it is told in the same turn.
    fn say(&mut self, messages: impl IntoIterator<Item = ToShard>) -> Vec<ToShard> {
        for message in messages {
            self.shard.handle_message(message);
        }
        self.shard.handle_turn();
        self.shard.check_invariants().unwrap();
        std::iter::from_fn(|| self.shard.poll_letter())
            .map(|letter| match letter {
                Letter::Shard(OTHER, message) => message,
                letter => panic!("{letter:?}"),
            })
            .collect()
    }

    fn room(&self) -> Arc<str> {
        Arc::clone(&self.room)
    }

    fn join(&self, guest: &Guest, recover: Option<Recover>) -> ToShard {
        ToShard::Join {
            room: self.room(),
            guest: guest.clone(),
            recover: recover.map(Box::new),
        }
    }

    fn leave(&self, guest: &Guest) -> ToShard {
        let (room, guest) = (self.room(), guest.clone());
        ToShard::Leave { room, guest }
    }

    /// Lets a session in, and returns what it is told.
    fn let_in(&mut self, guest: &Guest, recover: Option<Recover>) -> JoinAnswer {
        let join = self.join(guest, recover);
        let mut told = self.say([join]);
        let answers = told.extract_if(.., |one| matches!(one, ToShard::Joined { .. }));
        match answers.into_iter().next() {
            Some(ToShard::Joined { answer, .. }) => answer,
            told => panic!("{told:?}"),
        }
    }

    fn arrives(&mut self, guest: &Guest, recover: Option<Recover>) -> Arrival {
        match self.let_in(guest, recover) {
            JoinAnswer::Welcome(welcome) => *welcome.arrival.expect("it keeps what is said"),
            answer => panic!("{answer:?}"),
        }
    }

    fn publish(&self, messages: &[Message<'_>]) -> ToShard {
        let mut run = Run::default();
        for message in messages {
            run.push(message);
        }
        ToShard::Publish {
            from: OTHER,
            room: self.room(),
            messages: run,
        }
    }

    /// A client asks something; returns the answer, if it comes at once.
    fn ask(&mut self, question: Question) -> Option<Answer> {
        let room = self.room();
        let asker = Asker {
            member: member(99),
            call: 5,
        };
        let ask = ToShard::Ask {
            asker,
            room,
            question,
        };
        self.say([ask]).into_iter().find_map(answer)
    }
}

fn answer(message: ToShard) -> Option<Answer> {
    match message {
        ToShard::Answer {
            asker,
            call: 5,
            answer,
        } if asker == member(99).key() => Some(*answer),
        _ => None,
    }
}

fn member(slot: u32) -> MemberId {
    let generation = 0;
    MemberId::new(OTHER, SessionKey { slot, generation })
}

fn plain(slot: u32) -> Guest {
    Guest {
        member: member(slot),
        id: Uuid::from_u128(slot.into()),
        visible: Visible::Yes,
        about: None,
    }
}

fn client(slot: u32, user: &str) -> Guest {
    let about = About::new(user, b"{}", b"").unwrap();
    Guest {
        about: Some(Arc::new(about)),
        ..plain(slot)
    }
}

fn present(guest: &Guest) -> Present {
    Present {
        client: guest.id,
        about: guest.about.clone(),
    }
}

fn said(data: &[u8], ticket: u16) -> Message<'_> {
    let ticket = Ticket::new(ticket);
    let member = member(99);
    Message::new(
        Event::said(Form::Json, data),
        Origin::Acknowledge { member, ticket },
    )
}

fn since(offset: u64, epoch: EpochClaim, otherwise: Otherwise) -> Option<Recover> {
    let since = Since { offset, epoch };
    Some(Recover { since, otherwise })
}

fn acks(told: &[ToShard]) -> Vec<Ack> {
    let acks = told.iter().filter_map(|message| match message {
        ToShard::Published { acks } => Some(acks.clone()),
        _ => None,
    });
    acks.flatten().collect()
}

fn everything() -> Question {
    Question::History(Query {
        limit: -1,
        since: None,
        direction: Direction::Forward,
    })
}

/// Goal: a client is told where the room's history stands, and what it has missed when it comes back; one that wants
/// all or nothing is not let in when something is lost.
#[test]
fn clients_are_told_where_they_stand() {
    let mut bench = Bench::new();
    let (first, second) = (client(1, "a"), client(2, "b"));
    let arrival = bench.arrives(&first, None);
    let epoch = arrival.position.epoch;
    assert_eq!(arrival.position, Position { epoch, top: 0 });
    assert!(matches!(arrival.recovery, Recovery::NotAsked));
    let publish = bench.publish(&[said(b"1", 1), said(b"2", 2), said(b"3", 3)]);
    bench.say([publish]);
    let arrival = bench.arrives(&second, since(1, EpochClaim::Any, Otherwise::Refuse));
    assert_eq!(arrival.position, Position { epoch, top: 3 });
    let Recovery::Recovered(Some(missed)) = arrival.recovery else {
        panic!("{arrival:?}");
    };
    let count: usize = missed.replays.iter().map(|one| one.behind(1).len()).sum();
    assert_eq!((missed.after, count), (1, 2));
    let third = client(3, "c");
    let foreign = EpochClaim::of("foreign!");
    let answer = bench.let_in(&third, since(1, foreign, Otherwise::Refuse));
    assert!(matches!(answer, JoinAnswer::Unrecoverable));
    let stats = bench.ask(Question::Stats);
    assert!(matches!(
        stats,
        Some(Answer::Stats {
            clients: 2,
            users: 2
        })
    ));
    let arrival = bench.arrives(&third, since(1, foreign, Otherwise::Join));
    assert!(matches!(arrival.recovery, Recovery::Lost));
}

/// Goal: whoever published is told once the message has its place, for each shard in the order of its messages, with
/// the place where the room keeps what is said; and members get it behind that.
#[test]
fn messages_are_acknowledged() {
    let mut bench = Bench::new();
    bench.say([bench.join(&client(1, "a"), None)]);
    let plain_one = Message::new(Event::said(Form::Text, b"x"), Origin::Exclude(member(4)));
    let publish = bench.publish(&[said(b"1", 7), plain_one, said(b"2", 8)]);
    let told = bench.say([publish]);
    let acks: Vec<_> = (acks(&told).into_iter())
        .map(|ack| match ack.outcome {
            Published::At(_, offset) => (ack.member, ack.ticket.number(), offset.number()),
            outcome => panic!("{outcome:?}"),
        })
        .collect();
    assert_eq!(acks, [(member(99), 7, 1), (member(99), 8, 3)]);
    let delivered = told
        .iter()
        .any(|one| matches!(one, ToShard::Deliver { .. }));
    assert!(delivered, "{told:?}");
}

/// Goal: what somebody publishes in a room that nobody is in is kept there for its time, and the place where its
/// history stands beyond that; a plain member's last words in a room that is gone are of no interest.
#[test]
fn an_empty_room_keeps_what_is_said() {
    let mut bench = Bench::new();
    let last_words = Message::new(Event::said(Form::Text, b"x"), Origin::Exclude(member(4)));
    let publish = bench.publish(&[last_words]);
    assert!(acks(&bench.say([publish])).is_empty());
    let publish = bench.publish(&[said(b"1", 7)]);
    let told = bench.say([publish]);
    let [
        Ack {
            outcome: Published::At(epoch, _),
            ..
        },
    ] = acks(&told)[..]
    else {
        panic!("{told:?}");
    };
    let read = |bench: &mut Bench| match bench.ask(everything()) {
        Some(Answer::History {
            publications,
            position,
        }) => (publications.len(), position),
        answer => panic!("{answer:?}"),
    };
    let position = Position { epoch, top: 1 };
    bench.pass_time(299);
    assert_eq!(read(&mut bench), (1, position));
    bench.pass_time(300);
    assert_eq!(bench.shard.rooms.len(), 0);
    assert_eq!(read(&mut bench), (0, position));
    assert_eq!(
        bench.shard.rooms.len(),
        0,
        "a question does not keep a room"
    );
    let arrival = bench.arrives(&client(1, "a"), since(1, EpochClaim::Any, Otherwise::Join));
    assert_eq!(arrival.position, position);
    assert!(matches!(arrival.recovery, Recovery::Recovered(None)));
    bench.shard.remove_history("another room");
}

/// Goal: a room that was never used has an epoch that is told again.
#[test]
fn a_room_never_used_has_an_epoch() {
    let mut bench = Bench::new();
    let position = |bench: &mut Bench| match bench.ask(everything()) {
        Some(Answer::History { position, .. }) => position,
        answer => panic!("{answer:?}"),
    };
    let first = position(&mut bench);
    assert_eq!((first.top, position(&mut bench)), (0, first));
    let arrival = bench.arrives(&client(1, "a"), None);
    assert_eq!(arrival.position, first);
}

/// Goal: a history that is removed is gone for those who come then, and goes on where it stood.
#[test]
fn a_history_is_removed() {
    let mut bench = Bench::new();
    let publish = bench.publish(&[said(b"1", 1), said(b"2", 2)]);
    bench.say([publish]);
    let room = bench.room();
    bench.shard.remove_history(&room);
    let arrival = bench.arrives(&client(1, "a"), since(1, EpochClaim::Any, Otherwise::Join));
    assert_eq!(arrival.position.top, 2);
    assert!(matches!(arrival.recovery, Recovery::Lost));
}

/// Goal: clients hear of each other's joins and leaves with all that is known of them.
#[test]
fn joins_and_leaves_say_who() {
    let mut bench = Bench::new();
    let (one, other) = (client(1, "a"), client(2, "b"));
    bench.say([bench.join(&one, None)]);
    let mut told = bench.say([bench.join(&other, None)]);
    told.extend(bench.say([bench.leave(&other)]));
    let runs = told.iter().filter_map(|message| match message {
        ToShard::Deliver { messages, .. } => Some(messages),
        _ => None,
    });
    let notices: Vec<_> = runs
        .flat_map(|run| run.as_slice().messages())
        .map(|message| message.event)
        .collect();
    let info = Info {
        client: other.id,
        user: "b",
        connection: b"{}",
        channel: b"",
    };
    assert_eq!(notices, [Event::Joined(info), Event::Left(info)]);
}
