//! Commands one by one: as they were seen, and as they must not be.

use std::borrow::Cow;

use fastrand::Rng;

use super::commands::{all, json};
use super::{schema, sdk};
use crate::message::Form;
use crate::protocol::centrifugo::Encoding;
use crate::protocol::centrifugo::codes::Disconnect;
use crate::protocol::centrifugo::command::{Command, Publish, Request, Since, Subscribe};
use crate::protocol::centrifugo::decode::{commands, read};

/// The only command of a frame of JSON.
fn one(line: &str) -> Command<'_> {
    let [command] = &all(Encoding::Json, line.as_bytes())[..] else {
        panic!("not one command: {line}");
    };
    command
        .clone()
        .unwrap_or_else(|error| panic!("{error:?}: {line}"))
}

/// Goal: commands are read as clients were seen to send them.
#[test]
fn commands_as_seen_are_read() {
    let command = one(r#"{"connect":{"name":"js"},"id":1}"#);
    assert_eq!(command.id, 1);
    let Request::Connect(connect) = command.request else {
        panic!("it is a connect");
    };
    assert_eq!((&*connect.name, connect.data), ("js", None));

    let again = r#"{"subscribe":{"channel":"recovery:x","flag":1,"recover":true,"offset":1,"epoch":"E"},"id":4}"#;
    let Request::Subscribe(subscribe) = one(again).request else {
        panic!("it is a subscribe");
    };
    let since = Since {
        offset: 1,
        epoch: Cow::from("E"),
    };
    assert_eq!(subscribe.recover, Some(since));
    assert_eq!(&*subscribe.channel, "recovery:x");
    assert!(!subscribe.refuse_without_recovery && !subscribe.has_filter);

    // Calls of one SDK are counted from 2^31 on.
    let command = one(r#"{"id":2147483648,"publish":{"channel":"recovery:x","data":{"n":1}}}"#);
    assert_eq!(command.id, 1 << 31);
    let publish = Publish {
        channel: Cow::from("recovery:x"),
        data: json(br#"{"n":1}"#),
        kind: 0,
    };
    assert_eq!(command.request, Request::Publish(publish));
    assert_eq!(one("{}").request, Request::Pong);
    assert_eq!(one(r#"{"id":4294967295,"refresh":{}}"#).id, u32::MAX);
}

/// Goal: the first frame of a client, a connect and its subscribes, is read command by command.
#[test]
fn pipelined_commands_are_read_in_order() {
    let frame = b"{\"connect\":{},\"id\":1}\n{\"subscribe\":{\"channel\":\"a\"},\"id\":2}\n\
                  {\"unsubscribe\":{\"channel\":\"a\"},\"id\":3}\n{\"subscribe\":{\"channel\":\"a\"},\"id\":4}\n";
    let ids: Vec<u32> = all(Encoding::Json, frame)
        .into_iter()
        .map(|command| command.unwrap().id)
        .collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    // 1: connect {}, 2: subscribe { channel: "a" }, a pong.
    let frame = b"\x04\x08\x01\x22\0\x07\x2a\x03\x0a\x01a\x08\x02\0";
    let read: Vec<_> = all(Encoding::Protobuf, frame)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let ids: Vec<u32> = read.iter().map(|command| command.id).collect();
    assert_eq!(ids, [1, 2, 0]);
    assert_eq!(read[2].request, Request::Pong);
}

/// Goal: frames without a command, with half a one, with more than one in a line or with nothing that is
/// known are refused, behind the commands that come before.
#[test]
fn frames_that_make_no_sense_are_refused() {
    for (frame, before) in [
        ("", 0),
        ("\n", 0),
        (" ", 0),
        ("{}\n\n", 1),
        ("{}\n\n{}", 1),
        ("\n{}", 0),
        ("{}{}", 0),
        ("{} x", 0),
        ("hello", 0),
        ("[]", 0),
        ("null", 0),
        ("1", 0),
        ("{\"id\":1", 0),
        ("{\"id\":1}", 0),
        ("{\"id\":1,\"dance\":{}}", 0),
        ("{\"id\":1,\"ping\":{}}", 0),
        ("{\"id\":1,\"connect\":null}", 0),
        ("{\"id\":1,\"connect\":[]}", 0),
        ("{\"id\":1,\"connect\":1}", 0),
        ("{\"id\":-1,\"connect\":{}}", 0),
        ("{\"id\":4294967296,\"connect\":{}}", 0),
        ("{\"id\":1.0,\"connect\":{}}", 0),
        ("{\"id\":\"1\",\"connect\":{}}", 0),
        ("{\"id\":1,\"publish\":{\"channel\":1}}", 0),
        ("{\"id\":1,\"publish\":{\"data\":}}", 0),
        ("{\"id\":1,\"publish\":{\"data\":1 2}}", 0),
        ("{\"id\":1,\"publish\":{\"data\":'a'}}", 0),
        ("{\"id\":1,\"subscribe\":{\"offset\":\"1\"}}", 0),
        ("{\"id\":1,\"subscribe\":{\"recover\":1}}", 0),
        ("{\"id\":1,\"history\":{\"since\":[1]}}", 0),
        ("{}\n{\"id\":2,\"rpc\":{}}\n{\"id\":3,", 2),
    ] {
        let mut read = all(Encoding::Json, frame.as_bytes());
        assert_eq!(read.pop(), Some(Err(Disconnect::BadRequest)), "{frame:?}");
        assert_eq!(read.len(), before, "{frame:?}");
        assert!(read.iter().all(Result::is_ok), "{frame:?}");
    }
    for (frame, before) in [
        (&b""[..], 0),
        (b"\x80", 0),
        (b"\x05\x08\x01", 0),
        (b"\x02\x08\x01", 0),
        (b"\x04\x08\x01\x5a\0", 0),
        (b"\0\x01", 1),
        (b"\x02\x20\x01", 0),
        (b"\x06\x08\x01\x2a\x02\x0a\x01", 0),
        (b"\x06\x08\x01\x2a\x02\x08\x01", 0),
        (b"\x07\x08\x01\x2a\x03\x0a\x01\xff", 0),
    ] {
        let mut read = all(Encoding::Protobuf, frame);
        assert_eq!(read.pop(), Some(Err(Disconnect::BadRequest)), "{frame:x?}");
        assert_eq!(read.len(), before, "{frame:x?}");
    }
    assert_eq!(
        read(Encoding::Protobuf, b"\0\0"),
        Err(Disconnect::BadRequest)
    );
    assert!(all(Encoding::Json, b"{\"id\":1,\"rpc\":{\"method\":\"\xff\"}}")[0].is_err());
}

/// Goal: the first request of the schema counts when there are several; a command without an id and a request is
/// a pong, and one that is to be answered has an id.
#[test]
fn one_request_of_several_counts() {
    for line in [
        r#"{"id":1,"refresh":{},"presence":{"channel":"a"},"rpc":{}}"#,
        r#"{"presence":{"channel":"a"},"sub_refresh":{},"connect":null,"id":1}"#,
    ] {
        let channel = Cow::from("a");
        assert_eq!(one(line).request, Request::Presence { channel });
    }
    for line in [r#"{"publish":{"channel":"a"}}"#, r#"{"id":0,"rpc":{}}"#] {
        let commands = all(Encoding::Json, line.as_bytes());
        assert_eq!(commands, [Err(Disconnect::BadRequest)], "{line}");
    }
    assert_eq!(one(r#"{"id":null}"#).request, Request::Pong);
    let send = Request::Send { data: json(b"7") };
    assert_eq!(one(r#"{"send":{"data":7}}"#).request, send);
    assert_eq!(one(r#"{"id":3,"send":{"data":7}}"#).request, send);
    // refresh {} before presence { channel: "a" }.
    let frame = b"\x09\x08\x01\x72\0\x42\x03\x0a\x01a";
    let [Ok(command)] = &all(Encoding::Protobuf, frame)[..] else {
        panic!("it is one command");
    };
    let channel = Cow::from("a");
    assert_eq!(command.request, Request::Presence { channel });
}

/// Goal: what is null is left out, but for data, which may say so.
#[test]
fn null_says_nothing_but_as_data() {
    let line = r#"{"id":1,"subscribe":{"channel":"a","token":null,"recover":null,"offset":null,"epoch":null,
                  "flag":null,"type":null,"tf":null,"data":null}}"#;
    let line = line.replace('\n', "");
    let Request::Subscribe(subscribe) = one(&line).request else {
        panic!("it is a subscribe");
    };
    let expected = Subscribe {
        channel: Cow::from("a"),
        data: json(b"null"),
        ..Subscribe::default()
    };
    assert_eq!(*subscribe, expected);
    let line = r#"{"id":1,"connect":{"subs":{"a":null,"b":{}},"headers":null,"data":{}}}"#;
    let Request::Connect(connect) = one(line).request else {
        panic!("it is a connect");
    };
    let channels: Vec<_> = connect.subs.iter().map(|sub| &*sub.channel).collect();
    assert_eq!(channels, ["a", "b"]);
}

/// Goal: data is one value, verbatim, in one line, and of no depth that others can't read.
#[test]
fn data_is_one_value() {
    let publish = |data: &str| format!(r#"{{"id":1,"publish":{{"channel":"a","data": {data} }}}}"#);
    let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for data in [
        r#"{ "push" : {} }"#,
        r#""}}\n{\"push\":{}}""#,
        "1e400",
        &nested(120),
    ] {
        let line = publish(data);
        let Request::Publish(publish) = one(&line).request else {
            panic!("it is a publish");
        };
        assert_eq!(publish.data, json(data.as_bytes()));
    }
    for data in [
        "",
        "1,2",
        "{}}",
        "\"\t\"",
        "\u{feff}1",
        "undefined",
        &nested(121),
    ] {
        let line = publish(data);
        let read = all(Encoding::Json, line.as_bytes());
        assert_eq!(read, [Err(Disconnect::BadRequest)], "{data}");
    }
    // Only somebody who has not split the frame could get here.
    let line = publish("[\n{\"push\":{}}\n]");
    let Ok(Command {
        request: Request::Publish(publish),
        ..
    }) = read(Encoding::Json, line.as_bytes())
    else {
        panic!("it is a publish");
    };
    assert_eq!(publish.data.unwrap().form, Form::Text);
}

/// Goal: each command is held to the limit, wherever it stands in its frame, and unknown fields of any
/// depth within it do no harm.
#[test]
fn commands_have_a_limit() {
    let line = r#"{"id":1,"rpc":{}}"#;
    let frame = format!("{line}\n{line}\n");
    let count = |max| {
        commands(Encoding::Json, frame.as_bytes(), max)
            .filter(Result::is_ok)
            .count()
    };
    assert_eq!(count(line.len()), 2);
    assert_eq!(count(line.len() - 1), 0);
    let frame = b"\x04\x08\x01\x6a\0\x05\x08\x80\x01\x6a\0";
    let count = |max| {
        commands(Encoding::Protobuf, frame, max)
            .filter(Result::is_ok)
            .count()
    };
    assert_eq!((count(5), count(4), count(3)), (2, 1, 0));
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    let line = format!(r#"{{"later":{deep},"id":1,"rpc":{{"later":{deep}}}}}"#);
    assert_eq!(
        commands(Encoding::Json, line.as_bytes(), line.len()).count(),
        1
    );
    assert_eq!(
        commands(Encoding::Json, line.as_bytes(), line.len())
            .filter(Result::is_ok)
            .count(),
        1
    );
}

/// Goal: data of a Protobuf client is known as JSON if it is, and otherwise as bytes.
#[test]
fn data_in_protobuf_is_looked_into() {
    let publish = |data: &[u8]| {
        let command = schema::Command {
            id: 1,
            publish: Some(schema::PublishRequest {
                channel: "a".to_owned(),
                data: data.to_vec(),
                ..schema::PublishRequest::default()
            }),
            ..schema::Command::default()
        };
        sdk::protobuf(&[command], &mut Rng::with_seed(1))
    };
    for (data, form) in [
        (&b"{}"[..], Some(Form::Json)),
        (b"[\n]", Some(Form::Text)),
        (b"\xff", Some(Form::Binary)),
        (b"text", Some(Form::Binary)),
        (b"", None),
    ] {
        let frame = publish(data);
        let [
            Ok(Command {
                request: Request::Publish(publish),
                ..
            }),
        ] = &all(Encoding::Protobuf, &frame)[..]
        else {
            panic!("it is a publish");
        };
        assert_eq!(publish.data.map(|payload| payload.form), form);
        assert_eq!(publish.data.map_or(&b""[..], |payload| payload.bytes), data);
    }
}
