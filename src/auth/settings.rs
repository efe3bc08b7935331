//! What a settings file says of tokens, as it is written there, and why that was refused.

use std::fmt;
use std::path::Path;

use super::jwks::JwksFault;
use super::jwks::endpoint::EndpointFault;
use super::pem::PemFault;
use crate::config::Chat;
use crate::config::chat::token::TokenKeys;

/// Both sections of keys.
#[derive(Debug, Clone, Default)]
pub struct AuthSettings {
    /// `client.token`.
    pub connection: TokenSettings,
    /// `client.subscription_token`, when that is enabled: then subscription tokens are held against it
    /// alone. Else they are held against `client.token`.
    pub subscription: Option<TokenSettings>,
}

/// A section of keys; what is empty is not set.
#[derive(Clone, Default)]
pub struct TokenSettings {
    /// The secret of HS256, HS384 and HS512.
    pub hmac_secret_key: String,
    /// The secret before it, which is good for some time yet.
    pub hmac_previous_secret_key: String,
    /// Until when, in seconds of the Unix epoch; 0 for as long as it is written there.
    pub hmac_previous_secret_key_valid_until: u64,
    /// The public key of RS256, RS384 and RS512 in PEM.
    pub rsa_public_key: String,
    /// The public key of ES256 or ES384 in PEM.
    pub ecdsa_public_key: String,
    /// The text of a key set (RFC 7517 section 5), where that is a file.
    pub jwks: String,
    /// Where a key set is fetched.
    pub jwks_public_endpoint: String,
    /// What must be among the token's `aud`.
    pub audience: String,
    /// A pattern that one of the token's `aud` must match somewhere.
    pub audience_regex: String,
    /// What the token's `iss` must be.
    pub issuer: String,
    /// A pattern that the token's `iss` must match somewhere.
    pub issuer_regex: String,
    /// The claim that has the user's id instead of `sub`.
    pub user_id_claim: String,
}

impl AuthSettings {
    /// What the settings of the chat backend say, with the key sets that are files.
    ///
    /// # Errors
    /// When such a file can't be read.
    pub(crate) fn read(chat: &Chat) -> Result<Self, KeyError> {
        let own = chat.subscription_token.as_ref();
        let own = own.map(|keys| TokenSettings::read(Section::Subscription, keys));
        Ok(Self {
            connection: TokenSettings::read(Section::Connection, &chat.token)?,
            subscription: own.transpose()?,
        })
    }
}

impl TokenSettings {
    fn read(section: Section, keys: &TokenKeys) -> Result<Self, KeyError> {
        let pattern = |regex: &Option<regex::Regex>| {
            let text = regex.as_ref().map(regex::Regex::as_str);
            text.unwrap_or_default().to_owned()
        };
        let refused = |problem| KeyError {
            section,
            key: "jwks_file",
            problem,
        };
        let jwks = keys.jwks_file.as_deref().map(file).transpose();
        Ok(Self {
            hmac_secret_key: keys.hmac_secret_key.reveal().to_owned(),
            hmac_previous_secret_key: keys.hmac_previous_secret_key.reveal().to_owned(),
            hmac_previous_secret_key_valid_until: keys.hmac_previous_secret_key_valid_until,
            rsa_public_key: keys.rsa_public_key.clone(),
            ecdsa_public_key: keys.ecdsa_public_key.clone(),
            jwks: jwks.map_err(refused)?.unwrap_or_default(),
            jwks_public_endpoint: keys.jwks_public_endpoint.clone(),
            audience: keys.audience.text.clone(),
            audience_regex: pattern(&keys.audience.regex),
            issuer: keys.issuer.text.clone(),
            issuer_regex: pattern(&keys.issuer.regex),
            user_id_claim: keys.user_id_claim.clone().unwrap_or_default(),
        })
    }
}

fn file(path: &Path) -> Result<String, KeyProblem> {
    std::fs::read_to_string(path).map_err(|error| KeyProblem::Unreadable {
        path: path.display().to_string(),
        problem: error.to_string(),
    })
}

/// Secrets are not shown.
impl fmt::Debug for TokenSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_set = |text: &str| if text.is_empty() { "" } else { "[set]" };
        out.debug_struct("TokenSettings")
            .field("hmac_secret_key", &is_set(&self.hmac_secret_key))
            .field(
                "hmac_previous_secret_key",
                &is_set(&self.hmac_previous_secret_key),
            )
            .field("rsa_public_key", &is_set(&self.rsa_public_key))
            .field("ecdsa_public_key", &is_set(&self.ecdsa_public_key))
            .field("jwks", &is_set(&self.jwks))
            .field("jwks_public_endpoint", &self.jwks_public_endpoint)
            .field("audience", &self.audience)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Which keys are meant: those of connections, or those of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// `client.token`.
    Connection,
    /// `client.subscription_token`.
    Subscription,
}

impl fmt::Display for Section {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Connection => "client.token",
            Self::Subscription => "client.subscription_token",
        })
    }
}

/// Why settings were refused: one sentence that names the key and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{section}.{key} {problem}")]
pub struct KeyError {
    /// Where it is.
    pub section: Section,
    /// The key in it.
    pub key: &'static str,
    /// What is wrong with its value.
    pub problem: KeyProblem,
}

/// What is wrong with a value; goes on from the key's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// A key in PEM that is none.
    #[error(transparent)]
    Pem(#[from] PemFault),
    /// A key set that is none.
    #[error("{0}; write the file that the issuer of the tokens gives out")]
    Jwks(#[from] JwksFault),
    /// A key set that can't be read.
    #[error("names {path}, which can't be read: {problem}; name a readable file")]
    Unreadable {
        /// The file.
        path: String,
        /// What the kernel said.
        problem: String,
    },
    /// A URL that keys are not fetched from.
    #[error(transparent)]
    Endpoint(#[from] EndpointFault),
    /// No regular expression.
    #[error("is no regular expression ({0}); write it as RE2 has them")]
    Regex(String),
    /// Two keys of which only one can hold.
    #[error("is written beside {0}, and only one of them can hold; take one out")]
    Beside(&'static str),
}
