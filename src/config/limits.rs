//! Limits on what is kept in memory and on who is let in.

use super::Config;
use super::setting::{Asked, Preset, Refusal, Section, Setting, Shape};
use super::units;

/// Largest header of a server frame: 2 bytes and 8 of length (RFC 6455 section 5.2).
pub(crate) const FRAME_HEADER_BYTES_MAX: usize = 10;

pub(super) const SECTION: Section = Section {
    heading: "Limits",
    settings: &[
        LOG_BYTES,
        CONNECTIONS_MAX,
        MESSAGE_BYTES_MAX,
        LAG_BYTES_MAX,
        HEAD_BYTES_MAX,
        SESSION_BUFFERS_MAX,
    ],
};

const LOG_BYTES: Setting = Setting {
    name: "log_bytes",
    shape: Shape::One("SIZE"),
    help: "Size of each shard's message log, at least 1MiB; rounded up to a power of two",
    default: Preset::Bytes(LOG_BYTES_DEFAULT),
    rule: log_bytes,
};

pub(super) const LOG_BYTES_DEFAULT: usize = 64 << 20;
/// Smallest log of a shard.
pub const LOG_BYTES_MIN: usize = 1 << 20;
const LOG_BYTES_MAX: usize = 1 << 36;

/// A ring that is mapped twice needs whole pages, and masks need a power of two.
fn log_bytes(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let Some(bytes) = asked.bytes_between(LOG_BYTES_MIN, LOG_BYTES_MAX)? else {
        return Ok(());
    };
    config.log_bytes = bytes.max(asked.machine().page_bytes).next_power_of_two();
    if config.log_bytes != bytes {
        asked.notice(format!(
            "rounded up from {bytes} to {} bytes",
            config.log_bytes
        ));
    }
    Ok(())
}

const CONNECTIONS_MAX: Setting = Setting {
    name: "connections_max",
    shape: Shape::One("COUNT"),
    help: "WebSocket sessions open at once; one more is answered 503",
    default: Preset::Text("what the hard descriptor limit allows, 1048576 at most"),
    rule: connections_max,
};

/// Most sessions a process takes on, whatever its descriptor limit allows.
pub(crate) const CONNECTIONS_MOST: usize = 1 << 20;

fn connections_max(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let descriptors_max = asked.machine().descriptors_max;
    let reserved = |descriptors_max, web_connections_max| {
        let (shards, listeners) = (config.shards.get(), config.listen.len());
        Config::descriptors_reserved(descriptors_max, shards, listeners, web_connections_max)
    };
    let reserved_now = reserved(descriptors_max, config.web_connections_max);
    let room = descriptors_max.saturating_sub(reserved_now);
    if room == 0 {
        return Err(Refusal::Descriptors {
            descriptors_max,
            reserved: reserved_now,
        });
    }
    let connections = match asked.one(units::count)? {
        None => room.min(CONNECTIONS_MOST),
        Some(0) => {
            return asked.refuse("which lets nobody in; leave it out for as many as fit");
        }
        Some(asked_for) if asked_for > CONNECTIONS_MOST => {
            return asked.refuse(format!(
                "which is more than one process takes; lower it to {CONNECTIONS_MOST}"
            ));
        }
        Some(asked_for) if asked_for > room => {
            // With a higher limit more of it is kept for other things.
            let web_connections = Config::web_connections_for(usize::MAX);
            let reserved_then =
                reserved(usize::MAX, config.web_connections_max.max(web_connections));
            return asked.refuse(format!(
                "but the hard descriptor limit of {descriptors_max} leaves {room}; lower it, or \
                 raise the limit with ulimit -Hn or LimitNOFILE= to {}",
                asked_for + reserved_then
            ));
        }
        Some(asked_for) => asked_for,
    };
    config.connections_max = connections;
    Ok(())
}

const MESSAGE_BYTES_MAX: Setting = Setting {
    name: "message_bytes_max",
    shape: Shape::One("SIZE"),
    help: "Largest message, reassembled; a larger one closes its session with 1009. At most a \
           quarter of --log-bytes",
    default: Preset::Bytes(MESSAGE_BYTES_MAX_DEFAULT),
    rule: message_bytes_max,
};

pub(super) const MESSAGE_BYTES_MAX_DEFAULT: usize = 64 << 10;
/// Longest message that can be let through: a send that carries one, and its rest, stays below the
/// 2 GiB that kernels refuse.
const MESSAGE_BYTES_MOST: usize = 1 << 30;

