//! Rooms that outlive their members, and what all of them together may keep.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::id::{Epoch, MemberId, RoomId, SessionKey, ShardId};
use crate::message::{Event, Form, Message, Origin, Run};
use crate::room::history::{
    Direction, EpochClaim, Position, Query, Recovery, RecoveryMode, Retention, Since,
};
use crate::room::home::{Customs, Guest, Visible};
use crate::room::homes::Homes;
use crate::room::{Bounds, Rooms};

const ME: ShardId = ShardId::new(0);
const CUSTOMS: Customs = Customs {
    announced_members_max: 10,
    spread_members_min: 10,
};
const RETENTION: Retention = Retention {
    messages_max: 100,
    messages_time: Duration::from_secs(300),
    position_time: Duration::from_secs(3_000),
    mode: RecoveryMode::Stream,
    recovered_max: None,
};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn guest() -> Guest {
    let key = SessionKey {
        slot: 0,
        generation: 0,
    };
    Guest {
        member: MemberId::new(ME, key),
        id: Uuid::nil(),
        visible: Visible::Yes,
        about: None,
    }
}

fn rooms(history_bytes_max: usize) -> Rooms {
    let bounds = Bounds {
        history_bytes_max,
        ..Bounds::SMALL
    };
    Rooms::new(ME, Homes::new(1, 0), bounds)
}

/// Creates a room; `epoch` is its own unless another one is remembered.
fn create(rooms: &mut Rooms, name: &str, epoch: u64, now: Duration) -> RoomId {
    let name = Arc::from(name);
    let room = rooms.find_or_create(&name, now, || Epoch::new(epoch));
    room.expect("there is room for one more")
}

fn create_kept(rooms: &mut Rooms, name: &str, epoch: u64, now: Duration) -> RoomId {
    let room = create(rooms, name, epoch, now);
    rooms.begin_history(room, RETENTION, now);
    room
}

fn say(rooms: &mut Rooms, room: RoomId, data: &[u8], now: Duration) {
    let mut run = Run::default();
    let event = Event::said(Form::Binary, data);
    run.push(&Message::new(event, Origin::Nobody));
    let home = rooms.home_mut(room);
    run.put_in_order(0, 1, |_| home.next_offset());
    rooms.keep(room, run.as_slice(), now);
    rooms.bound_histories();
    check(rooms);
}

fn check(rooms: &Rooms) {
    assert_eq!(rooms.count_history_bytes(), rooms.history_bytes());
    for (_, room) in rooms.iter() {
        room.check_invariants().unwrap();
    }
}

fn position(epoch: u64, top: u64) -> Position {
    let epoch = Epoch::new(epoch);
    Position { epoch, top }
}

fn kept(rooms: &mut Rooms, room: RoomId, now: Duration) -> usize {
    let query = Query {
        limit: -1,
        since: None,
        direction: Direction::Forward,
    };
    let read = rooms.read_history(room, &query, usize::MAX, now);
    read.expect("it keeps what is said").unwrap().0.len()
}

/// Goal: a room stays as long as it has members or keeps something; once it is gone, the place where its
/// history stands is remembered for its time, and another room of that name goes on from there.
#[test]
fn rooms_outlive_their_members() {
    let mut rooms = rooms(1 << 20);
    let room = create_kept(&mut rooms, "a", 1, seconds(0));
    rooms.home_mut(room).join(&guest(), &CUSTOMS);
    say(&mut rooms, room, b"x", seconds(10));
    (rooms.home_mut(room)).leave(&guest(), &CUSTOMS, seconds(20));
    rooms.visit(room, seconds(20));
    rooms.release(room);
    assert_eq!(rooms.find("a"), Some(room), "it keeps something");
    assert_eq!(rooms.next_expiry(), Some(seconds(310)));
    rooms.expire(seconds(309));
    assert_eq!((rooms.len(), rooms.positions()), (1, 0));
    rooms.expire(seconds(310));
    assert_eq!((rooms.len(), rooms.positions()), (0, 1));
    assert_eq!((rooms.history_bytes(), rooms.next_expiry()), (0, None));
    let room = create_kept(&mut rooms, "a", 2, seconds(3_000));
    let (found, recovery) = rooms.arrive(room, None, seconds(3_000)).unwrap();
    assert_eq!(found, position(1, 1));
    assert!(matches!(recovery, Recovery::NotAsked));
    rooms.release(room);
    assert_eq!((rooms.len(), rooms.positions()), (0, 1));
    let room = create_kept(&mut rooms, "a", 3, seconds(6_000));
    let (found, _) = rooms.arrive(room, None, seconds(6_000)).unwrap();
    assert_eq!(found, position(3, 0), "that was too late");
}

