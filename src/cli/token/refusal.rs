//! Why no token was made or inspected.

use std::path::{Path, PathBuf};

use crate::auth::settings::KeyError;
use crate::auth::sign::SignFault;

/// One sentence with the fix.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// A file that can't be read.
    #[error("can't read {}: {problem}; name a readable file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        problem: String,
    },
    /// A settings file with keys that could never verify.
    #[error("in {}, {error}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: KeyError,
    },
    /// Nothing to sign with.
    #[error(
        "there is nothing to sign with; name --key SECRET, --private-key FILE, or --file with an hmac_secret_key"
    )]
    NoKey,
    /// A settings file without a secret.
    #[error("{} has no {section}.hmac_secret_key to sign with; name the private key of its public one: --private-key FILE", path.display())]
    NoSecret {
        /// The file.
        path: PathBuf,
        /// The section that counts.
        section: &'static str,
    },
    /// A private key that can't be used.
    #[error("{} {fault}", path.display())]
    PrivateKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: SignFault,
    },
    /// Signing failed.
    #[error("the token {0}; try again")]
    Sign(SignFault),
    /// No duration.
    #[error("--expires is `{0}`, which is no duration; write it like 30s, 15m, 12h, 7d or never")]
    Expires(String),
    /// No object of claims.
    #[error(
        "--claims is `{0}`, which is no JSON object; write it like {{\"channels\":[\"news\"]}}"
    )]
    Claims(String),
}

/// Reads a file that a flag or the settings file names.
pub(super) fn read(path: &Path) -> Result<String, TokenRefusal> {
    std::fs::read_to_string(path).map_err(|error| TokenRefusal::Unreadable {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}
