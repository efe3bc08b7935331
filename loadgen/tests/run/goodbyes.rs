//! How sessions end: what the server hears.

use crate::program::{LOAD, run};
use crate::server::{Fault, Server};

/// What the server heard from the member it closed with this code, and from all others.
fn heard(code: Option<u16>) -> Vec<u16> {
    let server = Server::start(Fault::Close(30, code));
    let run = run(server.address, &LOAD);
    assert_eq!(run.code, 3, "{}", run.text);
    let mut goodbyes = server.goodbyes();
    goodbyes.sort_unstable();
    goodbyes
}

/// Goal: a session that the server closes is answered with the same code, or without one, so that the server does not
/// see a connection that broke; all others end with 1000.
#[test]
fn closes_are_answered_with_their_code() {
    assert_eq!(heard(Some(4001)), [vec![1000; 21], vec![4001]].concat());
    assert_eq!(heard(None), [vec![1000; 21], vec![1005]].concat());
}
