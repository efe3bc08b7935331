//! Clients that come back to a room, and what they are sent of what they have missed.

mod pace;
mod random;

use std::num::NonZeroUsize;
use std::time::Duration;

use fanring::cli::{Invocation, parse};
use fanring::config::{Config, LOG_BYTES_MIN};
use fanring::process::Machine;
use fanring::wire::frame::OpCode;
use serde_json::Value;

use super::{publish, subscribe, unsubscribe};
use crate::bench::{Bench, room_at};

/// Comes back to a room, knowing all up to `offset`.
fn recover(id: u32, room: &str, offset: u64, epoch: &str) -> String {
    format!(
        r#"{{"id":{id},"subscribe":{{"channel":"{room}","recover":true,"offset":{offset},"epoch":"{epoch}"}}}}"#
    )
}

fn parsed(told: &[String]) -> Vec<Value> {
    let parse = |one: &String| serde_json::from_str(one).unwrap_or_else(|_| panic!("{one}"));
    told.iter().map(parse).collect()
}

/// The offsets of publications that are pushed, and nothing else but word of who comes and goes.
fn offsets(told: &[String]) -> Vec<u64> {
    let pushed = |one: &Value| {
        let push = one.get("push").unwrap_or_else(|| panic!("{one}"));
        Some(push.get("pub")?["offset"].as_u64().expect("it has a place"))
    };
    parsed(told).iter().filter_map(pushed).collect()
}

/// The epoch that a client is told as it comes into a room.
fn epoch(bench: &mut Bench, client: usize, room: &str) -> String {
    bench.command(client, &subscribe(90, room));
    let told = parsed(&bench.told(client));
    let epoch = told[0]["subscribe"]["epoch"].as_str();
    epoch.unwrap_or_else(|| panic!("{told:?}")).to_owned()
}

/// What the log of a shard has taken so far.
fn appended(bench: &Bench, shard: usize) -> u64 {
    bench.metrics[shard].appended_bytes.get()
}

/// Goal: somebody who comes back is told so with the place it named, then gets what it has missed, then what is said,
/// each once and in order, wherever the room is at home; another who has missed the same costs the log nothing.
#[test]
fn what_was_missed_comes_before_what_is_said() {
    for home in 0..2 {
        let room = room_at(home, 2);
        let mut bench = Bench::new(2);
        let speaker = bench.client_in(1, &[&room]);
        let clients = [0, 0, 0].map(|shard| bench.client_in(shard, &[]));
        let epoch = epoch(&mut bench, clients[0], &room);
        bench.command(clients[0], &unsubscribe(3, &room));
        for number in 1..=5 {
            bench.command(speaker, &publish(10 + number, &room, &number.to_string()));
        }
        bench.settle();
        bench.heard(clients[0]);
        let before = appended(&bench, 0);
        bench.command(clients[0], &recover(4, &room, 2, &epoch));
        let told = bench.told(clients[0]);
        let reply = &parsed(&told)[0]["subscribe"];
        assert_eq!(reply["recovered"], true, "{told:?}");
        assert_eq!(
            (&reply["offset"], &reply["epoch"]),
            (&2.into(), &(*epoch).into())
        );
        assert!(reply.get("publications").is_none(), "they follow");
        assert_eq!(offsets(&told[1..]), [3, 4, 5]);
        let first_cost = appended(&bench, 0) - before;
        let before = appended(&bench, 0);
        bench.command(clients[1], &recover(4, &room, 2, &epoch));
        bench.command(clients[2], &recover(4, &room, 4, &epoch));
        bench.command(speaker, &publish(20, &room, "6"));
        bench.settle();
        assert_eq!(offsets(&bench.heard(clients[0])), [6]);
        assert_eq!(offsets(&bench.heard(clients[1])[1..]), [3, 4, 5, 6]);
        assert_eq!(offsets(&bench.heard(clients[2])[1..]), [5, 6]);
        // What was said, and joins; but not what was missed.
        let second_cost = appended(&bench, 0) - before;
        assert!(
            second_cost < first_cost * 2,
            "{second_cost} for {first_cost}"
        );
    }
}

