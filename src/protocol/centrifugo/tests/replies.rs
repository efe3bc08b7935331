//! Replies, in both encodings.

use std::num::NonZeroU32;

use uuid::Uuid;

use super::frames::{message, text};
use super::schema;
use crate::id::{Epoch, Offset};
use crate::message::{Form, Info};
use crate::protocol::centrifugo::Encoding;
use crate::protocol::centrifugo::encode::{append_reply, publication_bytes};
use crate::protocol::centrifugo::payload::Payload;
use crate::protocol::centrifugo::reply::{
    Connected, Pings, Position, Presence, Publication, Recovery, Reply, Subscribed,
};

const CLIENT: Uuid = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
const NAME: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
/// How the epoch with the number 1 is told.
const EPOCH: &str = "BAAAAAAA";

fn json(id: u32, reply: &Reply<'_>) -> String {
    let mut out = Vec::new();
    append_reply(&mut out, Encoding::Json, id, reply);
    text(&out).to_owned()
}

fn protobuf(id: u32, reply: &Reply<'_>) -> schema::Reply {
    let mut out = Vec::new();
    append_reply(&mut out, Encoding::Protobuf, id, reply);
    let reply = message(&out);
    assert_eq!(reply.id, id);
    reply
}

fn position(offset: u64) -> Position {
    let epoch = Epoch::new(1);
    Position { epoch, offset }
}

fn said(bytes: &[u8]) -> Payload<'_> {
    let form = Form::Json;
    Payload { form, bytes }
}

fn seconds(seconds: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(seconds)
}

/// A second publication, of somebody of whom something is known.
fn second() -> Publication<'static> {
    Publication {
        data: said(br#"{"n":2}"#),
        info: Some(Info {
            user: "42",
            connection: br#"{"name":"x"}"#,
            channel: b"[1]",
            ..Info::anonymous(CLIENT)
        }),
        offset: Some(Offset::FIRST.following()),
        epoch: None,
    }
}

/// How it is told.
const SECOND: &str = r#"{"data":{"n":2},"info":{"user":"42","client":"67e55044-10b1-426f-9247-bb680e5fe0c8","conn_info":{"name":"x"},"chan_info":[1]},"offset":2}"#;

fn second_message() -> schema::Publication {
    schema::Publication {
        data: br#"{"n":2}"#.to_vec(),
        info: Some(schema::ClientInfo {
            user: "42".to_owned(),
            client: NAME.to_owned(),
            conn_info: br#"{"name":"x"}"#.to_vec(),
            chan_info: b"[1]".to_vec(),
        }),
        offset: 2,
        epoch: String::new(),
    }
}

/// Goal: a result is told even where it says nothing, under the name of what was asked for.
#[test]
fn results_that_say_nothing_are_told() {
    for (reply, name) in [
        (Reply::Unsubscribe, "unsubscribe"),
        (Reply::Publish(None), "publish"),
        (Reply::Rpc(None), "rpc"),
        (Reply::SubRefresh { expires_s: None }, "sub_refresh"),
        (Reply::Subscribe(Subscribed::default()), "subscribe"),
    ] {
        let expected = format!(r#"{{"id":2147483648,"{name}":{{}}}}"#);
        assert_eq!(json(1 << 31, &reply), expected);
    }
    let reply = protobuf(7, &Reply::Publish(None));
    assert_eq!(reply.publish, Some(schema::PublishResult::default()));
    assert_eq!(
        protobuf(u32::MAX, &Reply::Unsubscribe).unsubscribe,
        Some(schema::Nothing {})
    );
    assert_eq!(
        protobuf(1, &Reply::Rpc(None)).rpc,
        Some(schema::Data::default())
    );
    assert!(
        protobuf(1, &Reply::SubRefresh { expires_s: None })
            .sub_refresh
            .is_some()
    );
    assert!(
        protobuf(1, &Reply::Subscribe(Subscribed::default()))
            .subscribe
            .is_some()
    );
}

/// What a client is told that is in, and nothing else.
const CONNECTED: Connected<'static> = Connected {
    client: CLIENT,
    version: "ref 0.1",
    expires_s: None,
    data: None,
    subs: &[],
    pings: None,
    unix_time_ms: None,
};

/// Goal: clients that are in are told who they are, and how often they are pinged.
#[test]
fn connects_are_told() {
    let connected = Connected {
        pings: Some(Pings {
            interval_s: seconds(25).unwrap(),
            want_pong: true,
        }),
        ..CONNECTED
    };
    let expected = format!(
        r#"{{"id":1,"connect":{{"client":"{NAME}","version":"ref 0.1","ping":25,"pong":true}}}}"#
    );
    assert_eq!(json(1, &Reply::Connect(connected)), expected);
    let result = schema::ConnectResult {
        client: NAME.to_owned(),
        version: "ref 0.1".to_owned(),
        ping: 25,
        pong: true,
        ..schema::ConnectResult::default()
    };
    let reply = protobuf(1, &Reply::Connect(connected));
    assert_eq!(reply.connect, Some(result));
}

