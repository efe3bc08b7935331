//! The keys that tokens are held against, and who waits for one that is not known yet.

use crate::auth::Keys;
use crate::auth::jwks::cache::KeyNews;
use crate::auth::settings::{AuthSettings, KeyError, Section, TokenSettings};
use crate::auth::waiting::{Held, Waiting};
use crate::config::Chat;
use crate::config::chat::token::TokenKeys;
use crate::id::SessionKey;

/// The keys that the settings name.
///
/// # Errors
/// When one of them is none: a sentence that names the setting and the fix.
pub(crate) fn keys(chat: &Chat) -> Result<Keys, KeyError> {
    Keys::new(&AuthSettings {
        connection: settings(&chat.token),
        subscription: chat.subscription_token.as_ref().map(settings),
    })
}

fn settings(keys: &TokenKeys) -> TokenSettings {
    let pattern = |regex: &Option<regex::Regex>| {
        let text = regex.as_ref().map(regex::Regex::as_str);
        text.unwrap_or_default().to_owned()
    };
    TokenSettings {
        hmac_secret_key: keys.hmac_secret_key.reveal().to_owned(),
        hmac_previous_secret_key: keys.hmac_previous_secret_key.reveal().to_owned(),
        hmac_previous_secret_key_valid_until: keys.hmac_previous_secret_key_valid_until,
        rsa_public_key: keys.rsa_public_key.clone(),
        ecdsa_public_key: keys.ecdsa_public_key.clone(),
        jwks: String::new(),
        jwks_public_endpoint: keys.jwks_public_endpoint.clone(),
        audience: keys.audience.text.clone(),
        audience_regex: pattern(&keys.audience.regex),
        issuer: keys.issuer.text.clone(),
        issuer_regex: pattern(&keys.issuer.regex),
        user_id_claim: keys.user_id_claim.clone().unwrap_or_default(),
    }
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
