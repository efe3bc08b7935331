//! Quiet sends: a server takes one that does not answer for taken whole, so a kernel that kept silent
//! about one that was cut would lose data without a word.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::Errno;

use super::check::{Check, failure, good};
use super::trial::{TRIAL_MAX, failed};
use crate::ring::{Op, Outgoing, Ring, Token};
use crate::socket;

/// Bytes of one slice of the sends that fill the socket.
const SLICE_BYTES: usize = 1 << 20;

/// Sends after which a socket that still takes everything is not a real one.
const SENDS_MAX: usize = 64;

/// What came of quiet sends on a socket nobody reads from.
#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    /// Whether one that was taken whole answered all the same.
    whole_answered: bool,
    /// Whether the one that found the socket full answered, each time.
    cut_answered: bool,
    /// Bytes that were taken, by the answers and by their absence.
    told: usize,
    /// Bytes that arrived at the other end.
    came: usize,
}

/// Fills `peer` until a quiet send is cut, with one slice a send and with two, which are different
/// operations, and counts at `client` what arrives; `before` bytes are on their way already.
pub(super) fn try_out(
    ring: &mut Ring,
    peer: OwnedFd,
    mut client: TcpStream,
    before: usize,
) -> io::Result<Check> {
    client.set_read_timeout(Some(TRIAL_MAX))?;
    let slice = vec![b'x'; SLICE_BYTES];
    let mut tried = Tried {
        cut_answered: true,
        told: before,
        ..Tried::default()
    };
    for slices in [1, 2] {
        let small = send(ring, &peer, vec![b"?".as_slice(); slices])?;
        tried.whole_answered |= small.is_some();
        tried.told += small.unwrap_or(slices);
        let mut cut = None;
        for _ in 0..SENDS_MAX {
            cut = send(ring, &peer, vec![slice.as_slice(); slices])?;
            tried.told += cut.unwrap_or(slices * SLICE_BYTES);
            if cut.is_some() {
                break;
            }
        }
        tried.cut_answered &= cut.is_some();
        let missing = tried.told - tried.came;
        tried.came += count(&mut client, missing)?;
    }
    socket::shutdown_write(&peer)?;
    // To the end of the stream: more than was told is as wrong as less.
    tried.came += count(&mut client, usize::MAX)?;
    Ok(judge(tried))
}

/// Sends quietly. The answer is the number of bytes taken, if there is one.
fn send(ring: &mut Ring, peer: &OwnedFd, slices: Vec<&[u8]>) -> io::Result<Option<usize>> {
    ring.send_batch([Outgoing {
        fd: peer.as_raw_fd(),
        token: Token::new(Op::QuietSend, 0, 0),
        slices,
    }]);
    let mut completions = Vec::new();
    ring.reap(&mut completions);
    let answer = (completions.iter()).find(|answer| answer.token.op == Op::QuietSend);
    match answer.map(|answer| answer.result) {
        None => Ok(None),
        Some(Ok(bytes)) => Ok(Some(bytes as usize)),
        Some(Err(Errno::AGAIN)) => Ok(Some(0)),
        Some(refused) => Err(failed("quiet send", refused)),
    }
}

/// Reads until `wanted` bytes, the end, or nothing for a while, and says how many there were.
fn count(client: &mut TcpStream, wanted: usize) -> io::Result<usize> {
    let mut piece = vec![0; 64 << 10];
    let mut counted = 0;
    while counted < wanted {
        let most = piece.len().min(wanted - counted);
        match client.read(&mut piece[..most]) {
            Ok(0) => break,
            Ok(bytes) => counted += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(counted)
}

fn judge(tried: Tried) -> Check {
    let name = "cut quiet send";
    let Tried { told, came, .. } = tried;
    let found = if !tried.cut_answered {
        "keeps silent when it was cut: messages would be lost".to_owned()
    } else if told != came {
        format!("says {told} bytes were taken, and {came} came")
    } else if tried.whole_answered {
        "answers though it was taken whole".to_owned()
    } else {
        return good(name, "answers, and only then, with what was taken");
    };
    failure(name, found, "run Linux 6.1 or newer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    /// Goal: a kernel that keeps silent about a cut, or tells the wrong number, or answers for what
    /// it need not, is told from one that does as the server takes for granted.
    #[test]
    fn kernels_are_judged_by_their_answers() {
        let right = Tried {
            whole_answered: false,
            cut_answered: true,
            told: 100,
            came: 100,
        };
        assert_eq!(judge(right).verdict, Verdict::Good);
        let wrong = [
            Tried {
                cut_answered: false,
                came: 60,
                ..right
            },
            Tried { told: 101, ..right },
            Tried { came: 101, ..right },
            Tried {
                whole_answered: true,
                ..right
            },
        ];
        for tried in wrong {
            assert_eq!(judge(tried).verdict, Verdict::Failure, "{tried:?}");
        }
    }
}