fn message_bytes_max(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let Some(bytes) = asked.one(units::bytes)? else {
        return Ok(());
    };
    let (log_bytes, quarter) = (config.log_bytes, config.log_bytes / 4);
    if bytes == 0 {
        let default = MESSAGE_BYTES_MAX.default;
        return asked.refuse(format!(
            "which lets no message through; the default is {default}"
        ));
    }
    if bytes > quarter {
        return asked.refuse(format!(
            "which is more than a quarter of log_bytes ({log_bytes}); lower it to {quarter} or \
             raise --log-bytes"
        ));
    }
    if bytes > MESSAGE_BYTES_MOST {
        return asked.refuse("which is more than one send can carry; lower it to 1GiB");
    }
    config.message_bytes_max = bytes;
    Ok(())
}

const LAG_BYTES_MAX: Setting = Setting {
    name: "lag_bytes_max",
    shape: Shape::One("SIZE"),
    help: "How far a session may fall behind its room before it counts as a slow consumer; at most \
           half of --log-bytes",
    default: Preset::Text("a quarter of --log-bytes"),
    rule: lag_bytes_max,
};

/// At least the largest message with its header, or that message alone would make every session
/// slow; at most half the log, or a cursor could be overwritten before it is judged.
fn lag_bytes_max(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let (log_bytes, half) = (config.log_bytes, config.log_bytes / 2);
    let least = config.message_bytes_max + FRAME_HEADER_BYTES_MAX;
    let Some(bytes) = asked.one(units::bytes)? else {
        config.lag_bytes_max = (log_bytes / 4).max((2 * least).min(half));
        return Ok(());
    };
    if bytes > half {
        return asked.refuse(format!(
            "which is more than half of log_bytes ({log_bytes}); lower it to {half} or raise \
             --log-bytes"
        ));
    }
    if bytes < least {
        return asked.refuse(format!(
            "which is less than one message of message_bytes_max; raise it to {least} or more"
        ));
    }
    config.lag_bytes_max = bytes;
    Ok(())
}

const HEAD_BYTES_MAX: Setting = Setting {
    name: "head_bytes_max",
    shape: Shape::One("SIZE"),
    help: "Longest request head, cookies and all, from 8KiB to 256KiB; a longer one is answered 431",
    default: Preset::Bytes(HEAD_BYTES_MAX_DEFAULT),
    rule: |asked, config| {
        let bytes = asked.bytes_between(HEAD_BYTES_LEAST, HEAD_BYTES_MOST)?;
        config.head_bytes_max = bytes.unwrap_or(config.head_bytes_max);
        Ok(())
    },
};

pub(super) const HEAD_BYTES_MAX_DEFAULT: usize = 16 << 10;
/// What an HTTP library must be able to hold.
const HEAD_BYTES_LEAST: usize = 8 << 10;
const HEAD_BYTES_MOST: usize = 256 << 10;

const SESSION_BUFFERS_MAX: Setting = Setting {
    name: "session_buffers_max",
    shape: Shape::One("SIZE"),
    help: "Memory of a shard for messages and request heads of which the rest has not come, and \
           replies that were not read; beyond it whoever holds some longest is dropped, with 1013 or \
           503",
    default: Preset::Text("a message of each session, up to 64MiB"),
    rule: session_buffers_max,
};

/// Least that the sessions of a shard may hold.
pub const SESSION_BUFFERS_MIN: usize = 1 << 20;
const SESSION_BUFFERS_FEW: usize = 4 << 20;
/// Most of it, unless it is asked for.
pub(super) const SESSION_BUFFERS_MUCH: usize = 64 << 20;

