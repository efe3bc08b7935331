//! A bare relay: a frame that arrives is unmasked and sent to the room's others, or back in `/echo`.
//!
//! There is no log, no cursor, no order of rooms, no deadline, no check of text and no setting: what this costs a
//! message, any server pays that is driven in the same way. So it comes in several forms, and which of them is
//! the cheapest is found by measuring them.

mod on_epoll;
mod on_ring;
mod peer;
mod relay;

use std::process::ExitCode;
use std::str::FromStr;

use fanring::ring::TaskRun;

use self::on_epoll::Sending;

/// As in Fanring.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How it is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A ring for everything: multishot accepts and receives, quiet sends, one system call a turn.
    Ring(TaskRun),
    /// epoll(7) and recv(2), and each message is sent as the variant says.
    Epoll(Sending),
}

impl FromStr for Form {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "multishot" => Ok(Self::Ring(TaskRun::Deferred)),
            "cooptask" => Ok(Self::Ring(TaskRun::Cooperative)),
            "epoll" => Ok(Self::Epoll(Sending::Call)),
            "epoll-ring" => Ok(Self::Epoll(Sending::Ring)),
            _ => Err(()),
        }
    }
}

fn main() -> ExitCode {
    let known = &["--listen ADDR", "--form FORM"];
    bench_common::run(env!("CARGO_PKG_NAME"), known, |flags| {
        let forms = "multishot, cooptask, epoll or epoll-ring";
        let form = flags.value("--form", forms, Form::Ring(TaskRun::Deferred))?;
        let listener = bench_common::listen(flags.listen(9007)?)?;
        match form {
            Form::Ring(task_run) => on_ring::run(listener, task_run),
            Form::Epoll(sending) => on_epoll::run(listener, sending),
        }
    })
}
