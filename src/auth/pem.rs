//! Keys as settings files have them: PEM (RFC 7468), with DER inside.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::key::{Curve, KeyFault, VerifyingKey};

/// Object identifiers of kinds of keys and of curves, as DER has them (RFC 3279, RFC 5480, RFC 8410).
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 4, 0, 0x23];

/// Tags of DER.
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// Why a text is no public key that can be used. Each goes on from the name of the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemFault {
    /// No lines of PEM at all, or broken ones.
    #[error(
        "is not PEM; write it from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----, line ends included"
    )]
    NotPem,
    /// The half that must stay with whoever signs.
    #[error(
        "holds a private key, which belongs to whoever signs only; write the public one: openssl pkey -in FILE -pubout"
    )]
    Private,
    /// A certificate around a key.
    #[error("holds a certificate; write its public key: openssl x509 -in FILE -noout -pubkey")]
    Certificate,
    /// Something else, or another kind of key.
    #[error("holds {found}; write the PEM of {wanted}")]
    Other {
        /// What it holds.
        found: String,
        /// What the setting takes.
        wanted: &'static str,
    },
    /// A key that cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

/// A block of PEM: its label, and the bytes in it.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    pub(super) bytes: Vec<u8>,
}

/// The first block of a text.
pub(super) fn block(text: &str) -> Result<Block<'_>, PemFault> {
    let found = || {
        let (_, rest) = text.split_once("-----BEGIN ")?;
        let (label, rest) = rest.split_once("-----")?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let digits: String = body.split_whitespace().collect();
        let bytes = STANDARD.decode(digits).ok()?;
        Some(Block { label, bytes })
    };
    found().ok_or(PemFault::NotPem)
}

/// The public RSA key of a text.
pub(super) fn rsa(text: &str) -> Result<VerifyingKey, PemFault> {
    expect(public_key(text)?, Kind::Rsa)
}

/// The public ECDSA key of a text.
pub(super) fn ecdsa(text: &str) -> Result<VerifyingKey, PemFault> {
    expect(public_key(text)?, Kind::Ecdsa)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    Ecdsa,
    Ed25519,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Rsa => "a public RSA key",
            Self::Ecdsa => "a public ECDSA key",
            Self::Ed25519 => "a public Ed25519 key",
        }
    }
}

fn expect((kind, key): (Kind, VerifyingKey), wanted: Kind) -> Result<VerifyingKey, PemFault> {
    if kind == wanted {
        return Ok(key);
    }
    Err(PemFault::Other {
        found: kind.name().to_owned(),
        wanted: wanted.name(),
    })
}

fn public_key(text: &str) -> Result<(Kind, VerifyingKey), PemFault> {
    let Block { label, bytes } = block(text)?;
    match label {
        "PUBLIC KEY" => subject_public_key(&bytes),
        "RSA PUBLIC KEY" => Ok((Kind::Rsa, rsa_numbers(&bytes)?)),
        "CERTIFICATE" => Err(PemFault::Certificate),
        label if label.ends_with("PRIVATE KEY") => Err(PemFault::Private),
        label => Err(PemFault::Other {
            found: format!("a block of PEM called {label}"),
            wanted: "a public key",
        }),
    }
}

/// SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7): what kind of key it is, and its bits.
fn subject_public_key(der: &[u8]) -> Result<(Kind, VerifyingKey), PemFault> {
    let parts = || {
        let info = only(der, SEQUENCE)?;
        let (algorithm, rest) = element(info, SEQUENCE)?;
        let (kind, parameters) = element(algorithm, OBJECT_IDENTIFIER)?;
        // Before the bits stands how many of the last byte are unused: none.
        let bits = only(rest, BIT_STRING)?.strip_prefix(&[0])?;
        Some((kind, parameters, bits))
    };
    let (kind, parameters, bits) = parts().ok_or(PemFault::NotPem)?;
    match kind {
        RSA_ENCRYPTION => Ok((Kind::Rsa, rsa_numbers(bits)?)),
        EC_PUBLIC_KEY => {
            let curve = match only(parameters, OBJECT_IDENTIFIER) {
                Some(P256) => Curve::P256,
                Some(P384) => Curve::P384,
                Some(P521) => Curve::P521,
                _ => {
                    return Err(PemFault::Other {
                        found: "a key of a curve that no algorithm of tokens uses".to_owned(),
                        wanted: "a public key of P-256 or P-384",
                    });
                }
            };
            Ok((Kind::Ecdsa, VerifyingKey::elliptic(curve, bits)?))
        }
        ED25519 => Ok((Kind::Ed25519, VerifyingKey::edwards(bits)?)),
        _ => Err(PemFault::Other {
            found: "a key of a kind that no algorithm of tokens uses".to_owned(),
            wanted: "a public key",
        }),
    }
}