/// At least four of the largest messages, or a few that arrive at once would end each other.
fn session_buffers_max(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let few = config.message_bytes_max.saturating_mul(4);
    let Some(bytes) = asked.one(units::bytes)? else {
        let all = (config.connections_max).saturating_mul(config.message_bytes_max);
        config.session_buffers_max = (all / config.shards)
            .clamp(SESSION_BUFFERS_FEW, SESSION_BUFFERS_MUCH)
            .max(few);
        return Ok(());
    };
    let least = SESSION_BUFFERS_MIN.max(few);
    if bytes < least {
        return asked.refuse(format!(
            "which is less than four of the largest messages or 1MiB; raise it to {least} or \
             more, or lower --message-bytes-max"
        ));
    }
    config.session_buffers_max = bytes;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::CONNECTIONS_MOST;
    use crate::config::Config;
    use crate::config::testing::{MACHINE, accepts, refuses, resolved};
    use crate::process::Machine;

    /// Goal: a log is a power of two, and whoever asked for another size is told.
    #[test]
    fn log_bytes() {
        assert_eq!(accepts(&[("log_bytes", "16M")]).log_bytes, 16 << 20);
        let rounded = resolved(&[("log_bytes", "3MiB")], &MACHINE).expect("accepted");
        assert_eq!(rounded.config.log_bytes, 4 << 20);
        assert_eq!(
            rounded.notices,
            ["log_bytes: rounded up from 3145728 to 4194304 bytes"]
        );
        for (text, expected) in [
            (
                "64MB",
                "which is not a size: write a number of bytes, or 512KiB",
            ),
            (
                "4096",
                "log_bytes is 4096, which is not from 1MiB to 64GiB; the default is 64MiB",
            ),
            ("65G", "which is not from 1MiB to 64GiB"),
        ] {
            refuses(&[("log_bytes", text)], expected);
        }
    }

    /// Goal: no more sessions are let in than there are descriptors for, by whoever's word.
    #[test]
    fn connections_max() {
        let room = 20_000 - Config::descriptors_reserved(20_000, 4, 1, 256);
        assert_eq!(accepts(&[]).connections_max, room);
        assert_eq!(accepts(&[("connections_max", "77")]).connections_max, 77);
        for (text, expected) in [
            (
                "0",
                "connections_max is 0, which lets nobody in; leave it out",
            ),
            (
                "20000",
                "leaves 18524; lower it|ulimit -Hn or LimitNOFILE= to 21876",
            ),
            (
                "2000000",
                "more than one process takes; lower it to 1048576",
            ),
            ("-1", "which is not a count"),
        ] {
            refuses(&[("connections_max", text)], expected);
        }
        let on = |descriptors_max| {
            let machine = Machine {
                descriptors_max,
                ..MACHINE
            };
            resolved(&[], &machine)
        };
        let huge = on(usize::MAX).expect("accepted");
        assert_eq!(huge.config.connections_max, CONNECTIONS_MOST);
        let sentence = on(100).expect_err("refused");
        assert!(sentence.contains("raise it with ulimit -Hn"), "{sentence}");
    }

    /// Goal: a message fits into a quarter of the log and into one send.
    #[test]
    fn message_bytes_max() {
        assert_eq!(
            accepts(&[("message_bytes_max", "1000")]).message_bytes_max,
            1_000
        );
        refuses(
            &[("message_bytes_max", "0")],
            "which lets no message through; the default is 64KiB",
        );
        refuses(
            &[("message_bytes_max", "16777217")],
            "a quarter of log_bytes (67108864); lower it to 16777216",
        );
        refuses(
            &[("log_bytes", "16GiB"), ("message_bytes_max", "2GiB")],
            "more than one send can carry; lower it to 1GiB",
        );
        refuses(
            &[("log_bytes", "1M"), ("message_bytes_max", "262145")],
            "lower it to 262144 or raise --log-bytes",
        );
    }

    /// Goal: no message alone makes a session slow, and no cursor is overwritten unjudged; by
    /// default the limit follows the sizes of log and message.
    #[test]
    fn lag_bytes_max() {
        let lag = |lines| accepts(lines).lag_bytes_max;
        assert_eq!(lag(&[]), 16 << 20);
        assert_eq!(lag(&[("log_bytes", "4MiB")]), 1 << 20);
        // A quarter of the log is just too little for a message of that size and its header.
        assert_eq!(lag(&[("message_bytes_max", "16777216")]), 32 << 20);
        assert_eq!(lag(&[("lag_bytes_max", "65546")]), 65_546);
        for (text, expected) in [
            (
                "33MiB",
                "more than half of log_bytes (67108864); lower it to 33554432",
            ),
            (
                "64K",
                "less than one message of message_bytes_max; raise it to 65546",
            ),
        ] {
            refuses(&[("lag_bytes_max", text)], expected);
        }
    }

    /// Goal: a head may be as long as libraries and cookies need, and no longer.
    #[test]
    fn head_bytes_max() {
        assert_eq!(accepts(&[("head_bytes_max", "9000")]).head_bytes_max, 9_000);
        for text in ["8191", "257KiB"] {
            refuses(
                &[("head_bytes_max", text)],
                "which is not from 8KiB to 256KiB; the default is 16KiB",
            );
        }
    }

    /// Goal: a few of the largest messages can arrive at once; by default all sessions' can, as far
    /// as that is not much.
    #[test]
    fn session_buffers_max() {
        let buffers = |lines| accepts(lines).session_buffers_max;
        assert_eq!(buffers(&[]), 64 << 20);
        assert_eq!(buffers(&[("connections_max", "10")]), 4 << 20);
        assert_eq!(buffers(&[("connections_max", "640")]), 10 << 20);
        assert_eq!(buffers(&[("message_bytes_max", "16MiB")]), 64 << 20);
        assert_eq!(buffers(&[("session_buffers_max", "1MiB")]), 1 << 20);
        for (lines, expected) in [
            (
                &[("session_buffers_max", "1000")][..],
                "raise it to 1048576 or more",
            ),
            (
                &[
                    ("session_buffers_max", "3MiB"),
                    ("message_bytes_max", "1MiB"),
                ],
                "less than four of the largest messages or 1MiB; raise it to 4194304",
            ),
        ] {
            refuses(lines, expected);
        }
    }
}
