//! The keys that tokens are held against, and who waits for one that is not known yet.

use crate::auth::Keys;
use crate::auth::jwks::cache::KeyNews;
use crate::auth::settings::{AuthSettings, KeyError, Section};
use crate::auth::waiting::{Held, Waiting};
use crate::config::Chat;
use crate::id::SessionKey;

/// The keys that the settings name.
///
/// # Errors
/// When one of them is none: a sentence that names the setting and the fix.
pub(crate) fn keys(chat: &Chat) -> Result<Keys, KeyError> {
    Keys::new(&AuthSettings::read(chat)?)
}

/// Clients whose tokens name keys that were asked for.
#[derive(Debug, Default)]
pub(crate) struct KeyWaiters {
    connection: Waiting<SessionKey>,
    subscription: Waiting<SessionKey>,
}

impl KeyWaiters {
    /// The client waits for a key of a section.
    pub(crate) fn hold(&mut self, section: Section, key: SessionKey) -> Held {
        self.of(section).hold(key)
    }

    /// Those that may know more by this, in their order.
    pub(crate) fn take(&mut self, news: &KeyNews) -> Vec<SessionKey> {
        self.of(news.section).take(news)
    }

    fn of(&mut self, section: Section) -> &mut Waiting<SessionKey> {
        match section {
            Section::Connection => &mut self.connection,
            Section::Subscription => &mut self.subscription,
        }
    }
}
