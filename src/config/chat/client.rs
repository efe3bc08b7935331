//! The section `client`: who may connect, how long silence and expiry may last, how many there may be.

use std::num::NonZeroUsize;
use std::time::Duration;

use regex::Regex;

use super::key::{Absent, Group, Key};
use super::pattern;
use super::values;
use crate::config::tree::Node;

/// What holds for the sessions of Centrifugo's protocol.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Origins whose pages may connect.
    pub(super) allowed_origins: Vec<Regex>,
    /// Whether permissions are not asked about; tokens that are shown must be good all the same,
    /// but don't expire.
    pub(crate) insecure: bool,
    /// Whether one may connect without a token, as the user of the empty name.
    pub(super) allow_anonymous_connect_without_token: bool,
    /// Whether a token without a user's name lets nobody in: close 3507.
    pub(crate) disallow_anonymous_connection_tokens: bool,
    /// How often a client is pinged, in whole seconds.
    pub(crate) ping_interval: Duration,
    /// How long its answer may take.
    pub(crate) pong_timeout: Duration,
    /// How long it may take to connect.
    pub(crate) stale_close_delay: Duration,
    /// How long after its expiry a connection may be refreshed.
    pub(crate) expired_close_delay: Duration,
    /// How long after its expiry a subscription may be.
    pub(crate) expired_sub_close_delay: Duration,
    /// Channels of a connection, at most.
    pub(crate) channel_limit: NonZeroUsize,
    /// Connections, at most.
    pub(crate) connection_limit: Option<NonZeroUsize>,
    /// Connections of a user, at most; those of the empty name are not counted.
    pub(crate) user_connection_limit: Option<NonZeroUsize>,
    /// New connections in a second of the clock, at most.
    pub(crate) connection_rate_limit: Option<NonZeroUsize>,
    /// Whether the reply to connect has the time.
    pub(crate) connect_include_server_time: bool,
    /// Publications that a client gets of a history at once, at most.
    pub(crate) history_max_publication_limit: Option<NonZeroUsize>,
    /// Publications that are recovered, at most; as many as are kept unless it is written.
    pub(crate) recovery_max_publication_limit: Option<NonZeroUsize>,
}

/// Most channels of a connection: a session has no room for more.
const CHANNEL_LIMIT_MOST: usize = 128;
/// Longest time of any kind here.
const TIME_MOST: Duration = Duration::from_hours(24);

impl Default for Client {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            insecure: false,
            allow_anonymous_connect_without_token: false,
            disallow_anonymous_connection_tokens: false,
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(8),
            stale_close_delay: Duration::from_secs(10),
            expired_close_delay: Duration::from_secs(25),
            expired_sub_close_delay: Duration::from_secs(25),
            channel_limit: NonZeroUsize::new(CHANNEL_LIMIT_MOST).expect("it is not 0"),
            connection_limit: None,
            user_connection_limit: None,
            connection_rate_limit: None,
            connect_include_server_time: false,
            history_max_publication_limit: NonZeroUsize::new(300),
            recovery_max_publication_limit: None,
        }
    }
}

impl Client {
    /// Whether a page of this origin may connect. Programs send none, and are let in.
    pub(crate) fn allows_origin(&self, origin: &str) -> bool {
        let lower = origin.to_lowercase();
        let mut allowed = self.allowed_origins.iter();
        allowed.any(|pattern| pattern.is_match(&lower))
    }
}

