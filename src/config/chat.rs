//! The settings of the chat backend: who may connect, which channels there are, who may do what.
//!
//! They stand in sections of the settings file that have the names and meanings of Centrifugo's, so
//! that a file can be carried over. Without any of them the server is a playground, in which all is
//! allowed. How a file becomes a table is not known here.

mod channel;
pub(crate) mod client;
pub(crate) mod doors;
mod elsewhere;
pub(crate) mod key;
pub(crate) mod names;
pub(crate) mod options;
mod pattern;
pub(crate) mod permission;
mod personal;
mod reader;
mod sections;
pub(crate) mod token;
mod values;
pub(crate) mod websocket;

use std::num::NonZeroUsize;
use std::time::Duration;

pub(crate) use self::channel::{ChannelRefusal, Channels};
use self::client::Client;
use self::options::{History, Options, Permission};
use self::permission::{Channel, Trust};
use self::personal::Personal;
pub(crate) use self::sections::{Sections, file_keys, listed, section_with};
use self::token::TokenKeys;
use self::websocket::WebSocket;

/// All settings of the chat backend.
#[derive(Debug, Clone)]
pub struct Chat {
    /// Whether there is neither a section for clients nor one for channels.
    ground: Ground,
    /// What holds for the sessions of Centrifugo's protocol.
    pub(crate) client: Client,
    /// With what tokens are checked.
    pub(crate) token: TokenKeys,
    /// With what those to subscribe are, if it is something else.
    pub(crate) subscription_token: Option<TokenKeys>,
    /// Channels of users' own.
    personal: Personal,
    /// Which channels there may be.
    pub(crate) channel: Channels,
    /// What holds for their messages.
    pub(crate) websocket: WebSocket,
}

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// Trying things: nobody is asked for a token.
    Playground,
    /// What a section says.
    Settled,
}

/// What channels of a playground keep.
const PLAYGROUND_HISTORY: History = History {
    size: NonZeroUsize::new(100).expect("it is not 0"),
    ttl: Duration::from_secs(300),
    meta_ttl: Duration::from_hours(720),
};

impl Default for Chat {
    /// A playground.
    fn default() -> Self {
        let options = Options {
            presence: true,
            join_leave: true,
            force_push_join_leave: true,
            history: Some(PLAYGROUND_HISTORY),
            force_positioning: true,
            force_recovery: true,
            subscribe: Permission::ALL,
            publish: Permission::ALL,
            read_presence: Permission::ALL,
            read_history: Permission::ALL,
            allow_plain: true,
            ..Options::default()
        };
        Self {
            ground: Ground::Playground,
            channel: Channels {
                without_namespace: options,
                ..Channels::default()
            },
            ..Self::settled()
        }
    }
}

impl Chat {
    /// What holds where a section is there and says nothing.
    fn settled() -> Self {
        Self {
            ground: Ground::Settled,
            client: Client::default(),
            token: TokenKeys::default(),
            subscription_token: None,
            personal: Personal::default(),
            channel: Channels::default(),
            websocket: WebSocket::default(),
        }
    }

    /// Whether nobody is asked for a token, and every room has all there is.
    #[must_use]
    pub fn is_playground(&self) -> bool {
        self.ground == Ground::Playground
    }

    /// Whether permissions are not asked about.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.client.insecure
    }

    /// The options of a channel.
    ///
    /// # Errors
    /// When there can't be a channel of this name.
    pub(crate) fn options(&self, name: &str) -> Result<&Options, ChannelRefusal> {
        match self.ground {
            Ground::Settled => self.channel.options(name),
            // Whatever may be the name of a room.
            Ground::Playground if name.is_empty() || name.len() > self.channel.names.bytes_max => {
                Err(ChannelRefusal::BadName)
            }
            Ground::Playground => Ok(&self.channel.without_namespace),
        }
    }

    /// The channel of this name, with the rules for it.
    ///
    /// # Errors
    /// When there can't be one.
    pub(crate) fn channel<'a>(&'a self, name: &'a str) -> Result<Channel<'a>, ChannelRefusal> {
        let options = self.options(name)?;
        Ok(self.ruled(name, options))
    }

    /// The room without a name, which is no channel.
    fn nameless(&self) -> Channel<'_> {
        self.ruled("", &self.channel.without_namespace)
    }

    fn ruled<'a>(&'a self, name: &'a str, options: &'a Options) -> Channel<'a> {
        let trust = match self.ground {
            Ground::Playground => Trust::Playground,
            Ground::Settled if self.client.insecure => Trust::Insecure,
            Ground::Settled => Trust::Rules,
        };
        Channel {
            name,
            options,
            names: &self.channel.names,
            trust,
        }
    }

    /// Whether one may connect without a token, as the user of the empty name; else close 3501.
    pub(crate) fn may_connect_without_token(&self) -> bool {
        let is_allowed = self.client.allow_anonymous_connect_without_token;
        is_allowed || self.client.insecure || self.is_playground()
    }

    /// The channel that this user is subscribed to as it connects, if users have one.
    pub(crate) fn personal_channel(&self, user: &str) -> Option<String> {
        let has_one = self.personal.enabled && !user.is_empty();
        has_one.then(|| self.channel.names.personal(&self.personal.namespace, user))
    }
}

#[cfg(test)]
mod tests;
