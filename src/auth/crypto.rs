//! The signatures themselves, by `ring`: what `jsonwebtoken` leaves to a provider.
//!
//! The providers that come with it are not used: one brings a second library of cryptography beside
//! that of TLS, the other an RSA with an open advisory. What they would do is done here with the calls
//! that `ring` has for it.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result, new_error};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair, RsaPublicKeyComponents};
use ring::{error, hmac};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // For making key sets, which nothing here does.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has the library use `ring` from now on. It must be called before a token is read or made.
pub(super) fn install() {
    // Only the first call of a process does anything, and the others are told so.
    let _ = PROVIDER.install_default();
}

struct Check {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if key.family() != algorithm.family() {
        return Err(new_error(ErrorKind::InvalidKeyFormat));
    }
    Ok(Box::new(Check {
        algorithm: *algorithm,
        key: key.clone(),
    }))
}

impl JwtVerifier for Check {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Check {
    fn verify(&self, message: &[u8], given: &Vec<u8>) -> std::result::Result<(), Error> {
        let found = match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                let parameters = match self.algorithm {
                    Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    _ => return Err(Error::new()),
                };
                RsaPublicKeyComponents { n, e }.verify(parameters, message, given)
            }
            DecodingKeyKind::SecretOrDer(bytes) => match self.algorithm {
                Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                    let key = hmac::Key::new(digest(self.algorithm)?, bytes);
                    hmac::verify(&key, message, given)
                }
                Algorithm::ES256 => by(&signature::ECDSA_P256_SHA256_FIXED, bytes, message, given),
                Algorithm::ES384 => by(&signature::ECDSA_P384_SHA384_FIXED, bytes, message, given),
                Algorithm::EdDSA => by(&signature::ED25519, bytes, message, given),
                _ => return Err(Error::new()),
            },
        };
        found.map_err(|error::Unspecified| Error::new())
    }
}

fn by(
    algorithm: &'static dyn signature::VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    given: &[u8],
) -> std::result::Result<(), error::Unspecified> {
    signature::UnparsedPublicKey::new(algorithm, key).verify(message, given)
}

fn digest(algorithm: Algorithm) -> std::result::Result<hmac::Algorithm, Error> {
    match algorithm {
        Algorithm::HS256 => Ok(hmac::HMAC_SHA256),
        Algorithm::HS384 => Ok(hmac::HMAC_SHA384),
        Algorithm::HS512 => Ok(hmac::HMAC_SHA512),
        _ => Err(Error::new()),
    }
}

struct Sign {
    algorithm: Algorithm,
    key: EncodingKey,
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if key.family() != algorithm.family() {
        return Err(new_error(ErrorKind::InvalidKeyFormat));
    }
    Ok(Box::new(Sign {
        algorithm: *algorithm,
        key: key.clone(),
    }))
}

impl JwtSigner for Sign {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Signer<Vec<u8>> for Sign {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        let (key, random) = (self.key.as_bytes(), SystemRandom::new());
        let rsa = |encoding| {
            let pair = rsa_pair(key)?;
            let mut signature = vec![0; pair.public().modulus_len()];
            let signed = pair.sign(encoding, &random, message, &mut signature);
            signed.ok().map(|()| signature)
        };
        let ecdsa = |algorithm| {
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, key, &random).ok()?;
            let signature = pair.sign(&random, message).ok()?;
            Some(signature.as_ref().to_vec())
        };
        let signature = match self.algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                let key = hmac::Key::new(digest(self.algorithm)?, key);
                Some(hmac::sign(&key, message).as_ref().to_vec())
            }
            Algorithm::RS256 => rsa(&signature::RSA_PKCS1_SHA256),
            Algorithm::RS384 => rsa(&signature::RSA_PKCS1_SHA384),
            Algorithm::RS512 => rsa(&signature::RSA_PKCS1_SHA512),
            Algorithm::ES256 => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).ok();
                pair.map(|pair| pair.sign(message).as_ref().to_vec())
            }
            _ => None,
        };
        signature.ok_or_else(Error::new)
    }
}

/// A private RSA key in PKCS#8 or, from older tools, in PKCS#1.
pub(super) fn rsa_pair(der: &[u8]) -> Option<RsaKeyPair> {
    let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
    pair.ok()
}
