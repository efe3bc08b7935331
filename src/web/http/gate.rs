//! What of a connection's bytes hyper gets to see: whole request heads that are the web thread's to
//! answer.
//!
//! A reverse proxy keeps connections open and sends whatever comes next on them: an upgrade, something
//! malformed, no HTTP at all. A shard answers those, as it does on a new connection, so that there is one
//! answer to a request whichever way it comes. The gate therefore holds a head back until it is whole
//! and asks the same question that the shard would.

use std::sync::Arc;

use hyper::Uri;

use crate::config::Config;
use crate::wire::handshake::{self, Origins, Policy, Route};
use crate::wire::http::{self, Refusal};

/// The longest target hyper takes.
const URI_BYTES_MAX: usize = 65_534;

/// What the operator decided about upgrades.
pub(crate) fn policy(config: &Config) -> Policy<'_> {
    Policy {
        allow_origin: &config.allow_origin,
        subprotocols: &config.subprotocols,
        echo: config.echo,
        client_origins: (!config.chat.is_playground()).then_some(&config.chat as &dyn Origins),
        listen: &config.listen,
    }
}

/// Refuses a connection's first request, as a shard hands it over, for what the shard can't tell and hyper
/// would answer without a word: a target that is no URI.
pub(super) fn check_first(request: &[u8]) -> Result<(), Refusal> {
    match http::parse_head(request) {
        Ok(head) => check_target(head.target),
        Err(_) => Ok(()),
    }
}

fn check_target(target: &str) -> Result<(), Refusal> {
    if target.len() > URI_BYTES_MAX {
        let sentence =
            format!("The request's target is over {URI_BYTES_MAX} bytes: send a shorter one.");
        return Err(Refusal::new(414, sentence));
    }
    match target.parse::<Uri>() {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::new(
            400,
            "The request's target is no URI: percent-encode what it may not have.",
        )),
    }
}

/// Bytes on their way to hyper.
#[derive(Debug)]
pub(super) struct Gate {
    config: Arc<Config>,
    /// Read and not passed on.
    held: Vec<u8>,
    /// How many of them may pass.
    passing: usize,
    /// How many of them were searched for the end of a head.
    scanned: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next head comes from a shard, which is not to have it back: a connection must not go to and
    /// fro.
    Sent,
    /// Each head is judged.
    Closed,
    /// All bytes pass: a body follows, whose end only hyper can tell. The connection ends after it.
    Open,
    /// What is held is a shard's.
    Left,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// Pass on some of these bytes, and say how many by [`Gate::pass`].
    Pass(&'a [u8]),
    /// Read more, and [`Gate::hold`] it.
    Read,
    /// Give the connection and [`Gate::into_held`] to a shard.
    Leave,
}

impl Gate {
    /// Starts with what a shard has read, whose first head it is not to have back.
    pub(super) fn new(config: Arc<Config>, sent: Vec<u8>) -> Self {
        Self {
            config,
            state: if sent.is_empty() {
                State::Closed
            } else {
                State::Sent
            },
            held: sent,
            passing: 0,
            scanned: 0,
        }
    }

    /// Bytes that were read.
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Whether bytes need not be held any more.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether a request has begun and is not passed on yet.
    pub(super) fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// What was read and not passed on.
    pub(super) fn into_held(self) -> Vec<u8> {
        self.held
    }

    /// What is to be done next.
    pub(super) fn next(&mut self) -> Next<'_> {
        if self.passing == 0 {
            self.judge();
        }
        match (self.state, self.passing) {
            (State::Left, _) => Next::Leave,
            (_, 0) => Next::Read,
            (_, passing) => Next::Pass(&self.held[..passing]),
        }
    }

    /// So many bytes were passed on.
    pub(super) fn pass(&mut self, count: usize) {
        self.passing -= count;
        self.held.drain(..count);
        if self.held.is_empty() {
            // Idle connections are most of them.
            self.held = Vec::new();
        }
    }

    /// Lets pass what may of the bytes held, as far as they tell.
    fn judge(&mut self) {
        match self.state {
            State::Open => self.passing = self.held.len(),
            State::Left => {}
            State::Sent | State::Closed => self.judge_head(),
        }
    }

    fn judge_head(&mut self) {
        let found = http::find_head(&self.held, self.scanned, self.config.head_bytes_max);
        self.scanned = self.held.len();
        let head = match found {
            Ok(None) => return,
            Ok(Some(end)) => http::parse_head(&self.held[..end]),
            Err(error) => Err(error),
        };
        let passing = head.ok().filter(|head| {
            self.state == State::Sent
                || (check_target(head.target).is_ok()
                    && handshake::route(head, &policy(&self.config)) == Route::Web)
        });
        let Some(head) = passing else {
            self.state = State::Left;
            return;
        };
        self.state = if head.has_body() {
            State::Open
        } else {
            State::Closed
        };
        (self.passing, self.scanned) = (head.bytes, 0);
        hide_upgrade(&mut self.held[..self.passing]);
    }
}

/// Writes over the name of each `Upgrade` field, which a server may ignore (RFC 9110 section 7.8). hyper would
/// keep the connection for a protocol that nobody here speaks, and lose the last answer: it gives such a
/// connection back before all is sent.
fn hide_upgrade(head: &mut [u8]) {
    const NAME: &[u8] = b"upgrade:";
    const HIDDEN: &[u8] = b"ignored:";
    for line in head.split_inclusive_mut(|&byte| byte == b'\n') {
        if let Some(name) = line.get_mut(..NAME.len())
            && name.eq_ignore_ascii_case(NAME)
        {
            name.copy_from_slice(HIDDEN);
        }
    }
}

#[cfg(test)]
mod tests;
