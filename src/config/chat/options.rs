//! The options of a channel, which all channels of a namespace share.

pub(super) mod draft;
pub(super) mod keys;

use std::num::NonZeroUsize;
use std::time::Duration;

use regex::Regex;
use serde::de::IgnoredAny;

/// What is kept, told and allowed in a channel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Whether it can be asked who is there.
    pub(crate) presence: bool,
    /// Whether members cause join and leave events.
    pub(crate) join_leave: bool,
    /// Whether all members are told of them, and not only those that ask for it.
    pub(crate) force_push_join_leave: bool,
    /// What is kept of what was published, if anything.
    pub(crate) history: Option<History>,
    /// Whether all members are told the position.
    pub(crate) force_positioning: bool,
    /// Whether those are that ask for it.
    pub(crate) allow_positioning: bool,
    /// Whether all members can recover what they missed.
    pub(crate) force_recovery: bool,
    /// Whether those can that ask for it.
    pub(crate) allow_recovery: bool,
    /// What is recovered.
    pub(crate) recovery_mode: RecoveryMode,
    /// Whether every subscriber gets the newest publication without asking.
    pub(crate) auto_cache_recover: bool,
    /// Who may subscribe; the subscribers among them are no case of their own.
    pub(super) subscribe: Permission,
    /// Who may publish.
    pub(super) publish: Permission,
    /// Who may ask who is there.
    pub(super) read_presence: Permission,
    /// Who may read the history.
    pub(super) read_history: Permission,
    /// Whether names may say which users they are for.
    pub(super) allow_user_limited_channels: bool,
    /// What the names must look like, instead of being ASCII.
    pub(super) channel_regex: Option<Regex>,
    /// What may be published.
    pub(crate) publication_data_format: DataFormat,
    /// Whether there are other doors than Centrifugo's protocol.
    pub(super) allow_plain: bool,
}

/// How much of what was published is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct History {
    /// Publications at most.
    pub(crate) size: NonZeroUsize,
    /// How long they stay after the newest one.
    pub(crate) ttl: Duration,
    /// How long position and epoch do.
    pub(crate) meta_ttl: Duration,
}

/// What a member gets that recovers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum RecoveryMode {
    /// All it missed, or nothing.
    #[default]
    Stream,
    /// The newest publication.
    Cache,
}

/// What data may be published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum DataFormat {
    /// Anything but nothing.
    #[default]
    NotEmpty,
    /// A JSON value.
    Json,
    /// A JSON object.
    JsonObject,
    /// Anything.
    Binary,
}

impl DataFormat {
    /// Whether this data may be published.
    pub(crate) fn accepts(self, data: &[u8]) -> bool {
        let is_json = || serde_json::from_slice::<IgnoredAny>(data).is_ok();
        match self {
            Self::NotEmpty => !data.is_empty(),
            Self::Json => is_json(),
            Self::JsonObject => data.trim_ascii_start().starts_with(b"{") && is_json(),
            Self::Binary => true,
        }
    }
}

/// Who may do something, by what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Permission {
    /// Anybody who is connected.
    pub(super) client: bool,
    /// Who is subscribed.
    pub(super) subscriber: bool,
    /// Of those, also who has no user's name.
    pub(super) anonymous: bool,
}

impl Permission {
    /// Everybody, whoever they are.
    pub(super) const ALL: Self = Self {
        client: true,
        subscriber: true,
        anonymous: true,
    };
}
