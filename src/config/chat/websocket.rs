//! The section `websocket`: how large a message may be where the rooms have histories or members of
//! Centrifugo's protocol.

use super::key::{Absent, Group, Key};
use super::names::NAME_BYTES_MAX;
use super::values;

/// What holds for the messages of such rooms.
#[derive(Debug, Clone)]
pub(crate) struct WebSocket {
    /// Largest message, in bytes.
    pub(crate) message_size_limit: usize,
}

const MESSAGE_SIZE_LIMIT: usize = 64 << 10;

impl Default for WebSocket {
    fn default() -> Self {
        Self {
            message_size_limit: MESSAGE_SIZE_LIMIT,
        }
    }
}

pub(super) const WEBSOCKET: Group<WebSocket> = Group {
    keys: &[Key::new(
        "message_size_limit",
        "65536",
        "Largest message of a client, and of anybody in a room with a history or with clients of \
         Centrifugo's protocol; at most message_bytes_max",
        |node, websocket| {
            let Some(limit) = values::limit(node)? else {
                return Err("which lets no message through; the default is 65536".to_owned());
            };
            websocket.message_size_limit = limit.get();
            Ok(())
        },
    )],
    absent: &[
        Absent::refused(
            "disabled",
            "clients have no other way in; remove it, or the section client with it",
        ),
        Absent::refused(
            "handler_prefix",
            "the path is always /connection/websocket; let the proxy in front rewrite another one",
        )
        .but_for(&[("", "/connection/websocket")]),
        Absent::refused("compression", "messages are sent as they are; remove it"),
        Absent::told("compression_min_size", "messages are sent as they are"),
        Absent::told("compression_level", "messages are sent as they are").but_for(&[("", "1")]),
        Absent::told(
            "decompressed_message_size_limit",
            "messages are sent as they are",
        ),
        Absent::told("read_buffer_size", NO_BUFFERS),
        Absent::told("write_buffer_size", NO_BUFFERS),
        Absent::told("use_write_buffer_pool", NO_BUFFERS),
        Absent::told(
            "write_timeout",
            "no send waits for a client; lag_bytes_max says when one counts as slow",
        )
        .but_for(&[("", "1000ms"), ("", "1s")]),
    ],
    sections: &[],
};

const NO_BUFFERS: &str = "sessions have no buffers of their own";

/// What a frame has besides its message at most: its own header and the words around it.
const FRAME_WORDS_BYTES: usize = 1 << 10;
/// What it tells of the publisher.
const INFO_BYTES_MAX: usize = 64 << 10;
/// What it tells of one that showed no token: ids.
const INFO_BYTES_FEW: usize = 128;
/// A letter of a text may take six in a JSON string (`\u0000`).
const JSON_GROWTH: usize = 6;

/// The largest frame for a message of that size.
fn frame_bytes_max(message_bytes: usize, info_bytes: usize) -> usize {
    let content = message_bytes.saturating_add(NAME_BYTES_MAX);
    content
        .saturating_mul(JSON_GROWTH)
        .saturating_add(info_bytes + FRAME_WORDS_BYTES)
}

/// The largest message for a frame of that size.
fn message_bytes_for(frame_bytes: usize, info_bytes: usize) -> usize {
    let content = frame_bytes.saturating_sub(info_bytes + FRAME_WORDS_BYTES);
    (content / JSON_GROWTH).saturating_sub(NAME_BYTES_MAX)
}

/// The settings beside which a limit on messages must hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    /// Size of a log.
    pub(crate) log_bytes: usize,
    /// Largest message anywhere.
    pub(crate) message_bytes_max: usize,
}

impl Beside {
    /// The largest frame that a log takes without being all but filled by a few.
    fn frame_room(self) -> usize {
        self.log_bytes / 16
    }
}

impl WebSocket {
    /// The limit of a playground, where none has to be kept to: this one, or what fits.
    pub(crate) fn that_fits(&self, beside: Beside) -> usize {
        let fits = message_bytes_for(beside.frame_room(), INFO_BYTES_FEW);
        (self.message_size_limit)
            .min(fits)
            .min(beside.message_bytes_max)
    }

    /// What stands in the way of such messages, as a text that goes on from "`key` is `value`, ".
    pub(crate) fn problem(&self, beside: Beside) -> Option<String> {
        let limit = self.message_size_limit;
        let most = beside.message_bytes_max;
        if limit > most {
            return Some(format!(
                "which is more than message_bytes_max ({most}); lower it to {most} or raise \
                 message_bytes_max to {limit}"
            ));
        }
        let frame = frame_bytes_max(limit, INFO_BYTES_MAX);
        if frame <= beside.frame_room() {
            return None;
        }
        let lower = match message_bytes_for(beside.frame_room(), INFO_BYTES_MAX) {
            0 => String::new(),
            fits => format!("lower it to {fits} or "),
        };
        let log_bytes = beside.log_bytes;
        let enough = frame.saturating_mul(16).next_power_of_two();
        Some(format!(
            "with which a frame may have {frame} bytes, more than a 16th of log_bytes \
             ({log_bytes}); {lower}raise log_bytes to {enough}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_log(log_bytes: usize) -> Beside {
        Beside {
            log_bytes,
            message_bytes_max: 64 << 10,
        }
    }

    fn limited(message_size_limit: usize) -> WebSocket {
        WebSocket { message_size_limit }
    }

    /// Goal: the largest frame fits into a 16th of the log, and who asks for more is told the sizes
    /// that would fit, which do.
    #[test]
    fn a_frame_fits_into_the_log() {
        let usual = WebSocket::default();
        assert_eq!(usual.problem(with_log(64 << 20)), None);
        let problem = usual.problem(with_log(4 << 20)).expect("too small a log");
        assert!(problem.contains("raise log_bytes to 8388608"), "{problem}");
        assert_eq!(usual.problem(with_log(8 << 20)), None);
        let fits = message_bytes_for((4 << 20) / 16, INFO_BYTES_MAX);
        assert!(
            problem.contains(&format!("lower it to {fits} or")),
            "{problem}"
        );
        assert_eq!(limited(fits).problem(with_log(4 << 20)), None);
        assert!(limited(fits + 1).problem(with_log(4 << 20)).is_some());
        let hopeless = usual.problem(with_log(1 << 20)).expect("too small a log");
        assert!(
            hopeless.contains("(1048576); raise log_bytes"),
            "{hopeless}"
        );
    }

    /// Goal: a message is no larger than any may be.
    #[test]
    fn a_message_is_no_larger_than_any() {
        let problem = limited(70_000)
            .problem(with_log(64 << 20))
            .expect("too large");
        assert!(
            problem.contains("message_bytes_max (65536); lower it to 65536"),
            "{problem}"
        );
    }

    /// Goal: a playground takes what fits into its log, and never more than is asked for.
    #[test]
    fn a_playground_takes_what_fits() {
        let fits = |log_bytes| WebSocket::default().that_fits(with_log(log_bytes));
        assert_eq!(fits(64 << 20), 65_536);
        let few = fits(1 << 20);
        assert!((8_000..11_000).contains(&few), "{few}");
        assert!(frame_bytes_max(few, INFO_BYTES_FEW) <= (1 << 20) / 16);
        assert_eq!(limited(1_000).that_fits(with_log(64 << 20)), 1_000);
        let small = Beside {
            message_bytes_max: 2_000,
            ..with_log(64 << 20)
        };
        assert_eq!(WebSocket::default().that_fits(small), 2_000);
    }
}