/// RSAPublicKey (RFC 8017 section A.1.1): modulus and exponent.
fn rsa_numbers(der: &[u8]) -> Result<VerifyingKey, PemFault> {
    let numbers = || {
        let (modulus, rest) = element(only(der, SEQUENCE)?, INTEGER)?;
        Some((modulus, only(rest, INTEGER)?))
    };
    let (modulus, exponent) = numbers().ok_or(PemFault::NotPem)?;
    Ok(VerifyingKey::rsa(modulus, exponent)?)
}

/// The contents of the value of this tag that is all there is.
fn only(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (contents, rest) = element(der, tag)?;
    rest.is_empty().then_some(contents)
}

/// The contents of the value of this tag that comes first, and what follows.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk()?;
    if found != tag {
        return None;
    }
    // A length below 128 stands for itself; else it says how many bytes the length has.
    let digits = if first < 0x80 {
        0
    } else {
        usize::from(first & 0x7f)
    };
    let (length, rest) = rest.split_at_checked(digits)?;
    let bytes = match digits {
        0 => usize::from(first),
        1..=3 => length
            .iter()
            .fold(0, |sum, &digit| sum << 8 | usize::from(digit)),
        _ => return None,
    };
    rest.split_at_checked(bytes)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::Algorithm;
    use proptest::prelude::*;

    use super::*;
    use crate::auth::testing;

    /// Goal: the forms in which openssl writes public keys are read, with the algorithms that each is for.
    #[test]
    fn public_keys_are_read() {
        for (text, algorithm) in [
            (testing::RSA_PUBLIC, Algorithm::RS256),
            (testing::RSA_PKCS1_PUBLIC, Algorithm::RS512),
        ] {
            assert!(rsa(text).expect("an RSA key").allows(algorithm), "{text}");
        }
        for (text, algorithm) in [
            (testing::P256_PUBLIC, Algorithm::ES256),
            (testing::P384_PUBLIC, Algorithm::ES384),
        ] {
            assert!(ecdsa(text).expect("a key").allows(algorithm), "{text}");
            // What stands around the block does not matter, nor how its lines end.
            let text = format!("Key:\r\n{}\nmore", text.replace('\n', "\r\n"));
            assert!(ecdsa(&text).expect("a key").allows(algorithm), "{text}");
        }
        assert!(public_key(testing::ED25519_PUBLIC).is_ok());
    }

    /// Goal: whatever else is written where a public key belongs is answered with what it is and what
    /// to do.
    #[test]
    fn other_texts_are_refused_with_the_fix() {
        let said = |text: &str| rsa(text).expect_err("no RSA key").to_string();
        let cases = [
            (testing::RSA, "holds a private key"),
            (testing::RSA_PKCS1, "holds a private key"),
            (testing::P256_SEC1, "holds a private key"),
            (testing::TLS_SERVER, "holds a certificate"),
            (
                testing::P256_PUBLIC,
                "holds a public ECDSA key; write the PEM of a public RSA key",
            ),
            (testing::ED25519_PUBLIC, "holds a public Ed25519 key"),
            (
                testing::P521_PUBLIC,
                "is a key of curve P-521, whose algorithm ES512",
            ),
            (testing::RSA1024_PUBLIC, "is an RSA key of 1024 bits"),
            ("", "is not PEM"),
            ("secret", "is not PEM"),
            ("-----BEGIN PUBLIC KEY-----\n", "is not PEM"),
            (
                "-----BEGIN PUBLIC KEY-----\n%\n-----END PUBLIC KEY-----",
                "is not PEM",
            ),
            (
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
                "is not PEM",
            ),
            (
                "-----BEGIN X-----\nAAAA\n-----END X-----",
                "holds a block of PEM called X",
            ),
        ];
        for (text, expected) in cases {
            let said = said(text);
            assert!(said.starts_with(expected), "{said} instead of {expected}");
        }
        let said = ecdsa(testing::RSA_PUBLIC)
            .expect_err("no ECDSA key")
            .to_string();
        assert!(said.starts_with("holds a public RSA key; write the PEM of a public ECDSA key"));
        assert!(
            ecdsa(testing::P521_PUBLIC)
                .expect_err("ES512")
                .to_string()
                .contains("ES512")
        );
    }

    proptest! {
        /// Goal: no bytes in a block break the reader, also when most of a good key is left.
        #[test]
        fn any_bytes_are_read_or_refused(at in 0usize..91, with: u8, cut in 0usize..92, any: Vec<u8>) {
            let mut der = block(testing::P256_PUBLIC).expect("PEM").bytes;
            der[at] = with;
            der.truncate(cut);
            let _ = subject_public_key(&der);
            let _ = subject_public_key(&any);
            let _ = rsa_numbers(&any);
        }
    }
}