/// Goal: they are told how long they may stay, what the application says, and what they are subscribed
/// to.
#[test]
fn connects_are_told_with_all_there_can_be() {
    let sub = Subscribed {
        recoverable: true,
        positioned: true,
        position: Some(position(0)),
        ..Subscribed::default()
    };
    let subs = [("#42", sub), ("\"", Subscribed::default())];
    let connected = Connected {
        expires_s: seconds(300),
        data: Some(said(b"[]")),
        subs: &subs,
        unix_time_ms: Some(1_700_000_000_123),
        ..CONNECTED
    };
    let expected = format!(
        r##"{{"id":1,"connect":{{"client":"{NAME}","version":"ref 0.1","expires":true,"ttl":300,"data":[],"subs":{{"#42":{{"recoverable":true,"epoch":"{EPOCH}","positioned":true}},"\"":{{}}}},"time":1700000000123}}}}"##
    );
    assert_eq!(json(1, &Reply::Connect(connected)), expected);
    let sub = schema::SubscribeResult {
        recoverable: true,
        positioned: true,
        epoch: EPOCH.to_owned(),
        ..schema::SubscribeResult::default()
    };
    let other = schema::SubscribeResult::default();
    let result = schema::ConnectResult {
        client: NAME.to_owned(),
        version: "ref 0.1".to_owned(),
        expires: true,
        ttl: 300,
        data: b"[]".to_vec(),
        subs: [("#42".to_owned(), sub), ("\"".to_owned(), other)].into(),
        time: 1_700_000_000_123,
        ..schema::ConnectResult::default()
    };
    let reply = protobuf(1, &Reply::Connect(connected));
    assert_eq!(reply.connect, Some(result));
}

/// Goal: subscriptions are told how long they last, and from where on.
#[test]
fn subscribes_are_told() {
    let subscribed = Subscribed {
        recoverable: true,
        positioned: true,
        position: Some(position(7)),
        expires_s: seconds(60),
        data: Some(said(b"1")),
        ..Subscribed::default()
    };
    let expected = format!(
        r#"{{"id":2,"subscribe":{{"expires":true,"ttl":60,"recoverable":true,"epoch":"{EPOCH}","offset":7,"positioned":true,"data":1}}}}"#
    );
    assert_eq!(json(2, &Reply::Subscribe(subscribed)), expected);
    let result = schema::SubscribeResult {
        expires: true,
        ttl: 60,
        recoverable: true,
        epoch: EPOCH.to_owned(),
        offset: 7,
        positioned: true,
        data: b"1".to_vec(),
        ..schema::SubscribeResult::default()
    };
    let reply = protobuf(2, &Reply::Subscribe(subscribed));
    assert_eq!(reply.subscribe, Some(result));
}

