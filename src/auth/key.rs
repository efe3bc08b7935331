//! A key that signatures are held against, and the algorithms that go with it.
//!
//! Whatever says which key is meant, the algorithms come from the key alone: a token that names one
//! of another family, such as HS256 for a public key, finds none.

use jsonwebtoken::{Algorithm, DecodingKey};

/// What an HMAC secret verifies.
const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
/// What an RSA key verifies.
const RSA: &[Algorithm] = &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];

/// Bits of the modulus of an RSA key: what `ring` takes.
const RSA_BITS_MIN: usize = 2048;
/// See [`RSA_BITS_MIN`].
const RSA_BITS_MAX: usize = 8192;

/// A key that signatures are held against.
#[derive(Debug, Clone)]
pub(super) struct VerifyingKey {
    decoding: DecodingKey,
    algorithms: &'static [Algorithm],
    /// The only one of them, where a key set says so.
    only: Option<Algorithm>,
}

/// Why bytes are no key that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// An RSA key that is too easy to break, or too much work.
    #[error("is an RSA key of {bits} bits; make one of {RSA_BITS_MIN} to {RSA_BITS_MAX} bits")]
    Bits {
        /// The bits of its modulus.
        bits: usize,
    },
    /// The curve of ES512.
    #[error(
        "is a key of curve P-521, whose algorithm ES512 Fanring does not have; use a key of P-256 (ES256) or P-384 (ES384)"
    )]
    P521,
    /// Bytes that are no point of the curve, or one that was compressed.
    #[error(
        "is not written as an uncompressed point of its curve; write it again with openssl pkey -pubout -ec_conv_form uncompressed"
    )]
    Point,
}

/// A curve that a key may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// Bytes of a coordinate.
    pub(super) fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl VerifyingKey {
    /// A secret that whoever signs knows too.
    pub(super) fn hmac(secret: &str) -> Self {
        Self::new(DecodingKey::from_secret(secret.as_bytes()), HMAC)
    }

    /// Modulus and exponent, the highest byte first.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyFault> {
        // In DER a number whose highest bit is set begins with a zero, which `ring` does not take.
        let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
        let unused = modulus
            .first()
            .map_or(0, |byte| byte.leading_zeros() as usize);
        let bits = modulus.len() * 8 - unused;
        if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
            return Err(KeyFault::Bits { bits });
        }
        let decoding = DecodingKey::from_rsa_raw_components(modulus, exponent);
        Ok(Self::new(decoding, RSA))
    }

    /// A point of a curve, as SEC 1 writes it uncompressed: 4 and both coordinates.
    pub(super) fn elliptic(curve: Curve, point: &[u8]) -> Result<Self, KeyFault> {
        let algorithms: &[Algorithm] = match curve {
            Curve::P256 => &[Algorithm::ES256],
            Curve::P384 => &[Algorithm::ES384],
            Curve::P521 => return Err(KeyFault::P521),
        };
        if point.len() != 1 + 2 * curve.coordinate_bytes() || point[0] != 4 {
            return Err(KeyFault::Point);
        }
        Ok(Self::new(DecodingKey::from_ec_der(point), algorithms))
    }

    /// The 32 bytes of an Ed25519 key (RFC 8032 section 5.1.5).
    pub(super) fn edwards(bytes: &[u8]) -> Result<Self, KeyFault> {
        if bytes.len() != 32 {
            return Err(KeyFault::Point);
        }
        Ok(Self::new(
            DecodingKey::from_ed_der(bytes),
            &[Algorithm::EdDSA],
        ))
    }

    fn new(decoding: DecodingKey, algorithms: &'static [Algorithm]) -> Self {
        Self {
            decoding,
            algorithms,
            only: None,
        }
    }

    /// The same key for one algorithm alone; `None` when it is none of the key's.
    pub(super) fn only(self, algorithm: Algorithm) -> Option<Self> {
        let only = Some(algorithm);
        self.allows(algorithm).then_some(Self { only, ..self })
    }

    /// Whether a token may name this algorithm to be held against the key.
    pub(super) fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm) && self.only.is_none_or(|only| only == algorithm)
    }

    /// The key as the library has it.
    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: no key allows an algorithm of another family, one that is not verified here (PS256), or
    /// one that its set does not name.
    #[test]
    fn algorithms_are_of_the_keys_family() {
        let point = |curve: Curve| {
            let mut point = vec![4];
            point.resize(1 + 2 * curve.coordinate_bytes(), 7);
            point
        };
        let rsa = VerifyingKey::rsa(&[0xff; 256], &[1, 0, 1]).expect("2048 bits");
        let p256 = VerifyingKey::elliptic(Curve::P256, &point(Curve::P256)).expect("a point");
        let p384 = VerifyingKey::elliptic(Curve::P384, &point(Curve::P384)).expect("a point");
        let edwards = VerifyingKey::edwards(&[7; 32]).expect("32 bytes");
        let cases = [
            (VerifyingKey::hmac("secret"), HMAC),
            (rsa.clone(), RSA),
            (p256, &[Algorithm::ES256]),
            (p384, &[Algorithm::ES384]),
            (edwards, &[Algorithm::EdDSA]),
        ];
        let all = [
            HMAC,
            RSA,
            &[Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA],
        ]
        .concat();
        for (key, allowed) in cases {
            for &algorithm in all.iter().chain(&[Algorithm::PS256, Algorithm::PS512]) {
                let expected = allowed.contains(&algorithm);
                assert_eq!(
                    key.allows(algorithm),
                    expected,
                    "{algorithm:?} for {allowed:?}"
                );
            }
        }
        let only = rsa.clone().only(Algorithm::RS384).expect("one of its own");
        assert!(only.allows(Algorithm::RS384) && !only.allows(Algorithm::RS256));
        assert!(rsa.only(Algorithm::PS256).is_none());
    }

    /// Goal: keys that cannot be used are refused with what is wrong, before any token comes.
    #[test]
    fn unusable_keys_are_refused() {
        let rsa = |modulus: &[u8]| VerifyingKey::rsa(modulus, &[1, 0, 1]).err();
        assert_eq!(rsa(&[0xff; 128]), Some(KeyFault::Bits { bits: 1024 }));
        assert_eq!(rsa(&[0x7f; 256]), Some(KeyFault::Bits { bits: 2047 }));
        assert_eq!(rsa(&[0xff; 1025]), Some(KeyFault::Bits { bits: 8200 }));
        assert_eq!(rsa(&[]), Some(KeyFault::Bits { bits: 0 }));
        assert_eq!(rsa(&[0; 256]), Some(KeyFault::Bits { bits: 0 }));
        let mut padded = vec![0];
        padded.resize(257, 0xff);
        assert_eq!(rsa(&padded), None);
        let elliptic = |curve, point: &[u8]| VerifyingKey::elliptic(curve, point).err();
        assert_eq!(elliptic(Curve::P256, &[2; 33]), Some(KeyFault::Point));
        assert_eq!(elliptic(Curve::P256, &[2; 65]), Some(KeyFault::Point));
        assert_eq!(elliptic(Curve::P256, &[4; 97]), Some(KeyFault::Point));
        assert_eq!(elliptic(Curve::P384, &[]), Some(KeyFault::Point));
        assert_eq!(elliptic(Curve::P521, &[4; 133]), Some(KeyFault::P521));
        assert_eq!(VerifyingKey::edwards(&[1; 31]).err(), Some(KeyFault::Point));
    }
}