/// Goal: what is lost is told as lost, with the place where the room stands, and nothing of it is sent; who wants all or
/// nothing is not let in.
#[test]
fn what_is_lost_is_told() {
    let room = room_at(1, 2);
    let mut bench = Bench::new(2);
    let speaker = bench.client_in(1, &[&room]);
    for number in 1..=120 {
        bench.command(speaker, &publish(10 + number, &room, &number.to_string()));
        bench.settle();
    }
    let client = bench.client_in(0, &[]);
    bench.command(client, &recover(4, &room, 19, ""));
    let told = bench.told(client);
    let reply = &parsed(&told)[0]["subscribe"];
    assert_eq!(reply["was_recovering"], true);
    assert_eq!(
        (reply.get("recovered"), &reply["offset"]),
        (None, &120.into())
    );
    assert_eq!(offsets(&told[1..]), [0; 0]);
    bench.command(client, &unsubscribe(5, &room));
    bench.command(client, &recover(6, &room, 20, "elsewhen"));
    let told = bench.told(client);
    assert_eq!(
        parsed(&told)[1]["subscribe"].get("recovered"),
        None,
        "{told:?}"
    );
    bench.command(client, &unsubscribe(7, &room));
    bench.command(client, &recover(8, &room, 20, ""));
    let told = bench.told(client);
    assert_eq!(offsets(&told[2..]), (21..=120).collect::<Vec<_>>());
    let refusing = recover(9, &room, 1, "").replace(r#""recover""#, r#""flag":2,"recover""#);
    let other = bench.client_in(0, &[]);
    bench.command(other, &refusing);
    assert_eq!(parsed(&bench.told(other))[0]["error"]["code"], 112);
}

/// Goal: a client whose socket takes little gets all that it has missed and all that was said since, frame by frame,
/// with its replies and its other rooms in between, however much more that is than it may be behind.
#[test]
fn a_slow_reader_gets_all_that_it_has_missed() {
    let mut bench = Bench::with(Config {
        shards: NonZeroUsize::MIN,
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: 100_000,
        descriptors_max: 200,
        ..Config::default()
    });
    let speaker = bench.client_in(0, &["room", "other"]);
    let data = format!(r#""{}""#, "x".repeat(5_000));
    for number in 1..=60 {
        bench.command(speaker, &publish(10 + number, "room", &data));
        bench.settle();
    }
    let client = bench.client_in(0, &["other"]);
    bench.heard(client);
    bench.crawl(client, 3_000);
    bench.command(client, &recover(3, "room", 0, ""));
    let mut told = Vec::new();
    for round in 0..3_000 {
        if round < 20 {
            bench.command(speaker, &publish(200 + round, "room", "1"));
            bench.command(speaker, &publish(300 + round, "other", "2"));
            bench.command(client, &publish(400 + round, "other", "3"));
        }
        bench.command(client, "{}");
        bench.wake(client);
        bench.settle();
        bench.pass_time(0, Duration::from_millis(u64::from(round)));
    }
    told.extend(bench.heard(client));
    told.retain(|one| one != "{}");
    let all = parsed(&told);
    let of = |room: &str| -> Vec<u64> {
        let pushes = all.iter().filter_map(|one| one.get("push"));
        let pushes = pushes.filter(|push| push["channel"] == room);
        pushes
            .filter_map(|push| push["pub"]["offset"].as_u64())
            .collect()
    };
    assert_eq!(of("room"), (1..=80).collect::<Vec<_>>());
    assert_eq!(of("other"), (1..=40).collect::<Vec<_>>());
    let replies = all.iter().filter(|one| one.get("publish").is_some());
    assert_eq!(replies.count(), 20);
}

/// Goal: a client that leaves in the middle of what it has missed gets the frame that was begun to its end, and nothing
/// more; it may come back for the rest.
#[test]
fn one_may_leave_in_the_middle_of_what_it_has_missed() {
    let mut bench = Bench::new(1);
    let speaker = bench.client_in(0, &["room"]);
    let data = format!(r#""{}""#, "x".repeat(1_000));
    for number in 1..=20 {
        bench.command(speaker, &publish(10 + number, "room", &data));
    }
    bench.settle();
    let client = bench.client_in(0, &[]);
    bench.crawl(client, 1_500);
    bench.command(client, &recover(3, "room", 0, ""));
    bench.settle();
    bench.command(client, &unsubscribe(4, "room"));
    bench.command(client, &recover(5, "room", 2, ""));
    bench.answer(client);
    bench.unblock(client);
    let told = bench.told(client);
    let all = parsed(&told);
    let left = all.iter().position(|one| one.get("unsubscribe").is_some());
    let (before, behind) = told.split_at(left.expect("it is answered"));
    assert_eq!(offsets(&before[1..]), [1, 2]);
    assert_eq!(offsets(&behind[2..]), (3..=20).collect::<Vec<_>>());
    let other = bench.client_in(0, &[]);
    bench.crawl(other, 1_500);
    bench.command(other, &recover(3, "room", 0, ""));
    bench.settle();
    bench.fail(other);
    bench.settle();
}

/// Goal: more than a log holds is missed by several together, each of whom has missed something else, and comes all the
/// same, as fast as it is read; and each is told once that it has come, though the log has lost that by then.
#[test]
fn more_than_a_log_may_be_missed() {
    const DATA_BYTES: usize = 8_000;
    let mut bench = Bench::new(1);
    let speaker = bench.client_in(0, &["room"]);
    let data = format!(r#""{}""#, "x".repeat(DATA_BYTES));
    for number in 1..=100 {
        bench.command(speaker, &publish(10 + number, "room", &data));
        bench.settle();
    }
    let all_known = [40, 30, 20, 10, 0];
    let missed: usize = all_known.iter().map(|known| 100 - known).sum();
    assert!(missed * DATA_BYTES > 3 * LOG_BYTES_MIN);
    let clients = all_known.map(|known| {
        let client = bench.newcomer(0);
        bench.command(client, r#"{"id":1,"connect":{}}"#);
        let told = bench.told(client);
        bench.answer(client);
        bench.command(client, &recover(3, "room", known as u64, ""));
        let name = parsed(&told)[0]["connect"]["client"].clone();
        (client, name, known as u64)
    });
    bench.settle();
    for (client, name, known) in clients {
        let mut told = bench.heard(client);
        told.retain(|one| one != "{}");
        assert_eq!(offsets(&told[1..]), (known + 1..=100).collect::<Vec<_>>());
        let is_own_join = |one: &&Value| one["push"]["join"]["info"]["client"] == name;
        let joins = parsed(&told).iter().filter(is_own_join).count();
        assert_eq!(joins, 1, "{name}, who knew {known}");
    }
}

/// Goal: a client that falls behind in a room is put out of it and of no other, with the frame that was begun whole; once
/// its socket has taken what there was it comes back, and has missed nothing.
#[test]
fn one_that_falls_behind_comes_back() {
    let mut bench = Bench::with(Config {
        shards: NonZeroUsize::MIN,
        log_bytes: LOG_BYTES_MIN,
        lag_bytes_max: 100_000,
        descriptors_max: 200,
        ..Config::default()
    });
    let speaker = bench.client_in(0, &["room", "other"]);
    let others = [0; 4].map(|shard| bench.client_in(shard, &["room", "other"]));
    let client = bench.client_in(0, &["room", "other"]);
    bench.crawl(client, 3_000);
    let data = format!(r#""{}""#, "x".repeat(8_000));
    let mut said = 0;
    for number in 0..40 {
        bench.command(speaker, &publish(10 + number, "room", &data));
        bench.settle();
        let answers = parsed(&bench.heard(speaker));
        said += answers
            .iter()
            .filter(|one| one.get("publish").is_some())
            .count() as u64;
        bench.pass_time(0, Duration::from_millis(200 * u64::from(number)));
        for other in others {
            bench.command(other, "{}");
        }
    }
    assert!(said > 20, "{said}");
    bench.command(client, &subscribe(50, "room"));
    for _ in 0..20 {
        bench.command(client, "{}");
        bench.wake(client);
        bench.settle();
    }
    bench.pass_time(0, Duration::from_secs(12));
    bench.settle();
    for _ in 0..20 {
        bench.wake(client);
        bench.settle();
    }
    let mut told = bench.heard(client);
    told.retain(|one| one != "{}");
    let (frames, last) = told.split_at(told.len() - 2);
    let known = offsets(frames);
    assert!(!known.is_empty() && known.iter().copied().eq(1..=known.len() as u64));
    let push = &parsed(last)[0]["push"];
    assert_eq!(
        (&push["channel"], &push["unsubscribe"]["code"]),
        (&"room".into(), &2500.into())
    );
    assert_eq!(
        parsed(last)[1]["error"]["code"],
        111,
        "it has yet to cool down"
    );
    bench.command(speaker, &publish(90, "other", "1"));
    bench.unblock(client);
    assert_eq!(offsets(&bench.told(client)), [1]);
    bench.pass_time(0, Duration::from_secs(13));
    bench.heard(client);
    bench.command(client, &recover(51, "room", known.len() as u64, ""));
    let told = bench.read(client);
    let missed = (known.len() as u64 + 1..=said).collect::<Vec<_>>();
    assert_eq!(offsets(&told[1..]), missed);
}

/// Goal: plain members who come to a room after all clients have left it, when nothing of it is kept any longer, do not
/// make it another room: a client that comes back knows that it missed what they said and nothing else.
#[test]
fn plain_members_keep_the_place_of_a_room() {
    let mut bench = Bench::new(1);
    let client = bench.client_in(0, &[]);
    let epoch = epoch(&mut bench, client, "room");
    bench.command(client, &publish(3, "room", "1"));
    bench.command(client, &unsubscribe(4, "room"));
    bench.settle();
    let mut come = |id, offset, words: &[&str]| {
        bench.heard(client);
        bench.pass_time(0, Duration::from_secs(u64::from(id) * 400));
        bench.settle();
        let plain = bench.join(0, "/ws/room?presence=0");
        for word in words {
            bench.say(plain, OpCode::Text, word.as_bytes());
        }
        bench.settle();
        bench.end(plain);
        bench.settle();
        bench.command(client, &recover(id, "room", offset, &epoch));
        let mut told = bench.told(client);
        let is_reply = |one: &String| one.contains(r#""subscribe":{"#);
        let at = told.iter().position(is_reply).expect("it is answered");
        let reply = parsed(&told)[at]["subscribe"].clone();
        told.retain(|one| one.contains(r#""push":{"#));
        bench.command(client, &unsubscribe(id + 10, "room"));
        bench.settle();
        let recovered = reply.get("recovered").is_some();
        (recovered, reply["epoch"] == *epoch, offsets(&told))
    };
    assert_eq!(come(5, 1, &[]), (true, true, vec![]));
    assert_eq!(come(6, 1, &["2", "3"]), (true, true, vec![2, 3]));
}

/// As many messages are kept as there may be reruns of a room, and more.
const MUCH: &str = "[client]\ninsecure = true\n[channel.without_namespace]\nhistory_size = 300\n\
                    history_ttl = \"300s\"\nforce_recovery = true\n";

/// What a settings file comes to.
fn configured(file: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.toml");
    std::fs::write(&path, file).unwrap();
    let arguments = [
        "fanring",
        "serve",
        "--shards",
        "2",
        "--config",
        path.to_str().unwrap(),
    ];
    match parse(arguments, &|_| None, &Machine::probe()) {
        Ok(Invocation::Serve(start)) => start.config,
        other => panic!("{other:?}"),
    }
}

/// Goal: a client that can't be sent what it missed, since too many others are being sent more than that, is told to come
/// back later; when it has gone to another room meanwhile it is in that one.
#[test]
fn one_of_too_many_who_recover_may_go_elsewhere() {
    const MOST: u64 = 250;
    let (room, other) = (room_at(0, 2), room_at(1, 2));
    let mut bench = Bench::with(Config {
        descriptors_max: 600,
        ..configured(MUCH)
    });
    let speaker = bench.client_in(0, &[]);
    for number in 1..=MOST + 10 {
        let id = u32::try_from(number).unwrap();
        bench.command(speaker, &publish(10 + id, &room, "1"));
    }
    bench.settle();
    bench.heard(speaker);
    // Each has missed something that nobody before it has.
    for known in (1..=MOST).rev() {
        let client = bench.client_in(0, &[]);
        bench.block(client);
        bench.command(client, &recover(3, &room, known, ""));
        bench.settle();
    }
    let client = bench.client_in(0, &[]);
    let commands = [
        recover(3, &room, 0, ""),
        unsubscribe(4, &room),
        subscribe(5, &other),
    ];
    bench.command(client, &commands.join("\n"));
    let told = parsed(&bench.told(client));
    assert_eq!(told[0]["error"]["code"], 111, "{told:?}");
    assert_eq!((&told[1]["id"], &told[2]["id"]), (&4.into(), &5.into()));
    bench.command(speaker, &publish(9, &other, "2"));
    assert_eq!(offsets(&bench.told(client)), [1]);
}
