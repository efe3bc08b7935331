//! The sections `client.token` and `client.subscription_token`: with which keys tokens are checked,
//! and what they must say. Whether a key is one is not known here.

use std::fmt;
use std::path::PathBuf;

use regex::Regex;

use super::key::{Absent, Group, Key};
use super::values;
use crate::config::tree::Node;

/// What tokens are checked with.
#[derive(Debug, Clone, Default)]
pub(crate) struct TokenKeys {
    /// Key of HS256, HS384 and HS512; empty for none, as with all others.
    pub(crate) hmac_secret_key: Secret,
    /// The one before it.
    pub(crate) hmac_previous_secret_key: Secret,
    /// Until when that one is good, in seconds since 1970; 0 is for ever.
    pub(crate) hmac_previous_secret_key_valid_until: u64,
    /// Key of RS256, RS384 and RS512, as PEM.
    pub(crate) rsa_public_key: String,
    /// Key of ES256 or ES384, as PEM.
    pub(crate) ecdsa_public_key: String,
    /// A file in which keys are found by their id.
    pub(crate) jwks_file: Option<PathBuf>,
    /// Where such a file is fetched.
    pub(crate) jwks_public_endpoint: String,
    /// What `aud` must be.
    pub(crate) audience: Expected,
    /// What `iss` must be.
    pub(crate) issuer: Expected,
    /// The claim with the user's name, if it is not `sub`.
    pub(crate) user_id_claim: Option<String>,
}

/// A text that no log may have.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The secret itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_empty() {
            "none"
        } else {
            "(secret)"
        })
    }
}

/// What a claim must be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// Exactly this, if it is not empty.
    pub(crate) text: String,
    /// Something like this.
    pub(crate) regex: Option<Regex>,
}

impl TokenKeys {
    /// Whether any token can be good.
    pub(super) fn has_any(&self) -> bool {
        let texts = [
            self.hmac_secret_key.reveal(),
            &self.rsa_public_key,
            &self.ecdsa_public_key,
            &self.jwks_public_endpoint,
        ];
        texts.iter().any(|text| !text.is_empty()) || self.jwks_file.is_some()
    }
}

pub(super) const TOKEN: Group<TokenKeys> = Group {
    keys: &[
        Key::new(
            "hmac_secret_key",
            "\"\"",
            "Key of tokens that are signed with HS256, HS384 or HS512",
            |node, keys| {
                keys.hmac_secret_key = Secret(values::text(node)?);
                Ok(())
            },
        ),
        Key::new(
            "hmac_previous_secret_key",
            "\"\"",
            "The key before hmac_secret_key, which is still good",
            |node, keys| {
                keys.hmac_previous_secret_key = Secret(values::text(node)?);
                Ok(())
            },
        ),
        Key::new(
            "hmac_previous_secret_key_valid_until",
            "0",
            "Until when the key before is good, in seconds since 1970; 0 is for ever",
            |node, keys| {
                let seconds = values::count(node)?;
                let wide = u64::try_from(seconds).expect("64 bits at most");
                keys.hmac_previous_secret_key_valid_until = wide;
                Ok(())
            },
        ),
        Key::new(
            "rsa_public_key",
            "\"\"",
            "Key of tokens that are signed with RS256, RS384 or RS512, as PEM",
            |node, keys| values::put_text(node, &mut keys.rsa_public_key),
        ),
        Key::new(
            "ecdsa_public_key",
            "\"\"",
            "Key of tokens that are signed with ES256 or ES384, as PEM",
            |node, keys| values::put_text(node, &mut keys.ecdsa_public_key),
        ),
        Key::new(
            "jwks_file",
            "\"\"",
            "File with a key set (JWKS), in which a token's kid finds its key; Fanring's own key",
            |node, keys| {
                let text = values::text(node)?;
                keys.jwks_file = (!text.is_empty()).then(|| PathBuf::from(text));
                Ok(())
            },
        ),
        Key::new(
            "jwks_public_endpoint",
            "\"\"",
            "Address of a key set (JWKS), in which a token's kid finds its key",
            |node, keys| values::put_text(node, &mut keys.jwks_public_endpoint),
        ),
        Key::new(
            "audience",
            "\"\"",
            "What a token's aud must be; empty asks for nothing",
            |node, keys| values::put_text(node, &mut keys.audience.text),
        ),
        Key::new(
            "audience_regex",
            "\"\"",
            "What a token's aud must match, instead of audience",
            |node, keys| {
                keys.audience.regex = values::regex(node)?;
                Ok(())
            },
        ),
        Key::new(
            "issuer",
            "\"\"",
            "What a token's iss must be; empty asks for nothing",
            |node, keys| values::put_text(node, &mut keys.issuer.text),
        ),
        Key::new(
            "issuer_regex",
            "\"\"",
            "What a token's iss must match, instead of issuer",
            |node, keys| {
                keys.issuer.regex = values::regex(node)?;
                Ok(())
            },
        ),
        Key::new(
            "user_id_claim",
            "\"\"",
            "The claim that has the user's name; empty is sub",
            |node, keys| {
                keys.user_id_claim = claim(node)?;
                Ok(())
            },
        ),
    ],
    absent: &[Absent::refused(
        "insecure_skip_jwks_endpoint_safety_check",
        "where keys come from is always checked; remove it",
    )],
    sections: &[],
};

/// The key `enabled` of a section that has no other use for it.
pub(super) const ENABLED: Group<bool> = Group {
    keys: &[Key::new(
        "enabled",
        "false",
        "Whether subscription tokens have keys of their own, those of this section",
        values::put,
    )],
    absent: &[],
    sections: &[],
};

fn claim(node: &Node) -> Result<Option<String>, String> {
    let text = values::text(node)?;
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    if !text.bytes().all(is_letter) {
        return Err("which is no claim's name: write letters and _ only".to_owned());
    }
    Ok((!text.is_empty()).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::{Secret, TokenKeys};

    /// Goal: a secret stays out of whatever is logged, and is a key all the same.
    #[test]
    fn secrets_are_not_shown() {
        let keys = TokenKeys {
            hmac_secret_key: Secret("abcdef".to_owned()),
            ..TokenKeys::default()
        };
        assert!(!format!("{keys:?}").contains("abcdef"));
        assert!(keys.has_any() && !TokenKeys::default().has_any());
        assert_eq!(keys.hmac_secret_key.reveal(), "abcdef");
    }
}
