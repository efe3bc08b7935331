//! What all trials on the loopback interface have in common: how long one may take, waiting for an
//! answer, and what is said of a call that gave none.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

use crate::ring::{Completion, Op, Ring, Token};

/// How long a trial may take.
pub(super) const TRIAL_MAX: Duration = Duration::from_secs(2);

/// Waits for one answer of a kind.
pub(super) fn answer(ring: &mut Ring, op: Op) -> io::Result<Completion> {
    let patience = Token::new(Op::Timer, 0, u32::from(op as u8));
    ring.timeout(TRIAL_MAX, patience);
    let mut completions = Vec::new();
    loop {
        ring.submit_and_wait(1)?;
        ring.reap(&mut completions);
        for completion in completions.drain(..) {
            if completion.token.op == op {
                return Ok(completion);
            }
            // One of an earlier question may run out amid this one.
            if completion.token == patience {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("{op:?}: no answer"),
                ));
            }
        }
    }
}

/// The error of a call that should have given something.
pub(super) fn failed<T>(call: &str, result: Result<T, Errno>) -> io::Error {
    let cause = result
        .err()
        .map_or_else(|| "no result".to_owned(), |errno| errno.to_string());
    io::Error::other(format!("{call}: {cause}"))
}
