//! Key sets (RFC 7517): public keys by their names, from a file or an endpoint.
//!
//! Symmetric keys of a set are never taken: whoever reads the set could sign with them.

pub mod cache;
mod client;
pub mod endpoint;
pub mod keeper;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk,
    KeyOperations, PublicKeyUse,
};
use serde::Deserialize;

use super::key::{Curve, VerifyingKey};

/// Bytes of a key set that are read at most.
pub const JWKS_BYTES_MAX: usize = 512 << 10;

/// Keys of a set at most.
const KEYS_MAX: usize = 256;

/// The usable keys of a set.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<(String, VerifyingKey)>,
}

/// Why bytes are no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksFault {
    /// More than is read.
    #[error("has more than {JWKS_BYTES_MAX} bytes or {KEYS_MAX} keys")]
    TooLarge,
    /// No JSON object with a list `keys`.
    #[error("is no key set: a JSON object with a list called keys")]
    Malformed,
    /// Nothing to verify with.
    #[error(
        "has no key to verify with: RSA of 2048 bits or more, P-256, P-384 or Ed25519, with a kid"
    )]
    NoKeys,
}

/// What a set has for a token.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Key(&'a VerifyingKey),
    /// The name is known, but not for this algorithm.
    OtherAlgorithm,
    Unknown,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Reads a set. Keys that cannot be used are passed over, as RFC 7517 section 5 wants it.
    ///
    /// # Errors
    /// When it is no set, or none of its keys can be used: nothing good is forgotten for that.
    pub fn parse(json: &[u8]) -> Result<Self, JwksFault> {
        if json.len() > JWKS_BYTES_MAX {
            return Err(JwksFault::TooLarge);
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| JwksFault::Malformed)?;
        if document.keys.len() > KEYS_MAX {
            return Err(JwksFault::TooLarge);
        }
        let keys: Vec<_> = document.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err(JwksFault::NoKeys);
        }
        Ok(Self { keys })
    }

    /// The key of this name for this algorithm.
    pub(super) fn find(&self, key_id: &str, algorithm: Algorithm) -> Found<'_> {
        let mut named = self
            .keys
            .iter()
            .filter(|(name, _)| name == key_id)
            .peekable();
        if named.peek().is_none() {
            return Found::Unknown;
        }
        let mut named = named.map(|(_, key)| key);
        named
            .find(|key| key.allows(algorithm))
            .map_or(Found::OtherAlgorithm, Found::Key)
    }

    /// Whether a key has this name.
    pub fn knows(&self, key_id: &str) -> bool {
        self.keys.iter().any(|(name, _)| name == key_id)
    }
}

/// The name and the key of an entry that can be used.
fn usable(entry: serde_json::Value) -> Option<(String, VerifyingKey)> {
    let Jwk { common, algorithm } = serde_json::from_value(entry).ok()?;
    if !is_for_signatures(&common) {
        return None;
    }
    let key = match &algorithm {
        AlgorithmParameters::RSA(numbers) => {
            VerifyingKey::rsa(&bytes(&numbers.n)?, &bytes(&numbers.e)?).ok()?
        }
        AlgorithmParameters::EllipticCurve(point) => elliptic(point)?,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            VerifyingKey::edwards(&bytes(&pair.x)?).ok()?
        }
        _ => return None,
    };
    let key = match common.key_algorithm {
        Some(named) => key.only(Algorithm::try_from(named).ok()?)?,
        None => key,
    };
    Some((common.key_id?, key))
}

fn is_for_signatures(common: &CommonParameters) -> bool {
    let usage = common.public_key_use.as_ref();
    let operations = common.key_operations.as_ref();
    usage.is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

fn elliptic(key: &EllipticCurveKeyParameters) -> Option<VerifyingKey> {
    let curve = match key.curve {
        EllipticCurve::P256 => Curve::P256,
        EllipticCurve::P384 => Curve::P384,
        _ => return None,
    };
    let mut point = vec![4];
    for coordinate in [&key.x, &key.y] {
        let coordinate = bytes(coordinate)?;
        // Some makers of sets leave out leading zeros (RFC 7518 section 6.2.1.2 forbids it).
        let zeros = curve.coordinate_bytes().checked_sub(coordinate.len())?;
        point.resize(point.len() + zeros, 0);
        point.extend_from_slice(&coordinate);
    }
    VerifyingKey::elliptic(curve, &point).ok()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests;
