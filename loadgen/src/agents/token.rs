//! The token that agents and whoever leads them have in common, and how they show it to each other without saying it.
//!
//! Each side draws a number, and proves that it has the token by an HMAC over both numbers and its own role: what one
//! side has said is no proof of the other, nor of another time. Proofs are compared in constant time.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The variable of the environment that has it, if no file does.
const VARIABLE: &str = "FANLOAD_TOKEN";

/// The fewest characters that nobody guesses.
const CHARACTERS_MIN: usize = 16;

/// Bytes of a number that is drawn.
const NONCE_BYTES: usize = 32;

/// Who proves something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Leader,
    Agent,
}

/// See the file. Shown to nobody, not even to those who print it.
#[derive(Clone)]
pub(crate) struct Token(Vec<u8>);

impl Token {
    /// Reads it from the file that was given, or else from the environment.
    ///
    /// # Errors
    /// One sentence that says where it may stand.
    pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let (text, place) = match file {
            Some(path) => {
                let place = format!("--token-file {}", path.display());
                let text = fs::read_to_string(path);
                (
                    text.with_context(|| format!("{place}: can't read it"))?,
                    place,
                )
            }
            None => {
                let text = std::env::var(VARIABLE).ok();
                let text = text.with_context(|| {
                    format!("agents need a token: want --token-file FILE, or {VARIABLE} in the environment")
                })?;
                (text, VARIABLE.to_owned())
            }
        };
        let text = text.trim();
        ensure!(
            text.len() >= CHARACTERS_MIN,
            "{place}: want a token of at least {CHARACTERS_MIN} characters"
        );
        Ok(Self(text.as_bytes().to_vec()))
    }

    /// What shows that one side has the token, about the numbers of leader and agent.
    pub(super) fn proof(&self, side: Side, leader: &str, agent: &str) -> String {
        STANDARD.encode(self.mac(side, leader, agent).finalize().into_bytes())
    }

    /// Whether a proof is right.
    pub(super) fn is_proof(&self, proof: &str, side: Side, leader: &str, agent: &str) -> bool {
        let Ok(proof) = STANDARD.decode(proof) else {
            return false;
        };
        self.mac(side, leader, agent).verify_slice(&proof).is_ok()
    }

    fn mac(&self, side: Side, leader: &str, agent: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0);
        let mut mac = mac.unwrap_or_else(|error| unreachable!("any length will do: {error}"));
        let side = match side {
            Side::Leader => "fanload leader",
            Side::Agent => "fanload agent",
        };
        // Line breaks keep them apart: base64 has none.
        for part in [side, leader, agent] {
            mac.update(part.as_bytes());
            mac.update(b"\n");
        }
        mac
    }
}

/// A number that nobody can foresee.
///
/// # Errors
/// When the system has none.
pub(super) fn nonce() -> io::Result<String> {
    let mut bytes = [0; NONCE_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token(text.as_bytes().to_vec())
    }

    /// Goal: a proof holds for one token, one side and one pair of numbers, and for nothing else.
    #[test]
    fn proofs_hold_for_one_thing_only() {
        let (own, other) = (token("0123456789abcdef"), token("0123456789abcdeF"));
        let (leader, agent) = (nonce().unwrap(), nonce().unwrap());
        assert_ne!(leader, agent);
        let proof = own.proof(Side::Leader, &leader, &agent);
        assert!(own.is_proof(&proof, Side::Leader, &leader, &agent));
        assert!(!other.is_proof(&proof, Side::Leader, &leader, &agent));
        assert!(!own.is_proof(&proof, Side::Agent, &leader, &agent));
        assert!(!own.is_proof(&proof, Side::Leader, &agent, &leader));
        assert!(!own.is_proof("", Side::Leader, &leader, &agent));
        assert!(!own.is_proof("%", Side::Leader, &leader, &agent));
    }

    /// Goal: HMAC-SHA256 is what is computed: the second test case of RFC 4231.
    #[test]
    fn the_code_is_the_standards() {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let bytes = mac.finalize().into_bytes();
        assert_eq!(bytes[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }

    /// Goal: a token comes from a file without the line break at its end, and a short one is refused.
    #[test]
    fn tokens_are_read() {
        let name = format!("fanload-token-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, "0123456789abcdef\n").unwrap();
        assert_eq!(Token::read(Some(&path)).unwrap().0, b"0123456789abcdef");
        fs::write(&path, "short\n").unwrap();
        let error = Token::read(Some(&path)).err().unwrap().to_string();
        assert!(
            error.contains("at least 16") && !error.contains("short"),
            "{error}"
        );
        fs::remove_file(&path).unwrap();
        let error = format!("{:#}", Token::read(Some(&path)).err().unwrap());
        assert!(error.starts_with("--token-file "), "{error}");
    }
}
