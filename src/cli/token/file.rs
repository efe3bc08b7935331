//! The keys of a settings file, in TOML or JSON.

use std::path::Path;

use serde::Deserialize;

use super::refusal::{TokenRefusal, read as read_text};
use crate::auth::Keys;
use crate::auth::settings::{AuthSettings, TokenSettings};

#[derive(Deserialize, Default)]
#[serde(default)]
struct File {
    client: Client,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Client {
    token: Section,
    subscription_token: Section,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Section {
    /// Of `subscription_token` alone.
    enabled: bool,
    hmac_secret_key: String,
    hmac_previous_secret_key: String,
    hmac_previous_secret_key_valid_until: u64,
    rsa_public_key: String,
    ecdsa_public_key: String,
    jwks_file: String,
    jwks_public_endpoint: String,
    audience: String,
    audience_regex: String,
    issuer: String,
    issuer_regex: String,
    user_id_claim: String,
}

/// Reads the file; whatever else is in it is not looked at.
pub(super) fn read(path: &Path) -> Result<AuthSettings, TokenRefusal> {
    let text = read_text(path)?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let file: Result<File, String> = if is_json {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        toml::from_str(&text).map_err(|error: toml::de::Error| error.message().to_owned())
    };
    let file = file.map_err(|problem| TokenRefusal::Malformed {
        path: path.to_owned(),
        problem: problem.lines().next().unwrap_or_default().to_owned(),
    })?;
    let Client {
        token,
        subscription_token,
    } = file.client;
    let has_own = subscription_token.enabled;
    let subscription = has_own.then(|| subscription_token.settings(path));
    let settings = AuthSettings {
        connection: token.settings(path)?,
        subscription: subscription.transpose()?,
    };
    match Keys::new(&settings) {
        Ok(_) => Ok(settings),
        Err(error) => Err(TokenRefusal::Keys {
            path: path.to_owned(),
            error,
        }),
    }
}

impl Section {
    /// A file that is named without its folder lies beside the settings file.
    fn settings(self, path: &Path) -> Result<TokenSettings, TokenRefusal> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let jwks = match self.jwks_file.as_str() {
            "" => String::new(),
            name => read_text(&folder.join(name))?,
        };
        Ok(TokenSettings {
            hmac_secret_key: self.hmac_secret_key,
            hmac_previous_secret_key: self.hmac_previous_secret_key,
            hmac_previous_secret_key_valid_until: self.hmac_previous_secret_key_valid_until,
            rsa_public_key: self.rsa_public_key,
            ecdsa_public_key: self.ecdsa_public_key,
            jwks,
            jwks_public_endpoint: self.jwks_public_endpoint,
            audience: self.audience,
            audience_regex: self.audience_regex,
            issuer: self.issuer,
            issuer_regex: self.issuer_regex,
            user_id_claim: self.user_id_claim,
        })
    }
}