/// Goal: what was said before a room kept anything is lost, and a room that keeps nothing leaves no trace.
#[test]
fn a_history_begins_when_it_is_asked_for() {
    let mut rooms = rooms(1 << 20);
    let now = seconds(1);
    let room = create(&mut rooms, "a", 1, now);
    say(&mut rooms, room, b"x", now);
    assert!(rooms.arrive(room, None, now).is_none());
    rooms.begin_history(room, RETENTION, now);
    say(&mut rooms, room, b"x", now);
    for (offset, is_lost) in [(0, true), (1, false), (2, false)] {
        let epoch = EpochClaim::Any;
        let since = Since { offset, epoch };
        let (found, recovery) = rooms.arrive(room, Some(&since), now).unwrap();
        assert_eq!(found, position(1, 2));
        assert_eq!(matches!(recovery, Recovery::Lost), is_lost, "{offset}");
    }
    let plain = create(&mut rooms, "b", 2, now);
    rooms.release(plain);
    rooms.remove_history(room);
    rooms.release(room);
    assert_eq!((rooms.len(), rooms.positions()), (0, 1));
}

/// Goal: when all rooms keep too much, those give way in which nothing was said for longest; rooms that have
/// no other trace are gone with it, and one alone keeps its newest messages.
#[test]
fn the_oldest_histories_give_way() {
    const BYTES_MAX: usize = 256 << 10;
    let mut rooms = rooms(BYTES_MAX);
    let names = ["a", "b", "c", "d", "e"];
    let mut now = seconds(0);
    let ids = names.map(|name| create_kept(&mut rooms, name, 1, now));
    rooms.home_mut(ids[1]).join(&guest(), &CUSTOMS);
    for &room in &ids {
        for _ in 0..5 {
            now += seconds(1);
            say(&mut rooms, room, &[1; 10_000], now);
        }
    }
    assert!(rooms.history_bytes() <= BYTES_MAX);
    let is_there = names.map(|name| rooms.find(name).is_some());
    // The second has a member, and those behind it were used later.
    assert!(!is_there[0] && is_there[1] && is_there[4]);
    assert!(is_there[2..].is_sorted(), "{is_there:?}");
    assert_eq!(kept(&mut rooms, ids[4], now), 5);
    assert_eq!(kept(&mut rooms, ids[1], now), 0);
    let gone = is_there.iter().filter(|&&is_there| !is_there).count();
    assert_eq!(rooms.positions(), gone);
    for _ in 0..100 {
        now += seconds(1);
        say(&mut rooms, ids[4], &[1; 60_000], now);
        assert!(
            rooms.history_bytes() <= BYTES_MAX,
            "{}",
            rooms.history_bytes()
        );
        assert!(kept(&mut rooms, ids[4], now) > 0);
    }
    assert_eq!(rooms.len(), 2, "all others have given way");
}

/// Goal: what was noted of a history that is gone does no harm to another room of that handle.
#[test]
fn notes_of_rooms_that_are_gone_do_no_harm() {
    let mut rooms = rooms(1 << 20);
    let room = create_kept(&mut rooms, "a", 1, seconds(0));
    say(&mut rooms, room, b"x", seconds(0));
    rooms.remove_history(room);
    rooms.release(room);
    assert_eq!(create_kept(&mut rooms, "b", 1, seconds(10)), room);
    for at in [10, 200, 400, 600] {
        say(&mut rooms, room, b"x", seconds(at));
        rooms.expire(seconds(at));
    }
    assert_eq!(kept(&mut rooms, room, seconds(600)), 4);
    rooms.expire(seconds(899));
    assert_eq!(rooms.next_expiry(), Some(seconds(900)));
    rooms.expire(seconds(900));
    assert_eq!((rooms.len(), rooms.next_expiry()), (0, None));
}

/// Goal: rooms that are there for their histories alone count with what they take themselves, so that a short message in
/// each of thousands of rooms is no way to make the server keep more than it may; those that stay are the newest.
#[test]
fn rooms_count_that_stay_for_a_message() {
    const BYTES_MAX: usize = 256 << 10;
    let bounds = Bounds {
        history_bytes_max: BYTES_MAX,
        rooms_max: 10_000,
        positions_max: 10_000,
        ..Bounds::SMALL
    };
    let mut rooms = Rooms::new(ME, Homes::new(1, 0), bounds);
    for number in 0..2_000 {
        let now = Duration::from_millis(number);
        let room = create_kept(&mut rooms, &format!("room {number}"), 1, now);
        rooms.home_mut(room).join(&guest(), &CUSTOMS);
        say(&mut rooms, room, b"x", now);
        (rooms.home_mut(room)).leave(&guest(), &CUSTOMS, now);
        rooms.release(room);
    }
    assert!(rooms.history_bytes() <= BYTES_MAX);
    assert!((100..400).contains(&rooms.len()), "{}", rooms.len());
    assert_eq!(rooms.len() + rooms.positions(), 2_000);
    assert!(rooms.find("room 1999").is_some() && rooms.find("room 0").is_none());
}
