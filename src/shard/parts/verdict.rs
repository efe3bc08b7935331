//! What is made of tokens and permissions: what a client is told that shows a bad one, or may not.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::auth::claims::{self, Grant};
use crate::auth::error::Verdict;
use crate::config::Chat;
use crate::config::chat::ChannelRefusal;
use crate::config::chat::permission::{Denied, Overrides, Terms};
use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode};
use crate::room::home::Visible;
use crate::room::rendition::Notices;
use crate::session::client::Standing;
use crate::shard::parts::step::Declined;
use crate::wire::handshake::Origins;

impl Origins for Chat {
    fn allows(&self, origin: &str) -> bool {
        self.client.allows_origin(origin)
    }
}

/// What came of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// It does not help.
    Declined(Declined),
    /// Nobody knows before its key was asked for.
    KeyWanted,
}

impl<T: Into<Declined>> From<T> for Hindrance {
    fn from(declined: T) -> Self {
        Self::Declined(declined.into())
    }
}

impl From<ChannelRefusal> for Declined {
    fn from(refusal: ChannelRefusal) -> Self {
        Self::Error(match refusal {
            ChannelRefusal::Unknown => ErrorCode::UnknownChannel,
            ChannelRefusal::BadName => ErrorCode::BadRequest,
        })
    }
}

impl From<Denied> for Declined {
    fn from(denied: Denied) -> Self {
        Self::Error(match denied {
            Denied::Permission => ErrorCode::PermissionDenied,
            Denied::NotAvailable => ErrorCode::NotAvailable,
        })
    }
}

/// What a client is told whose token was judged so.
#[must_use]
pub(crate) fn declined(verdict: Verdict) -> Declined {
    match verdict {
        Verdict::TryAgain | Verdict::Busy => ErrorCode::Internal.into(),
        Verdict::Denied => ErrorCode::PermissionDenied.into(),
        Verdict::TokenExpired => ErrorCode::TokenExpired.into(),
        Verdict::Expired | Verdict::Unsubscribe => ErrorCode::Expired.into(),
        Verdict::CloseExpired => Disconnect::Expired.into(),
        Verdict::CloseInvalid | Verdict::Unauthorized => Disconnect::InvalidToken.into(),
    }
}

/// Whether a subscription hears of others who come and go.
#[must_use]
pub(crate) fn notices(terms: &Terms) -> Notices {
    match terms.push_join_leave {
        true => Notices::With,
        false => Notices::Without,
    }
}

/// Whether a subscription is told where its room's history stands.
#[must_use]
pub(crate) fn standing(terms: &Terms) -> Standing {
    if terms.recovery.is_some() {
        Standing::Recoverable
    } else if terms.positioned {
        Standing::Positioned
    } else {
        Standing::Hidden
    }
}

/// Whether others are told of a subscription.
#[must_use]
pub(crate) fn visible(terms: &Terms) -> Visible {
    if terms.join_leave {
        Visible::Yes
    } else if terms.presence {
        Visible::Quietly
    } else {
        Visible::No
    }
}

/// What a token says instead of a channel's options.
#[must_use]
pub(crate) fn overrides(of_token: &claims::Overrides) -> Overrides {
    let claims::Overrides {
        presence,
        join_leave,
        force_push_join_leave,
        force_recovery,
        force_positioning,
    } = *of_token;
    Overrides {
        presence,
        join_leave,
        force_push_join_leave,
        force_recovery,
        force_positioning,
    }
}

/// Stands for the channels that a token gives its bearer: another one's is another number, or nearly always.
#[must_use]
pub(crate) fn fingerprint(grants: &[Grant]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for grant in grants {
        grant.channel.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::{Declined, ErrorCode, Grant, Standing, Terms, Verdict};
    use super::{declined, fingerprint, notices, standing, visible};
    use crate::config::chat::options::RecoveryMode;
    use crate::protocol::centrifugo::codes::Disconnect;
    use crate::room::home::Visible;
    use crate::room::rendition::Notices;

    /// Goal: what is said of a token has the code on the wire that it stands for.
    #[test]
    fn verdicts_have_their_codes() {
        for verdict in [
            Verdict::TryAgain,
            Verdict::Denied,
            Verdict::TokenExpired,
            Verdict::Expired,
            Verdict::CloseExpired,
            Verdict::CloseInvalid,
        ] {
            let code = match declined(verdict) {
                Declined::Error(error) => error.code(),
                Declined::Close(disconnect) => u32::from(disconnect.code()),
            };
            assert_eq!(code, u32::from(verdict.code()), "{verdict:?}");
        }
        assert_eq!(declined(Verdict::Unsubscribe), ErrorCode::Expired.into());
        assert_eq!(
            declined(Verdict::Unauthorized),
            Disconnect::InvalidToken.into()
        );
    }

    /// Goal: a subscription comes with what its terms say.
    #[test]
    fn terms_are_kept() {
        let nothing = Terms::default();
        assert_eq!(notices(&nothing), Notices::Without);
        assert_eq!(standing(&nothing), Standing::Hidden);
        assert_eq!(visible(&nothing), Visible::No);
        let positioned = Terms {
            positioned: true,
            push_join_leave: true,
            presence: true,
            ..nothing
        };
        assert_eq!(notices(&positioned), Notices::With);
        assert_eq!(standing(&positioned), Standing::Positioned);
        assert_eq!(visible(&positioned), Visible::Quietly);
        let announced = Terms {
            join_leave: true,
            ..nothing
        };
        assert_eq!(visible(&announced), Visible::Yes);
        let recoverable = Terms {
            recovery: Some(RecoveryMode::Stream),
            ..positioned
        };
        assert_eq!(standing(&recoverable), Standing::Recoverable);
    }

    /// Goal: tokens that give the same channels are taken for the same, and others not.
    #[test]
    fn grants_are_compared_by_their_channels() {
        let grants = |names: &[&str]| -> Vec<Grant> {
            let grant = |name: &&str| Grant {
                channel: (*name).to_owned(),
                ..Grant::default()
            };
            names.iter().map(grant).collect()
        };
        let of = |names: &[&str]| fingerprint(&grants(names));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["ab"]));
        assert_ne!(of(&["a"]), of(&[]));
    }
}
