//! How many clients may come, how fast and of which user, and what they get unasked.

use std::io::Write;
use std::time::Duration;

use fanring::auth::sign::Signer;
use fanring::cli::{self, Invocation};
use fanring::config::Config;
use fanring::process::Machine;
use fanring::wire::frame::OpCode;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{TARGET, begin_with, subscribe};
use crate::bench::{Bench, room_at, rooms_at};

/// The second on the wall when each of these begins.
pub(super) const NOW: u64 = 1_800_000_000;

/// What `text` has come to as a settings file, for so many shards.
pub(super) fn settings(shards: u16, text: &str) -> Config {
    let mut file = NamedTempFile::with_suffix(".toml").expect("a temporary file");
    (file.write_all(text.as_bytes())).expect("room for it");
    let path = file.path().to_str().expect("UTF-8");
    let shards = shards.to_string();
    let arguments = ["fanring", "serve", "--config", path, "--shards", &shards];
    let nothing = |_: &str| None;
    let parsed = cli::parse(arguments, &nothing, &Machine::probe());
    let Ok(Invocation::Serve(start)) = parsed else {
        panic!("{text} is no settings file: {parsed:?}");
    };
    Config {
        descriptors_max: 200,
        ..start.config
    }
}

pub(super) fn bench(shards: u16, text: &str) -> Bench {
    let mut bench = Bench::with(settings(shards, text));
    set_wall(&mut bench, Duration::from_secs(NOW));
    bench
}

pub(super) fn set_wall(bench: &mut Bench, unix_time: Duration) {
    for shard in &mut bench.shards {
        shard.handle_unix_time(unix_time);
    }
}

pub(super) fn pass_time(bench: &mut Bench, now: Duration) {
    for shard in 0..bench.shards.len() {
        bench.pass_time(shard, now);
    }
    bench.settle();
}

pub(super) fn token(claims: &Value) -> String {
    Signer::from_secret("secret").sign(claims).expect("a token")
}

pub(super) fn connect(token: &str) -> String {
    format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#)
}

/// A user's client on a shard says who it is, and nobody has done anything yet.
fn user_asks(bench: &mut Bench, shard: usize, user: &str) -> usize {
    let client = bench.newcomer(shard);
    bench.command(client, &connect(&token(&json!({ "sub": user }))));
    client
}

/// A user's client on a shard, and whether it was let in; else it was closed with the code for that.
fn user_comes(bench: &mut Bench, shard: usize, user: &str) -> (usize, bool) {
    let client = user_asks(bench, shard, user);
    (client, was_let_in(bench, client))
}

