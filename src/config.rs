//! Every setting and every limit of the server, with its unit in its name.
//!
//! [`Config`] is the parsed form. A section's file has all there is to say about its settings: name,
//! help, default, rule and test; [`crate::cli`] makes flags, variables and keys of them, and reads
//! what was written. `resolve` refuses what cannot work, so the rest of the program need not check
//! again.

#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "what sessions of Centrifugo's protocol, tokens and doors are to ask stands ready"
    )
)]
pub(crate) mod chat;
mod descriptors;
mod fit;
mod history;
mod http;
mod limits;
pub(crate) mod mistake;
pub(crate) mod nearest;
mod network;
mod sessions;
mod setting;
mod shares;
#[cfg(test)]
mod testing;
mod threads;
pub(crate) mod tree;
mod units;
mod values;

use std::num::NonZeroUsize;
use std::time::Duration;

pub use self::chat::Chat;
pub(crate) use self::limits::{CONNECTIONS_MOST, FRAME_HEADER_BYTES_MAX};
pub use self::limits::{LOG_BYTES_MIN, SESSION_BUFFERS_MIN};
pub use self::mistake::Mistake;
use self::setting::Asked;
pub use self::setting::Refusal;
pub(crate) use self::setting::{Given, Preset, Section, Setting, Shape, Written};
pub(crate) use self::threads::SHARDS_MAX;
pub use self::units::ValueError;
pub use self::values::{Config, SlowConsumer};
use crate::process::{AddressSpace, Machine};

/// All settings, in the order of the help text, which is that of their rules too.
pub(crate) const SECTIONS: [Section; 6] = [
    network::SECTION,
    http::SECTION,
    threads::SECTION,
    limits::SECTION,
    sessions::SECTION,
    history::SECTION,
];

/// The settings of all [`SECTIONS`].
pub(crate) fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![network::LISTEN_DEFAULT],
            shards: NonZeroUsize::MIN,
            pin: false,
            static_dir: None,
            content_security_policy: Some(http::CONTENT_SECURITY_POLICY_DEFAULT.to_owned()),
            allow_origin: Vec::new(),
            subprotocols: Vec::new(),
            log_bytes: limits::LOG_BYTES_DEFAULT,
            lag_bytes_max: limits::LOG_BYTES_DEFAULT / 4,
            connections_max: 10_000,
            message_bytes_max: limits::MESSAGE_BYTES_MAX_DEFAULT,
            session_buffers_max: limits::SESSION_BUFFERS_MUCH,
            head_bytes_max: limits::HEAD_BYTES_MAX_DEFAULT,
            private_bytes_max: 64 << 10,
            echo: false,
            ping_interval: sessions::PING_INTERVAL_DEFAULT,
            idle_timeout: sessions::IDLE_TIMEOUT_DEFAULT,
            head_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            slow_consumer: SlowConsumer::Close,
            presence_members_max: sessions::PRESENCE_MEMBERS_MAX_DEFAULT,
            spread_members_min: sessions::SPREAD_MEMBERS_MIN_DEFAULT,
            history_bytes_max: history::HISTORY_BYTES_MAX_DEFAULT,
            positions_max: history::POSITIONS_MAX_DEFAULT,
            reply_bytes_max: 1 << 20,
            rooms_max: 1 << 20,
            address_space: AddressSpace::Free,
            descriptors_max: 20_000,
            drain_timeout: http::DRAIN_TIMEOUT_DEFAULT,
            web_connections_max: descriptors::WEB_CONNECTIONS_MAX,
            http_keep_alive: http::HTTP_KEEP_ALIVE_DEFAULT,
            http_stall_timeout: Duration::from_secs(30),
            http_give_way_after: Duration::from_secs(5),
            http_wait_max: Duration::from_secs(1),
            http_linger_timeout: Duration::from_secs(2),
            http_linger_bytes_max: 256 << 10,
            chat: Chat::default(),
        }
    }
}

/// A checked configuration, and what the person who wrote it should know about it.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The configuration.
    pub(crate) config: Config,
    /// Sentences for the log: values that became others.
    pub(crate) notices: Vec<String>,
}

/// Applies the rule of every setting; after a broken one as if nothing had been written for it.
///
/// # Errors
/// A sentence for each broken rule, which names the value, the rule and the fix.
pub(crate) fn resolve(written: &Written, machine: &Machine) -> Result<Resolved, Vec<Refusal>> {
    let (mut notices, mut refusals) = (Vec::new(), Vec::new());
    let mut config = Config {
        descriptors_max: machine.descriptors_max,
        address_space: machine.address_space,
        ..Config::default()
    };
    for setting in settings() {
        let mut asked = Asked::new(setting, written, machine, &mut notices);
        refusals.extend((setting.rule)(&mut asked, &mut config).err());
    }
    if refusals.is_empty() {
        Ok(Resolved { config, notices })
    } else {
        Err(refusals)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{MACHINE, resolved};
    use super::{Config, Machine, Preset, Resolved, settings};

    /// Goal: what the help tells as a default can be written, and is what holds without it.
    #[test]
    fn defaults_are_told_as_they_are() {
        let nothing = resolved(&[], &MACHINE).expect("accepted").config;
        for setting in settings() {
            if matches!(setting.default, Preset::Nothing | Preset::Text(_)) {
                continue;
            }
            let text = setting.default.to_string();
            let written = resolved(&[(setting.name, &text)], &MACHINE);
            let Resolved { config, notices } = written.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                format!("{config:?}"),
                format!("{nothing:?}"),
                "{}",
                setting.name
            );
            assert!(notices.is_empty(), "{notices:?}");
        }
    }

    /// Goal: a configuration that code makes up is one that could have been written.
    #[test]
    fn without_settings_it_is_the_default() {
        let made = Config::default();
        let machine = Machine {
            processors: 1,
            ..MACHINE
        };
        let lines = [("connections_max", "10000"), ("pin", "false")];
        let written = resolved(&lines, &machine).expect("accepted").config;
        assert_eq!(format!("{written:?}"), format!("{made:?}"));
    }
}