pub(super) const CLIENT: Group<Client> = Group {
    keys: &[
        Key::new(
            "allowed_origins",
            "[]",
            "Origins whose pages may connect, as patterns: https://*.example.org, or * for all; \
             programs send none and may always",
            |node, client| {
                client.allowed_origins = origins(node)?;
                Ok(())
            },
        ),
        Key::new(
            "insecure",
            "false",
            "For tests: all may connect without a token, and do everything but subscribe to private \
             channels",
            |node, client| values::put(node, &mut client.insecure),
        ),
        Key::new(
            "allow_anonymous_connect_without_token",
            "false",
            "Whether one may connect without a token, as a user without a name",
            |node, client| values::put(node, &mut client.allow_anonymous_connect_without_token),
        ),
        Key::new(
            "disallow_anonymous_connection_tokens",
            "false",
            "Whether a token without a user's name lets nobody in",
            |node, client| values::put(node, &mut client.disallow_anonymous_connection_tokens),
        ),
        Key::new(
            "ping_interval",
            "\"25s\"",
            "How often a client is pinged, in whole seconds; SDKs give up 10s after a ping that did \
             not come",
            |node, client| {
                let interval = values::seconds(node)?;
                client.ping_interval = below_a_day(interval, Zero::Refused("25s"))?;
                Ok(())
            },
        ),
        Key::new(
            "pong_timeout",
            "\"8s\"",
            "How long a client's answer may take; less than ping_interval",
            |node, client| time(node, Zero::Refused("8s"), &mut client.pong_timeout),
        ),
        Key::new(
            "stale_close_delay",
            "\"10s\"",
            "How long a client may take to connect once its socket is open",
            |node, client| time(node, Zero::Refused("10s"), &mut client.stale_close_delay),
        ),
        Key::new(
            "expired_close_delay",
            "\"25s\"",
            "How long an expired connection may still be refreshed",
            |node, client| time(node, Zero::Allowed, &mut client.expired_close_delay),
        ),
        Key::new(
            "expired_sub_close_delay",
            "\"25s\"",
            "How long an expired subscription may still be refreshed",
            |node, client| time(node, Zero::Allowed, &mut client.expired_sub_close_delay),
        ),
        Key::new(
            "channel_limit",
            "128",
            "Channels of a connection, at most 128",
            |node, client| {
                let asked = values::limit(node)?;
                let most = Client::default().channel_limit;
                if asked.is_some_and(|limit| limit > most) {
                    return Err(format!("which is more than a session has room for; lower it to {most}"));
                }
                client.channel_limit = asked.unwrap_or(most);
                Ok(())
            },
        ),
        Key::new(
            "connection_limit",
            "0",
            "Connections, at most; 0 is as many as connections_max, of which the lower holds",
            |node, client| limit(node, &mut client.connection_limit),
        ),
        Key::new(
            "user_connection_limit",
            "0",
            "Connections of a user, at most, but for users without a name; 0 is any number",
            |node, client| limit(node, &mut client.user_connection_limit),
        ),
        Key::new(
            "connection_rate_limit",
            "0",
            "New connections in a second of the clock, at most; 0 is any number",
            |node, client| limit(node, &mut client.connection_rate_limit),
        ),
        Key::new(
            "connect_include_server_time",
            "false",
            "Whether clients are told the server's time as they connect",
            |node, client| values::put(node, &mut client.connect_include_server_time),
        ),
        Key::new(
            "history_max_publication_limit",
            "300",
            "Publications that a client gets of a history at once, at most; 0 is any number",
            |node, client| limit(node, &mut client.history_max_publication_limit),
        ),
        Key::new(
            "recovery_max_publication_limit",
            "0",
            "Publications that are recovered, at most; 0, also the default, is as many as are kept",
            |node, client| limit(node, &mut client.recovery_max_publication_limit),
        ),
    ],
    absent: &[
        Absent::refused("proxy", super::options::keys::NO_HOOKS).but_for(&[
            ("connect.timeout", "1s"),
            ("refresh.timeout", "1s"),
        ]),
        Absent::refused(
            "user_id_http_header",
            "no header says who a user is; remove it, and have whoever sets it give out tokens",
        ),
        Absent::refused(
            "insecure_skip_token_signature_verify",
            "signatures are always checked; remove it, and make tokens for tests with the key",
        ),
        Absent::refused(
            "connect_code_to_unidirectional_disconnect",
            "there are no transports of one direction; remove it",
        ),
        Absent::told(
            "queue_max_size",
            "a client that falls behind has no queue and costs no memory; lag_bytes_max says when it \
             counts as slow",
        )
        .but_for(&[("", "1048576")]),
        Absent::told(
            "presence_update_interval",
            "who is there is never guessed from silence, so nothing is told again",
        )
        .but_for(&[("", "27s")]),
        Absent::told(
            "concurrency",
            "commands of a connection are done in order, and none waits for a slow one that it does \
             not need",
        )
        .but_for(&[("", "1")]),
        Absent::told(
            "channel_position_check_delay",
            "a subscriber's position can't slip, so it is not checked",
        )
        .but_for(&[("", "40s")]),
        Absent::told(
            "channel_position_max_time_lag",
            "a subscriber's position can't slip, so it is not checked",
        ),
    ],
    sections: &["token", "subscription_token", "subscribe_to_user_personal_channel"],
};

fn origins(node: &Node) -> Result<Vec<Regex>, String> {
    let mut patterns = Vec::new();
    for text in values::texts(node)? {
        let problem = |problem| format!("of which `{text}` is no pattern ({problem})");
        patterns.push(pattern::glob(&text).map_err(problem)?);
    }
    Ok(patterns)
}

/// Whether no time at all is a time.
enum Zero {
    Allowed,
    /// It is not, and this is the default.
    Refused(&'static str),
}

fn time(node: &Node, zero: Zero, place: &mut Duration) -> Result<(), String> {
    *place = below_a_day(values::duration(node)?, zero)?;
    Ok(())
}

fn below_a_day(time: Duration, zero: Zero) -> Result<Duration, String> {
    if time > TIME_MOST {
        return Err("which is more than a day; write 24h or less".to_owned());
    }
    match zero {
        Zero::Refused(default) if time.is_zero() => {
            Err(format!("which is no time at all; the default is {default}"))
        }
        _ => Ok(time),
    }
}

fn limit(node: &Node, place: &mut Option<NonZeroUsize>) -> Result<(), String> {
    *place = values::limit(node)?;
    Ok(())
}
