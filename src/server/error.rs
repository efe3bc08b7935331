//! Why the server could not start, or had to end, and what to do about it.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use thiserror::Error;

use crate::auth::settings::KeyError;
use crate::process::Limit;
use crate::ring::SetupError;
use crate::web::WebError;

/// Why the server could not start, or had to end.
#[derive(Debug, Error)]
pub enum ServerError {
    /// An address could not be listened on.
    #[error("can't listen on {address}: {cause}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        cause: io::Error,
    },
    /// No descriptor is left: those that were open at the start count too.
    #[error(
        "no file descriptor is left (limit: {limit}): raise it with `ulimit -n` or LimitNOFILE=, \
         or leave fewer open to the server"
    )]
    Descriptors {
        /// The limit that holds.
        limit: Limit,
    },
    /// A key of tokens is none.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A ring could not be set up.
    #[error(transparent)]
    Ring(#[from] SetupError),
    /// A thread, a log or a doorbell could not be made.
    #[error(
        "can't start: {0}; give the server more memory or descriptors, or a smaller --log-bytes"
    )]
    Resources(io::Error),
    /// The static folder can't be opened.
    #[error("can't serve files: {0}; check --static")]
    Folder(io::Error),
    /// The web thread's runtime can't be had, or has failed.
    #[error("can't serve HTTP: {0}; give the server more memory or descriptors")]
    Http(io::Error),
    /// A ring was of no more use.
    #[error("a shard has failed: {0}; `fanring doctor` shows what this machine allows")]
    Shard(io::Error),
    /// A thread has ended when it should not have.
    #[error("a thread has failed; the lines above say why")]
    Thread,
}

// Not derived: what is part of the sentence must not be its source too, and so be told twice.
impl From<io::Error> for ServerError {
    fn from(cause: io::Error) -> Self {
        Self::because(cause, Self::Resources)
    }
}

impl ServerError {
    /// `otherwise`, unless the cause is one whose fix is always the same.
    pub(super) fn because(cause: io::Error, otherwise: impl FnOnce(io::Error) -> Self) -> Self {
        match Errno::from_io_error(&cause) {
            Some(Errno::MFILE | Errno::NFILE) => Self::Descriptors {
                limit: Limit::of_descriptors(),
            },
            _ => otherwise(cause),
        }
    }
}

impl From<WebError> for ServerError {
    fn from(error: WebError) -> Self {
        match error {
            WebError::Folder(cause) => Self::because(cause, Self::Folder),
            WebError::Runtime(cause) => Self::because(cause, Self::Http),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: with its causes, as the command prints it, an error says nothing twice.
    #[test]
    fn errors_say_their_cause_once() {
        let cause = || io::Error::from_raw_os_error(12);
        let address = SocketAddr::from(([127, 0, 0, 1], 9001));
        let errors = [
            ServerError::from(cause()),
            ServerError::Shard(cause()),
            ServerError::Folder(cause()),
            ServerError::Http(cause()),
            ServerError::Listen {
                address,
                cause: cause(),
            },
            ServerError::Ring(SetupError::Kernel {
                call: "io_uring_setup",
                errno: Errno::NOMEM,
            }),
        ];
        for error in errors {
            let sentence = format!("{:#}", anyhow::Error::from(error));
            let told = sentence.matches("(os error 12)").count();
            assert_eq!((told, sentence.lines().count()), (1, 1), "{sentence}");
        }
    }
}