fn was_let_in(bench: &mut Bench, client: usize) -> bool {
    let told = bench.told(client);
    match told.as_slice() {
        [one] if one == "close 3504" => false,
        [one] if one.starts_with(r#"{"id":1,"connect":{"#) => true,
        _ => panic!("{told:?}"),
    }
}

const SEATS: &str = r#"
client.user_connection_limit = 2
client.allow_anonymous_connect_without_token = true
client.token.hmac_secret_key = "secret"
client.expired_close_delay = "1s"
client.stale_close_delay = "3s"
client.subscribe_to_user_personal_channel.enabled = true
channel.without_namespace.allow_subscribe_for_client = true
"#;

/// How a client ends that counts as one of its user's connections.
type End = (&'static str, fn(&mut Bench, usize));

const ENDS: [End; 8] = [
    ("it fails", |bench, client| bench.fail(client)),
    ("it hangs up", |bench, client| bench.end(client)),
    ("it says goodbye", |bench, client| {
        bench.say(client, OpCode::Close, &[3, 232]);
    }),
    ("it makes no sense", |bench, client| {
        bench.command(client, "[]")
    }),
    ("it connects twice", |bench, client| {
        bench.command(client, &connect(&token(&json!({"sub": "42"}))));
    }),
    ("it shows a bad token", |bench, client| {
        bench.command(client, r#"{"id":2,"refresh":{"token":"none"}}"#);
    }),
    ("it does not answer pings", |bench, _| {
        for second in 1..40 {
            pass_time(bench, Duration::from_secs(second));
        }
    }),
    ("the server stops", |bench, client| {
        let shard = bench.shard(client);
        bench.shards[shard].handle_stop();
    }),
];

/// Goal: a user has as many connections as it may, wherever they are and wherever it is counted; one more is closed with
/// the code that keeps it away; others, and those without a name, don't count.
#[test]
fn connections_of_a_user_are_counted_over_all_shards() {
    for home in 0..2 {
        let user = rooms_at(home, 2).nth(3).expect("names spread");
        let mut bench = bench(2, SEATS);
        assert!(user_comes(&mut bench, 0, &user).1 && user_comes(&mut bench, 1, &user).1);
        for shard in [0, 1] {
            assert!(!user_comes(&mut bench, shard, &user).1, "on {shard}");
            assert!(user_comes(&mut bench, shard, "another").1);
            for _ in 0..3 {
                let nobody = bench.newcomer(shard);
                bench.command(nobody, r#"{"id":1,"connect":{}}"#);
                assert!(was_let_in(&mut bench, nobody));
            }
        }
    }
}

/// Goal: whatever the end of a connection is, another one of its user has its place from then on, and no more than one;
/// what is counted agrees with who is there.
#[test]
fn whoever_ends_gives_its_place_back() {
    for (what, end) in ENDS {
        for shard in 0..2 {
            let user = "42";
            let mut bench = bench(2, SEATS);
            let (stays, _) = user_comes(&mut bench, 1 - shard, user);
            let (goes, let_in) = user_comes(&mut bench, shard, user);
            assert!(let_in);
            end(&mut bench, goes);
            bench.settle();
            if what.starts_with("it does not answer") {
                assert_eq!(
                    bench.told(stays).last().map(String::as_str),
                    Some("close 3012")
                );
                assert!(user_comes(&mut bench, 1 - shard, user).1, "{what}");
            }
            assert!(user_comes(&mut bench, 1 - shard, user).1, "{what}");
            assert!(!user_comes(&mut bench, 1 - shard, user).1, "{what}");
        }
    }
}

/// Goal: a connection that ends before it is known whether it may be has no place afterwards, whatever the answer is,
/// and commands behind the one that waits have their turn behind it.
#[test]
fn one_that_ends_before_the_answer_has_no_place() {
    let user = rooms_at(1, 2).nth(5).expect("names spread");
    let mut bench = bench(2, SEATS);
    bench.hold_mail(1);
    let early = user_asks(&mut bench, 0, &user);
    bench.command(early, &subscribe(2, "room"));
    let late = user_asks(&mut bench, 0, &user);
    let gone = user_asks(&mut bench, 0, &user);
    bench.settle();
    assert_eq!(bench.heard(early), [""; 0]);
    bench.fail(late);
    bench.fail(gone);
    bench.settle();
    bench.deliver_mail();
    let told = bench.told(early);
    begin_with(
        &told,
        &[r#"{"id":1,"connect":{"#, r#"{"id":2,"subscribe":{"#],
    );
    assert!(user_comes(&mut bench, 1, &user).1);
    assert!(!user_comes(&mut bench, 1, &user).1);
    // One that waits for too long goes as any that says nothing.
    bench.hold_mail(1);
    let waits = user_asks(&mut bench, 0, "another");
    let waits_there = user_asks(&mut bench, 0, &user);
    pass_time(&mut bench, Duration::from_secs(5));
    let closed = [waits, waits_there].map(|client| bench.told(client));
    assert!(
        closed
            .iter()
            .any(|told| told.ends_with(&["close 3502".to_owned()]))
    );
    bench.deliver_mail();
    bench.settle();
}

/// Goal: a token that ends takes its connection's place with it, and one that is expired from the beginning has none.
#[test]
fn expired_connections_give_their_places_back() {
    let mut bench = bench(2, SEATS);
    for shard in [0, 1] {
        let client = bench.newcomer(shard);
        bench.command(
            client,
            &connect(&token(&json!({"sub": "42", "exp": NOW + 5}))),
        );
        assert!(was_let_in(&mut bench, client));
        let expired = bench.newcomer(shard);
        bench.command(
            expired,
            &connect(&token(&json!({"sub": "42", "exp": NOW - 30}))),
        );
        begin_with(&bench.told(expired), &[r#"{"id":1,"error":{"code":109,"#]);
    }
    assert!(!user_comes(&mut bench, 0, "42").1);
    pass_time(&mut bench, Duration::from_millis(6_500));
    assert!(user_comes(&mut bench, 0, "42").1 && user_comes(&mut bench, 1, "42").1);
}

fn status(bench: &mut Bench, shard: usize, target: &str) -> String {
    let client = bench.connect(shard);
    let head = format!(
        "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    bench.request(client, head.as_bytes());
    let answer = bench.answered(client);
    answer.split(' ').nth(1).expect("a status line").to_owned()
}

/// Goal: so many clients come in a second as may, over all shards, and the others are refused at the upgrade, who don't
/// count; plain members are none of them, and the next second makes room.
#[test]
fn clients_come_at_their_pace() {
    let mut bench = bench(
        2,
        "client.connection_rate_limit = 4\n[channel.without_namespace]\nallow_plain = true\n\
         allow_subscribe_for_client = true\nallow_subscribe_for_anonymous = true",
    );
    for second in 0..3 {
        set_wall(
            &mut bench,
            Duration::from_millis((NOW + second) * 1_000 + 500),
        );
        for shard in [0, 1, 1, 1] {
            assert_eq!(status(&mut bench, shard, TARGET), "101");
        }
        for shard in [0, 1, 0, 1] {
            assert_eq!(status(&mut bench, shard, TARGET), "503");
            let plain = format!("/ws/{}", room_at(u16::try_from(shard).unwrap(), 2));
            assert_eq!(status(&mut bench, shard, &plain), "101");
        }
    }
}

/// Goal: a client that is to be put into more rooms than there may be is closed, to come back, and gives its place back.
#[test]
fn one_without_room_for_its_rooms_has_no_place() {
    let mut bench = Bench::with(Config {
        rooms_max: 2,
        ..settings(1, SEATS)
    });
    set_wall(&mut bench, Duration::from_secs(NOW));
    let claims = json!({"sub": "42", "channels": ["a", "b", "c"]});
    for _ in 0..3 {
        let client = bench.newcomer(0);
        bench.command(client, &connect(&token(&claims)));
        assert_eq!(bench.told(client), ["close 3004"]);
    }
    assert!(user_comes(&mut bench, 0, "42").1 && user_comes(&mut bench, 0, "42").1);
}

const CACHE: &str = r#"
client.token.hmac_secret_key = "secret"
[channel.without_namespace]
history_size = 10
history_ttl = "60s"
force_recovery = true
force_recovery_mode = "cache"
auto_cache_recover = true
allow_subscribe_for_client = true
allow_publish_for_client = true
"#;

/// Goal: where everybody is to get the newest publication, who subscribes without asking for anything gets it behind the
/// reply, by itself or put there by the server; of a channel where nothing was said it is told that there is none.
#[test]
fn the_newest_comes_unasked() {
    let mut bench = bench(2, CACHE);
    let room = room_at(1, 2);
    let speaker = user_asks(&mut bench, 1, "1");
    for number in 1..=3 {
        let said = super::publish(1 + number, &room, &number.to_string());
        bench.command(speaker, &said);
    }
    bench.told(speaker);
    for put_there in [false, true] {
        let client = bench.newcomer(0);
        let claims = match put_there {
            true => json!({"sub": "42", "channels": [room]}),
            false => json!({"sub": "42"}),
        };
        bench.command(client, &connect(&token(&claims)));
        if !put_there {
            bench.command(client, &subscribe(2, &room));
            bench.command(client, &subscribe(3, "never"));
        }
        let told: Vec<Value> = (bench.told(client).iter())
            .map(|one| serde_json::from_str(one).expect("JSON"))
            .collect();
        let reply = match put_there {
            true => &told[0]["connect"]["subs"][&room],
            false => &told[1]["subscribe"],
        };
        assert_eq!(
            (&reply["recovered"], &reply["was_recovering"]),
            (&json!(true), &json!(true)),
            "{told:?}"
        );
        let pushed: Vec<&Value> = (told.iter())
            .filter_map(|one| one["push"].get("pub"))
            .map(|one| &one["data"])
            .collect();
        assert_eq!(pushed, [&json!(3)], "{told:?}");
        if !put_there {
            let never = told
                .iter()
                .find(|one| one["id"] == 3)
                .expect("it is answered");
            let reply = &never["subscribe"];
            assert_eq!(
                (reply.get("recovered"), &reply["was_recovering"]),
                (None, &json!(true)),
                "{reply}"
            );
        }
    }
}
