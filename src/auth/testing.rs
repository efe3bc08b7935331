//! Keys for tests, made with openssl; nobody trusts them.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

/// A private RSA key of 2048 bits in PKCS#8, its public half, and both in PKCS#1.
pub(crate) const RSA: &str = include_str!("testing/rsa.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("testing/rsa_public.pem");
pub(crate) const RSA_PKCS1: &str = include_str!("testing/rsa_pkcs1.pem");
pub(crate) const RSA_PKCS1_PUBLIC: &str = include_str!("testing/rsa_pkcs1_public.pem");
/// One that is too short.
pub(crate) const RSA1024_PUBLIC: &str = include_str!("testing/rsa1024_public.pem");

/// Private keys of curves in PKCS#8, and their public halves.
pub(crate) const P256: &str = include_str!("testing/p256.pem");
pub(crate) const P256_PUBLIC: &str = include_str!("testing/p256_public.pem");
pub(crate) const P384: &str = include_str!("testing/p384.pem");
pub(crate) const P384_PUBLIC: &str = include_str!("testing/p384_public.pem");
pub(crate) const ED25519: &str = include_str!("testing/ed25519.pem");
pub(crate) const ED25519_PUBLIC: &str = include_str!("testing/ed25519_public.pem");
pub(crate) const P521_PUBLIC: &str = include_str!("testing/p521_public.pem");
/// The key of P-256 as older tools write it.
pub(crate) const P256_SEC1: &str = include_str!("testing/p256_sec1.pem");

/// A certificate for localhost.
pub(crate) const TLS_SERVER: &str = include_str!("testing/tls_server.pem");

/// The key of a public PEM as key sets have it.
pub(crate) fn jwk(pem: &str, key_id: &str) -> serde_json::Value {
    let digits: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(digits).expect("PEM");
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let last = |count: usize| &der[der.len() - count..];
    let point = |curve: &str, bytes: usize| {
        let (x, y) = last(2 * bytes).split_at(bytes);
        json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y), "kid": key_id})
    };
    // What an SPKI of each kind is long says which it is.
    match der.len() {
        44 => json!({"kty": "OKP", "crv": "Ed25519", "x": text(last(32)), "kid": key_id}),
        91 => point("P-256", 32),
        120 => point("P-384", 48),
        158 => point("P-521", 66),
        // The modulus stands before the exponent, which openssl always makes 65537: tag, length, 3 bytes.
        294 => {
            let modulus = &last(256 + 5)[..256];
            json!({"kty": "RSA", "n": text(modulus), "e": "AQAB", "kid": key_id})
        }
        length => panic!("a key of {length} bytes"),
    }
}