/// Goal: who comes back is told what was missed, or that it is lost: then nothing of it.
#[test]
fn recoveries_are_told() {
    let (one, two) = ([second()], [second(), second()]);
    for (recovery, count, in_json) in [
        (Recovery::Lost, 0, String::new()),
        (
            Recovery::Recovered(&[]),
            0,
            r#""recovered":true,"#.to_owned(),
        ),
        (
            Recovery::Recovered(&one),
            1,
            format!(r#""publications":[{SECOND}],"recovered":true,"#),
        ),
        (
            Recovery::Recovered(&two),
            2,
            format!(r#""publications":[{SECOND},{SECOND}],"recovered":true,"#),
        ),
    ] {
        let subscribed = Subscribed {
            recoverable: true,
            position: Some(position(1)),
            recovery,
            ..Subscribed::default()
        };
        let expected = format!(
            r#"{{"id":4,"subscribe":{{"recoverable":true,"epoch":"{EPOCH}","offset":1,{in_json}"was_recovering":true}}}}"#
        );
        assert_eq!(json(4, &Reply::Subscribe(subscribed)), expected);
        let result = schema::SubscribeResult {
            recoverable: true,
            epoch: EPOCH.to_owned(),
            offset: 1,
            publications: vec![second_message(); count],
            recovered: matches!(recovery, Recovery::Recovered(_)),
            was_recovering: true,
            ..schema::SubscribeResult::default()
        };
        let reply = protobuf(4, &Reply::Subscribe(subscribed));
        assert_eq!(reply.subscribe, Some(result));
    }
}

/// Goal: what was published is told with its place, and what clients look up is there when it is empty.
#[test]
fn histories_are_told() {
    let none = Reply::History {
        publications: &[],
        top: position(0),
    };
    let expected =
        format!(r#"{{"id":3,"history":{{"publications":[],"epoch":"{EPOCH}","offset":0}}}}"#);
    assert_eq!(json(3, &none), expected);
    let anonymous = Publication {
        data: said(b"1"),
        info: Some(Info::anonymous(CLIENT)),
        offset: Some(Offset::FIRST),
        epoch: None,
    };
    let publications = [anonymous, second()];
    let reply = Reply::History {
        publications: &publications,
        top: position(1 << 53),
    };
    let expected = format!(
        r#"{{"id":3,"history":{{"publications":[{{"data":1,"info":{{"user":"","client":"{NAME}"}},"offset":1}},{SECOND}],"epoch":"{EPOCH}","offset":9007199254740992}}}}"#
    );
    assert_eq!(json(3, &reply), expected);
    let history = protobuf(3, &reply).history.unwrap();
    assert_eq!(history.publications[1], second_message());
    assert_eq!((&*history.epoch, history.offset), (EPOCH, 1 << 53));
}

/// Goal: how long a publication will be in a reply is known beforehand, to a few bytes.
#[test]
fn the_length_of_publications_is_known() {
    let second = second();
    assert_eq!(publication_bytes(Encoding::Json, &second), SECOND.len() + 1);
    let one = Reply::History {
        publications: &[second],
        top: position(1),
    };
    let none = Reply::History {
        publications: &[],
        top: position(1),
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    append_reply(&mut with, Encoding::Protobuf, 1, &one);
    append_reply(&mut without, Encoding::Protobuf, 1, &none);
    let said = publication_bytes(Encoding::Protobuf, &second);
    let taken = with.len() - without.len();
    assert!(taken <= said && said < taken + 16, "{taken} of {said}");
}

/// Goal: members are told under their names, and numbers of them even when they are 0.
#[test]
fn presence_is_told() {
    let other = Uuid::from_u128(1);
    let members = [second().info.unwrap(), Info::anonymous(other)];
    let reply = Reply::Presence(Presence(&members));
    let expected = format!(
        r#"{{"id":5,"presence":{{"presence":{{"{NAME}":{{"user":"42","client":"{NAME}","conn_info":{{"name":"x"}},"chan_info":[1]}},"{other}":{{"user":"","client":"{other}"}}}}}}}}"#
    );
    assert_eq!(json(5, &reply), expected);
    let presence = protobuf(5, &reply).presence.unwrap().presence;
    assert_eq!(presence.len(), 2);
    assert_eq!(Some(&presence[NAME]), second_message().info.as_ref());
    let nobody = Reply::Presence(Presence(&[]));
    assert_eq!(json(5, &nobody), r#"{"id":5,"presence":{"presence":{}}}"#);
    assert!(protobuf(5, &nobody).presence.is_some());

    let stats = |clients, users| Reply::PresenceStats { clients, users };
    let expected = r#"{"id":6,"presence_stats":{"num_clients":0,"num_users":0}}"#;
    assert_eq!(json(6, &stats(0, 0)), expected);
    let result = protobuf(6, &stats(3, 2)).presence_stats.unwrap();
    assert_eq!((result.num_clients, result.num_users), (3, 2));
}

/// Goal: what is left of the replies says what it is to.
#[test]
fn other_results_are_told() {
    let published = Reply::Publish(Some(position(9)));
    let expected = format!(r#"{{"id":1,"publish":{{"epoch":"{EPOCH}","offset":9}}}}"#);
    assert_eq!(json(1, &published), expected);
    let result = protobuf(1, &published).publish.unwrap();
    assert_eq!((&*result.epoch, result.offset), (EPOCH, 9));
    let refreshed = Reply::Refresh {
        client: CLIENT,
        version: "v",
        expires_s: seconds(1),
    };
    let expected = format!(
        r#"{{"id":1,"refresh":{{"client":"{NAME}","version":"v","expires":true,"ttl":1}}}}"#
    );
    assert_eq!(json(1, &refreshed), expected);
    let expected = schema::RefreshResult {
        client: NAME.to_owned(),
        version: "v".to_owned(),
        expires: true,
        ttl: 1,
    };
    assert_eq!(protobuf(1, &refreshed).refresh, Some(expected));
    let refreshed = Reply::SubRefresh {
        expires_s: seconds(2),
    };
    let expected = r#"{"id":1,"sub_refresh":{"expires":true,"ttl":2}}"#;
    assert_eq!(json(1, &refreshed), expected);
    let expiry = schema::Expiry {
        expires: true,
        ttl: 2,
    };
    assert_eq!(protobuf(1, &refreshed).sub_refresh, Some(expiry));
}
