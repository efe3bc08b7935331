//! What a client waits for, and in which order it comes.

use std::sync::Arc;

use super::reading::LOOK_TICKS;
use super::{
    About, Asking, By, Client, Identity, Protocol, Said, Stage, Subscription, Tick, Took, Waiting,
};
use crate::id::MembershipId;
use crate::room::home::Visible;

/// How long a pong is waited for.
const PONG: u32 = 80;

fn new() -> Client {
    Client::new(Protocol::Json, Tick(100))
}

fn connected() -> Client {
    let mut client = new();
    let about = About::new("42", b"", b"").expect("it is short");
    client.connect(Identity {
        about: Arc::new(about),
        grants: 0,
        ends: None,
    });
    client.connected(Tick(200));
    client
}

/// Goal: a client takes little memory while nothing goes on, and holds none.
#[test]
fn an_idle_client_is_small() {
    assert!(size_of::<Client>() <= 128, "{}", size_of::<Client>());
    assert_eq!(connected().held_bytes(), 0);
}

/// Goal: a client says once who it is, and has a deadline until then and when it was refused.
#[test]
fn a_client_says_who_it_is() {
    let mut client = new();
    assert_eq!(client.next_due(PONG), Some(Tick(100)));
    assert!(client.about().is_none());
    client.refuse(Tick(150));
    assert_eq!(client.stage(), Stage::Refused(Tick(150)));
    assert_eq!(client.next_due(PONG), Some(Tick(150)));
    let client = connected();
    assert_eq!(client.stage(), Stage::Connected);
    assert!(client.about().is_some());
    assert_eq!(client.next_due(PONG), Some(Tick(200)));
}

/// Goal: commands wait while one is under way, and behind those that wait; they are given out once it is done.
#[test]
fn commands_wait_for_one_another() {
    let mut client = connected();
    assert!(!client.is_holding() && client.take_held().is_none());
    client.wait(Waiting::Ask(Asking { id: 7 }));
    assert!(client.is_holding());
    for command in [&b"one"[..], b"two"] {
        let at = Tick(120);
        client.hold(Said { command, at });
    }
    assert!(client.take_held().is_none(), "one is under way");
    assert!(matches!(
        client.take_waiting(),
        Some(Waiting::Ask(Asking { id: 7 }))
    ));
    assert!(client.is_holding(), "those that wait come first");
    let mut held = client.take_held().expect("two wait");
    held.pop();
    client.return_held(held);
    let mut held = client.take_held().expect("one waits");
    let first = held.first().map(|said| said.command);
    assert_eq!(first, Some(&b"two"[..]));
    held.pop();
    client.return_held(held);
    assert!(!client.is_holding() && !client.is_full());
    assert_eq!(client.held_bytes(), 0);
}

/// Goal: whatever comes first is due first: a ping, its answer, the end of the connection, a message that was put
/// off, a socket that takes nothing.
#[test]
fn what_comes_first_is_due_first() {
    let mut client = connected();
    client.ping(0, Tick(200), 250);
    assert_eq!(client.next_due(PONG), Some(Tick(280)));
    client.prolong(Some(Tick(270)));
    assert_eq!(client.next_due(PONG), Some(Tick(270)));
    client.put_off(b"publish", Tick(240));
    assert_eq!(client.next_due(PONG), Some(Tick(240)));
    assert!(!client.has_published_all());
    client.take_put_off();
    let (command, at) = (&b"publish"[..], Tick(190));
    client.hold(Said { command, at });
    assert_eq!(client.next_due(PONG), Some(Tick(231)));
    assert!(client.take_late(Tick(230), |_| Some(7)).is_empty());
    assert_eq!(client.take_late(Tick(231), |_| Some(7)), [7]);
    assert!(!client.is_holding());
    client.prolong(None);
    client.pong(Tick(205));
    assert_eq!(client.next_due(PONG), Some(Tick(450)), "the next ping");
    client.blocked(Took::Nothing, Tick(210));
    client.blocked(Took::Nothing, Tick(220));
    let look = Tick(210 + LOOK_TICKS);
    assert_eq!(client.next_due(PONG), Some(look), "it is stuck");
    client.pong(Tick(225));
    client.look_again(look, 10);
    assert_eq!(client.next_due(PONG), Some(Tick(look.0 + 10)));
    client.drained(Tick(280));
    assert_eq!(client.next_due(PONG), Some(Tick(450)));
    assert!(client.has_published_all());
}

/// Goal: a client that takes bytes comes closer to its ping, and has its time for the answer again; one that takes
/// nothing has not.
#[test]
fn whoever_takes_bytes_has_time_to_answer() {
    let mut client = connected();
    client.ping(0, Tick(200), 250);
    client.blocked(Took::Nothing, Tick(210));
    assert_eq!(client.pulse().owed_since(), Some(Tick(200)));
    assert_eq!(client.stuck_since(), Some(Tick(210)));
    client.blocked(Took::Some, Tick(220));
    assert_eq!(client.pulse().owed_since(), Some(Tick(220)));
    assert_eq!(client.stuck_since(), Some(Tick(220)));
    client.drained(Tick(230));
    assert_eq!(client.pulse().owed_since(), Some(Tick(230)));
    assert_eq!(client.stuck_since(), None);
    client.drained(Tick(240));
    assert_eq!(client.pulse().owed_since(), Some(Tick(230)));
}

/// Goal: a client that fell behind has to cool before it comes to the room again, and to no other.
#[test]
fn a_client_that_fell_behind_cools() {
    let mut client = connected();
    assert!(!client.has_to_cool("room", Tick(0)));
    client.fell_behind(&"room".into(), Tick(10));
    assert!(client.has_to_cool("room", Tick(1000)) && !client.has_to_cool("other", Tick(10)));
    client.drained(Tick(1000));
    assert!(client.has_to_cool("room", Tick(1004)));
    assert!(!client.has_to_cool("room", Tick(1005)));
}

/// Goal: a client that is called otherwise is so in all its rooms but those that have words of their own for it.
#[test]
fn a_client_may_be_called_otherwise() {
    let about = |user: &str| Arc::new(About::new(user, b"", b"").expect("it is short"));
    let user = |about: Option<&Arc<About>>| {
        let about = about.expect("it has said who it is");
        about.info(uuid::Uuid::nil()).user.to_owned()
    };
    let mut client = connected();
    let first = Arc::clone(client.about().expect("it is known"));
    let [one, two] = [0, 1].map(MembershipId::new);
    let subscription = |about| Subscription::new(By::Client, about, Visible::Yes, None);
    client.subscribe(one, subscription(first));
    client.subscribe(two, subscription(about("own")));
    client.call(about("43"));
    assert_eq!(user(client.about()), "43");
    assert_eq!(user(client.about_in(one)), "43");
    assert_eq!(user(client.about_in(two)), "own");
}
