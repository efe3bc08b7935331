//! What a session of Centrifugo's protocol says and makes of what it hears, in both encodings.

use fanring::wire::message::Kind;

use super::asked::Subscribe;
use super::*;
use crate::protocol::envelope::Around;
use crate::protocol::seam::{Notice, Place, Position, Return};
use crate::protocol::testing::{self, Back, Ear, wishes};

fn talk(chosen: &[(&'static str, &str)]) -> Box<dyn Speaker> {
    testing::talk(&ENTRY, chosen)
}

fn hear(talk: &mut dyn Speaker, ear: &mut Ear, text: &str) -> Result<(), String> {
    talk.received(0, Kind::Text, text.as_bytes(), ear)
}

/// Goal: a session connects with its token, then subscribes, and is ready when both are answered; pings are answered
/// from then on, several in a frame each.
#[test]
fn sessions_connect_and_subscribe() {
    let chosen = [("token", "t{i}"), ("channel-token", "c{room}")];
    let (mut talk, mut ear) = (talk(&chosen), Ear::default());
    talk.opened(0, &mut ear);
    assert!(talk.waits_for().unwrap().contains("connect command"));
    hear(&mut *talk, &mut ear, "{}").unwrap();
    hear(
        &mut *talk,
        &mut ear,
        "{\"id\":1,\"connect\":{\"pong\":true}}",
    )
    .unwrap();
    assert!(talk.waits_for().unwrap().contains("subscribe command"));
    hear(&mut *talk, &mut ear, "{\"id\":2,\"subscribe\":{}}\n{}\n{}").unwrap();
    assert_eq!(talk.waits_for(), None);
    assert_eq!(
        ear.texts(),
        [
            "{\"id\":1,\"connect\":{\"name\":\"fanload\",\"token\":\"t7\"}}",
            "{\"id\":2,\"subscribe\":{\"channel\":\"room-3\",\"token\":\"c3\"}}",
            "{}",
            "{}"
        ],
        "no pong before one was asked for"
    );
}

/// Goal: publishes are numbered, publications of a frame are handed on one by one, and each answer is told as that of
/// its publish: that it was taken, or why it was refused.
#[test]
fn publishes_are_acknowledged() {
    let chosen = [("publish", "{\"text\":\"{payload}\",\"by\":{i}}")];
    let (mut talk, mut ear) = (talk(&chosen), Ear::default());
    let mut out = Vec::new();
    for _ in 0..2 {
        out.clear();
        assert_eq!(talk.wrap(b"FNLD", &mut out), Kind::Text);
    }
    let sent =
        "{\"id\":4,\"publish\":{\"channel\":\"room-3\",\"data\":{\"text\":\"FNLD\",\"by\":7}}}";
    assert_eq!(String::from_utf8(out).unwrap(), sent);
    let push =
        |text| format!("{{\"push\":{{\"channel\":\"room-3\",\"{text}\":{{\"data\":\"FNLD\"}}}}}}");
    let frame = ["pub", "pub", "message", "join", "leave"]
        .map(push)
        .join("\n");
    hear(&mut *talk, &mut ear, &frame).unwrap();
    let places: Vec<_> = ear.payloads.iter().map(|(_, place)| *place).collect();
    assert_eq!(places, [Place::Within, Place::Within, Place::Nowhere]);
    assert_eq!(ear.notices, [Notice::Joined, Notice::Left]);
    let refused = "{\"id\":4,\"error\":{\"code\":111,\"message\":\"too many requests\"}}";
    for answer in [
        refused,
        "{\"id\":3,\"publish\":{}}",
        "{\"id\":5,\"publish\":{}}",
    ] {
        hear(&mut *talk, &mut ear, answer).unwrap();
    }
    let why = "the server refused to publish: 111 too many requests".to_owned();
    assert_eq!(
        ear.answers,
        [(1, Err(why)), (0, Ok(()))],
        "nobody has sent a third"
    );
}

/// Goal: publishes keep their numbers when those of the commands begin anew.
#[test]
fn numbers_begin_anew() {
    let mut talk = Talk {
        encoding: Encoding::Json,
        phase: Phase::Ready,
        connect: Vec::new(),
        channel: Vec::new(),
        channel_token: None,
        wants_notices: false,
        offsets: Offsets::Ignored,
        usual: Vec::new(),
        data: Around::default(),
        wants_pong: false,
        position: None,
        is_back: false,
        last_id: u32::MAX - 2,
        published: 1_000,
    };
    for _ in 0..4 {
        talk.wrap(b"FNLD", &mut Vec::new());
    }
    let ids = [
        u32::MAX - 2,
        u32::MAX,
        SUBSCRIBE_ID + 1,
        SUBSCRIBE_ID + 2,
        SUBSCRIBE_ID,
    ];
    let numbers = ids.map(|id| talk.published_by(id));
    assert_eq!(
        numbers,
        [Some(999), Some(1_001), Some(1_002), Some(1_003), None]
    );
}

/// Goal: the same in Protobuf, in binary messages and with its subprotocol.
#[test]
fn protobuf_is_spoken() {
    let made = make(&wishes(&ENTRY, &[("encoding", "protobuf")])).unwrap();
    assert_eq!(made.offer().subprotocols, ["centrifuge-protobuf"]);
    assert_eq!(made.arrives_as(), Some(Kind::Binary));
    let (mut talk, mut ear) = (made.speaker(&Who::default()), Ear::default());
    talk.opened(0, &mut ear);
    for message in [
        &b"\x06\x08\x01\x2a\x02\x40\x01"[..],
        b"\x04\x08\x02\x32\x00\x00",
        b"\x0e\x22\x0c\x12\x06room-0\x22\x02\x22\x00",
    ] {
        talk.received(0, Kind::Binary, message, &mut ear).unwrap();
    }
    assert_eq!(talk.waits_for(), None);
    let said = [
        protobuf::connect(1, None),
        protobuf::subscribe(2, &Subscribe::to(b"room-0")),
        vec![0],
    ];
    assert_eq!(ear.said, said.map(|bytes| (Kind::Binary, bytes)));
    assert_eq!(ear.payloads, [(Vec::new(), Place::Within)]);
    let mut out = Vec::new();
    assert_eq!(talk.wrap(b"FNLD", &mut out), Kind::Binary);
    assert!(out.ends_with(b"\x12\x06\"FNLD\""));
}

/// Goal: refusals end the session with what the server said, and choices that can't be meant are refused before.
#[test]
fn refusals_are_told() {
    let (mut talk, mut ear) = (self::talk(&[]), Ear::default());
    for (message, told) in [
        (
            "{\"id\":1,\"error\":{\"code\":109,\"message\":\"token expired\"}}",
            "refused to connect: 109 token expired",
        ),
        (
            "{\"id\":2,\"error\":{\"code\":103,\"message\":\"permission denied\"}}",
            "refused the channel: 103 permission denied",
        ),
        (
            "{\"push\":{\"channel\":\"room-3\",\"unsubscribe\":{\"code\":2500,\"reason\":\"lag\"}}}",
            "took the channel away: 2500 lag",
        ),
        ("nonsense", "not a reply in JSON"),
    ] {
        let error = hear(&mut *talk, &mut ear, message).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
    let mut recovering = self::talk(&[("recover", "yes")]);
    let plain = "{\"id\":2,\"subscribe\":{}}";
    hear(&mut *talk, &mut ear, plain).unwrap();
    let error = hear(&mut *recovering, &mut ear, plain).unwrap_err();
    assert!(error.contains("allow recovery there"), "{error}");
    for chosen in [("encoding", "xml"), ("publish", "1"), ("join-leave", "1")] {
        let error = make(&wishes(&ENTRY, &[chosen])).unwrap_err();
        assert!(format!("{error:#}").contains(chosen.0), "{error:#}");
    }
}

/// The texts of a server with history, in JSON; `recovered` is what it says of that.
fn subscribed(recovered: &str, publications: &str) -> String {
    format!(
        "{{\"id\":2,\"subscribe\":{{\"recoverable\":true,\"positioned\":true,\"epoch\":\"E\",\"offset\":7,\
         \"was_recovering\":true{recovered}{publications}}}}}"
    )
}

/// Goal: a session that comes back says where it stood, hears whether it is given what it missed before it gets that, and
/// stands behind it afterwards: after what came in the answer, in pushes, and in a row.
#[test]
fn sessions_come_back_to_where_they_stood() {
    let chosen = [("recover", "yes")];
    let (mut talk, mut ear) = (talk(&chosen), Ear::default());
    talk.opened(0, &mut ear);
    hear(&mut *talk, &mut ear, "{\"id\":1,\"connect\":{}}").unwrap();
    let ask = "{\"id\":2,\"subscribe\":{\"channel\":\"room-3\",\"positioned\":true,\"recoverable\":true}}";
    assert_eq!(ear.texts().pop().unwrap(), ask);
    let first = "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"epoch\":\"E\",\"offset\":5}}";
    hear(&mut *talk, &mut ear, first).unwrap();
    let push = "{\"push\":{\"channel\":\"room-3\",\"pub\":{\"data\":\"FNLD\",\"offset\":7}}}";
    hear(&mut *talk, &mut ear, push).unwrap();
    let position = Position {
        epoch: b"E".to_vec(),
        offset: 7,
    };
    assert_eq!(
        (talk.position(), ear.backs.len()),
        (Some(position.clone()), 0)
    );
    for (recovered, publications, how, offset, payloads) in [
        (
            ",\"recovered\":true",
            ",\"publications\":[{\"data\":\"FNLD\",\"offset\":8},{\"data\":\"FNLD\",\"offset\":9}]",
            Return::Recovered,
            9,
            1,
        ),
        (",\"recovered\":true", "", Return::Recovered, 7, 0),
        ("", "", Return::Refused, 7, 0),
    ] {
        let (mut talk, mut ear) = (self::talk(&chosen), Ear::default());
        talk.resumes(&position);
        talk.opened(0, &mut ear);
        hear(&mut *talk, &mut ear, "{\"id\":1,\"connect\":{}}").unwrap();
        let asked = ear.texts().pop().unwrap();
        assert!(
            asked.ends_with(",\"recover\":true,\"offset\":7,\"epoch\":\"E\"}}"),
            "{asked}"
        );
        assert_eq!(
            (talk.position(), ear.backs.as_slice()),
            (Some(position.clone()), &[Back::Asks][..])
        );
        hear(&mut *talk, &mut ear, &subscribed(recovered, publications)).unwrap();
        assert_eq!(ear.backs, [Back::Asks, Back::Came(how)]);
        assert_eq!(
            (talk.position().unwrap().offset, ear.payloads.len()),
            (offset, payloads)
        );
        hear(&mut *talk, &mut ear, &push.replace("7}", "10}")).unwrap();
        assert_eq!(talk.position().unwrap().offset, 10);
    }
}

/// Goal: a channel that is taken away for a while is asked for again at once, with the position; an error that says that
/// this can't be had is a refusal, after which the channel is asked for without it.
#[test]
fn channels_are_asked_for_again() {
    let (mut talk, mut ear) = (talk(&[("recover", "yes")]), Ear::default());
    for message in [
        "{\"id\":1,\"connect\":{}}",
        "{\"id\":2,\"subscribe\":{\"recoverable\":true,\"epoch\":\"E\"}}",
        "{\"push\":{\"channel\":\"room-3\",\"unsubscribe\":{\"code\":2500,\"reason\":\"lag\"}}}",
    ] {
        hear(&mut *talk, &mut ear, message).unwrap();
    }
    assert_eq!(talk.waits_for(), None, "it is no other session");
    let asked = ear.texts().pop().unwrap();
    assert!(
        asked.contains("\"recover\":true,\"offset\":0,\"epoch\":\"E\""),
        "{asked}"
    );
    let unrecoverable =
        "{\"id\":2,\"error\":{\"code\":112,\"message\":\"unrecoverable position\"}}";
    hear(&mut *talk, &mut ear, unrecoverable).unwrap();
    assert_eq!(ear.backs, [Back::Asks, Back::Came(Return::Refused)]);
    assert!(
        !ear.texts().pop().unwrap().contains("recover\":"),
        "{:?}",
        ear.texts()
    );
    let gone =
        "{\"push\":{\"channel\":\"room-3\",\"unsubscribe\":{\"code\":2000,\"reason\":\"out\"}}}";
    assert!(
        hear(&mut *talk, &mut ear, gone)
            .unwrap_err()
            .contains("2000 out")
    );
}

/// Goal: the same in Protobuf.
#[test]
fn sessions_come_back_in_protobuf() {
    let chosen = [("recover", "yes"), ("encoding", "protobuf")];
    let (mut talk, mut ear) = (talk(&chosen), Ear::default());
    talk.resumes(&Position {
        epoch: b"E".to_vec(),
        offset: 300,
    });
    // Connected; then subscribed: recoverable, epoch E, two publications (301, 302), recovered, offset 300.
    for message in [
        &b"\x04\x08\x01\x2a\x00"[..],
        b"\x24\x08\x02\x32\x20\x18\x01\x32\x01E\x3a\x09\x22\x04FNLD\x30\xad\x02\x3a\x09\x22\x04FNLD\x30\xae\x02\x40\x01\x48\xac\x02",
    ] {
        talk.received(0, Kind::Binary, message, &mut ear).unwrap();
    }
    let asked = ear.said.pop().unwrap().1;
    let fields = b"\x18\x01\x32\x01E\x38\xac\x02\x48\x01\x50\x01";
    assert!(asked.ends_with(fields), "{asked:?}");
    assert_eq!(ear.backs, [Back::Asks, Back::Came(Return::Recovered)]);
    assert_eq!(ear.payloads.len(), 2);
    assert_eq!(talk.position().unwrap().offset, 302);
}
