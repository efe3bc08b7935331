//! Making tokens, for development and tests: who runs a server in production signs them elsewhere.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use serde::Serialize;

use super::crypto::{self, rsa_pair};
use super::pem::{self, Block};

/// Signs tokens with one key, which its `Debug` does not show.
#[derive(Debug, Clone)]
pub struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    key_id: Option<String>,
}

/// Why nothing can be signed. Each goes on from the name of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignFault {
    /// No private key in PEM.
    #[error("holds no private key in PEM, from -----BEGIN PRIVATE KEY----- on")]
    NoKey,
    /// An older form of ECDSA keys.
    #[error(
        "holds a private key in a form older than PKCS#8; rewrite it: openssl pkcs8 -topk8 -nocrypt -in FILE"
    )]
    Sec1,
    /// A key that is encrypted, broken or of a kind that no algorithm here has.
    #[error(
        "holds a private key that is neither RSA of 2048 bits or more, P-256, P-384 nor Ed25519 in the clear"
    )]
    Unusable,
    /// `ring` did not sign.
    #[error("could not sign")]
    Failed,
}

impl Signer {
    /// Signs with a secret, by HS256.
    pub fn from_secret(secret: &str) -> Self {
        Self::new(
            EncodingKey::from_secret(secret.as_bytes()),
            Algorithm::HS256,
        )
    }

    /// Signs with a private key in PEM, by the algorithm that its kind goes with: RS256, ES256, ES384
    /// or EdDSA.
    ///
    /// # Errors
    /// When it is none of these keys.
    pub fn from_pem(text: &str) -> Result<Self, SignFault> {
        let Block { label, bytes } = pem::block(text).map_err(|_| SignFault::NoKey)?;
        match label {
            "PRIVATE KEY" | "RSA PRIVATE KEY" => {}
            "EC PRIVATE KEY" => return Err(SignFault::Sec1),
            "ENCRYPTED PRIVATE KEY" => return Err(SignFault::Unusable),
            _ => return Err(SignFault::NoKey),
        }
        if rsa_pair(&bytes).is_some() {
            return Ok(Self::new(
                EncodingKey::from_rsa_der(&bytes),
                Algorithm::RS256,
            ));
        }
        let curves = [
            (&ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256),
            (&ECDSA_P384_SHA384_FIXED_SIGNING, Algorithm::ES384),
        ];
        let random = SystemRandom::new();
        for (curve, algorithm) in curves {
            if EcdsaKeyPair::from_pkcs8(curve, &bytes, &random).is_ok() {
                return Ok(Self::new(EncodingKey::from_ec_der(&bytes), algorithm));
            }
        }
        if Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes).is_ok() {
            return Ok(Self::new(
                EncodingKey::from_ed_der(&bytes),
                Algorithm::EdDSA,
            ));
        }
        Err(SignFault::Unusable)
    }

    fn new(key: EncodingKey, algorithm: Algorithm) -> Self {
        crypto::install();
        Self {
            key,
            algorithm,
            key_id: None,
        }
    }

    /// The same, with the name that the key has in a key set.
    #[must_use]
    pub fn named(self, key_id: &str) -> Self {
        let key_id = Some(key_id.to_owned());
        Self { key_id, ..self }
    }

    /// The token of these claims.
    ///
    /// # Errors
    /// When the claims are no JSON object, or the machine has no randomness.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, SignFault> {
        let header = Header {
            kid: self.key_id.clone(),
            ..Header::new(self.algorithm)
        };
        encode(&header, claims, &self.key).map_err(|_| SignFault::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing;

    /// Goal: the form of the private key alone says by which algorithm is signed.
    #[test]
    fn the_algorithm_comes_from_the_key() {
        let cases = [
            (testing::RSA, Algorithm::RS256),
            (testing::RSA_PKCS1, Algorithm::RS256),
            (testing::P256, Algorithm::ES256),
            (testing::P384, Algorithm::ES384),
            (testing::ED25519, Algorithm::EdDSA),
        ];
        for (text, algorithm) in cases {
            let signer = Signer::from_pem(text).expect("a private key").named("a");
            let token = signer
                .sign(&serde_json::json!({"sub": "42"}))
                .expect("a token");
            let header = jsonwebtoken::decode_header(token).expect("a header");
            assert_eq!((header.alg, header.kid.as_deref()), (algorithm, Some("a")));
        }
    }

    /// Goal: what is no private key is refused with what to do.
    #[test]
    fn other_keys_are_refused() {
        let refused = |text: &str| Signer::from_pem(text).err();
        assert_eq!(refused("secret"), Some(SignFault::NoKey));
        assert_eq!(refused(testing::RSA_PUBLIC), Some(SignFault::NoKey));
        assert_eq!(refused(testing::P256_SEC1), Some(SignFault::Sec1));
        let broken = testing::P256.replacen('M', "N", 1);
        assert_eq!(refused(&broken), Some(SignFault::Unusable));
        let encrypted = testing::P256.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        assert_eq!(refused(&encrypted), Some(SignFault::Unusable));
    }
}
