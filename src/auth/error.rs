//! Why a token was refused, and what its bearer is told by each way in.

use super::settings::Section;

/// Bytes of a token at most; what is longer is refused before any work.
pub const TOKEN_BYTES_MAX: usize = 32 << 10;

/// Bytes of a user's id at most.
pub const USER_BYTES_MAX: usize = 255;

/// What is wrong with a token, for logs and for whoever makes tokens: its bearer is told less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("it has more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// Not a JWT (RFC 7519 section 7.2).
    #[error("it is not three parts of base64url, of which the first two are JSON objects")]
    Malformed,
    /// Nothing is configured that it could be held against.
    #[error("no key is configured to hold it against")]
    NoKeys,
    /// An algorithm of another family than the keys', an unknown one, or none.
    #[error("its alg is none that the keys are for")]
    Algorithm,
    /// Extensions that must be understood, of which there are none here (RFC 7515 section 4.1.11).
    #[error("its header demands extensions (crit)")]
    Critical,
    /// No `kid` where keys have names.
    #[error("its header names no key (kid)")]
    NoKeyId,
    /// A `kid` that no key has.
    #[error("no key has the name in its header (kid)")]
    UnknownKey,
    /// Signed with another key, or changed since.
    #[error("it is not signed with the key")]
    Signature,
    /// A claim of another type than it must have.
    #[error("its claim {0} has a value of the wrong type")]
    Claim(&'static str),
    /// No `aud`, or another one than is configured.
    #[error("it is for another audience (aud)")]
    Audience,
    /// No `iss`, or another one than is configured.
    #[error("it is from another issuer (iss)")]
    Issuer,
    /// A user's id of more than [`USER_BYTES_MAX`].
    #[error("its user has more than {USER_BYTES_MAX} bytes")]
    User,
    /// A token for subscribing, where one for connecting belongs.
    #[error("it names a channel, so it is for subscribing")]
    HasChannel,
    /// A token for connecting, where one for subscribing belongs.
    #[error("it names no channel, so it is for connecting")]
    NoChannel,
    /// A good token, for another channel.
    #[error("it is for another channel")]
    OtherChannel,
    /// A good token, of another user.
    #[error("it is another user's")]
    OtherUser,
    /// A good token, of another connection.
    #[error("it is another connection's (client)")]
    OtherClient,
}

/// Why a token does not let its bearer in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It never was good.
    #[error("{0}")]
    Invalid(Fault),
    /// It is good, but not the bearer's.
    #[error("{0}")]
    Foreign(Fault),
    /// Its `exp` is past.
    #[error("it expired {ago} s ago")]
    Expired {
        /// Seconds since then; 0 in the second that it names.
        ago: u64,
    },
    /// Its `nbf` or `iat` is to come.
    #[error("it is not good before {ahead} s from now")]
    Early {
        /// Seconds until then.
        ahead: u64,
    },
    /// It is good, but what it opens ended before it began: its `expire_at` is past.
    #[error("its expire_at is past")]
    Lapsed,
    /// It names a key that may have become known since the keys were fetched: ask the keeper of its section
    /// for it, and try again with what that tells.
    #[error("its key must be asked for")]
    KeyWanted {
        /// Whose keys are meant.
        section: Section,
        /// The name of the key.
        key_id: Box<str>,
    },
    /// It names a key that is not known, and cannot be asked for now.
    #[error("its key can't be asked for now")]
    Unavailable,
}

/// Where a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayIn {
    /// The command `connect`.
    Connect,
    /// The command `subscribe`.
    Subscribe,
    /// The command `refresh`.
    Refresh,
    /// The command `sub_refresh`.
    SubRefresh,
    /// An HTTP request that needs a token, such as the upgrade of the plain protocol.
    Request,
}

/// What the bearer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Error 100, temporary: the client tries again.
    TryAgain,
    /// Error 103: the client gives up this subscription.
    Denied,
    /// Error 109: the client fetches a new token and tries again.
    TokenExpired,
    /// Error 110: what is asked for has ended.
    Expired,
    /// Close 3005: the client connects again, with a new token.
    CloseExpired,
    /// Close 3500: the client gives up.
    CloseInvalid,
    /// Unsubscribe push 2501: the client subscribes again, with a new token.
    Unsubscribe,
    /// Status 401.
    Unauthorized,
    /// Status 503.
    Busy,
}

impl Verdict {
    /// The code on the wire: of an error, a close or an unsubscribe push, or an HTTP status.
    pub fn code(self) -> u16 {
        match self {
            Self::TryAgain => 100,
            Self::Denied => 103,
            Self::TokenExpired => 109,
            Self::Expired => 110,
            Self::CloseExpired => 3005,
            Self::CloseInvalid => 3500,
            Self::Unsubscribe => 2501,
            Self::Unauthorized => 401,
            Self::Busy => 503,
        }
    }
}

/// What the bearer of a refused token is told. Who does not wait for a wanted key has the client try again.
pub fn outcome(way_in: WayIn, error: &TokenError) -> Verdict {
    use TokenError::{Early, Expired, Foreign, Invalid, KeyWanted, Lapsed, Unavailable};
    use WayIn::{Connect, Refresh, Request, SubRefresh, Subscribe};

    match (error, way_in) {
        (KeyWanted { .. } | Unavailable, Request) => Verdict::Busy,
        (KeyWanted { .. } | Unavailable, _) => Verdict::TryAgain,
        (_, Request) => Verdict::Unauthorized,
        (Invalid(_), Subscribe) => Verdict::Denied,
        (Invalid(_) | Foreign(_), _) => Verdict::CloseInvalid,
        (Expired { .. } | Early { .. }, Connect | Subscribe) => Verdict::TokenExpired,
        (Lapsed, Connect | Subscribe) => Verdict::Expired,
        (Expired { .. } | Early { .. } | Lapsed, Refresh) => Verdict::CloseExpired,
        (Expired { .. } | Early { .. } | Lapsed, SubRefresh) => Verdict::Unsubscribe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each way in answers each kind of refusal as the protocol's clients expect it: terminal,
    /// with a new token, or later.
    #[test]
    fn outcomes() {
        let ways = [
            WayIn::Connect,
            WayIn::Subscribe,
            WayIn::Refresh,
            WayIn::SubRefresh,
            WayIn::Request,
        ];
        let wanted = TokenError::KeyWanted {
            section: Section::Connection,
            key_id: "a".into(),
        };
        let table = [
            (
                TokenError::Invalid(Fault::Signature),
                [3500, 103, 3500, 3500, 401],
            ),
            (
                TokenError::Invalid(Fault::NoKeys),
                [3500, 103, 3500, 3500, 401],
            ),
            (
                TokenError::Foreign(Fault::OtherUser),
                [3500, 3500, 3500, 3500, 401],
            ),
            (
                TokenError::Foreign(Fault::OtherChannel),
                [3500, 3500, 3500, 3500, 401],
            ),
            (TokenError::Expired { ago: 30 }, [109, 109, 3005, 2501, 401]),
            (
                TokenError::Early { ahead: 3600 },
                [109, 109, 3005, 2501, 401],
            ),
            (TokenError::Lapsed, [110, 110, 3005, 2501, 401]),
            (TokenError::Unavailable, [100, 100, 100, 100, 503]),
            (wanted, [100, 100, 100, 100, 503]),
        ];
        for (error, expected) in table {
            let told = ways.map(|way_in| outcome(way_in, &error).code());
            assert_eq!(told, expected, "{error:?}");
        }
    }
}
