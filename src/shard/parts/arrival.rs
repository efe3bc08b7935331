//! What a client is told that comes into a room, by what the room's home says.

use crate::config::chat::permission::Terms;
use crate::protocol::centrifugo::codes::ErrorCode;
use crate::protocol::centrifugo::command::Subscribe;
use crate::protocol::centrifugo::payload::Payload;
use crate::protocol::centrifugo::reply::{self, Publication, Subscribed};
use crate::room::history::{EpochClaim, Otherwise, Position, Recover, Recovery, Since};
use crate::session::client::{Recovered, Standing, Subscribing};
use crate::talk::{Arrival, JoinAnswer};

/// Whether replies hold what was missed, as a server does that copies it for everybody: only a build that is to be compared
/// with this one (`scripts/chat-bench.sh`) does that.
pub(crate) const COPIES: bool = cfg!(feature = "copied-recovery");

/// What a client wants of what it has missed.
#[must_use]
pub(crate) fn recover(subscribe: &Subscribe<'_>) -> Option<Recover> {
    let since = subscribe.recover.as_ref()?;
    Some(Recover {
        since: Since {
            offset: since.offset,
            epoch: EpochClaim::of(&since.epoch),
        },
        otherwise: match subscribe.refuse_without_recovery {
            true => Otherwise::Refuse,
            false => Otherwise::Join,
        },
    })
}

/// What a client gets of it that has not asked: the newest publication, where everybody does.
#[must_use]
pub(crate) fn unasked(terms: &Terms) -> Option<Recover> {
    terms.auto_cache_recover.then_some(Recover {
        since: Since {
            offset: 0,
            epoch: EpochClaim::Any,
        },
        otherwise: Otherwise::Join,
    })
}

/// Where the history of a room stands that has let a client in, and what has become of its wish to have what
/// it missed.
#[must_use]
pub(crate) fn arrived(arrival: Option<&Arrival>) -> (Option<Position>, Recovered) {
    let recovered = arrival.map_or(Recovered::NotAsked, |arrival| match arrival.recovery {
        Recovery::NotAsked => Recovered::NotAsked,
        Recovery::Lost => Recovered::No,
        Recovery::Recovered(_) => Recovered::Yes,
    });
    (arrival.map(|arrival| arrival.position), recovered)
}

/// What a client is told that was let in.
#[must_use]
pub(crate) fn subscribed(
    subscribing: &Subscribing,
    position: Option<Position>,
    recovered: Recovered,
) -> Subscribed<'_> {
    let data = &*subscribing.data;
    let told = Subscribed {
        expires_s: subscribing.expires_s,
        recovery: match subscribing.since {
            None => reply::Recovery::NotAsked,
            Some(_) => reply::Recovery::Lost,
        },
        data: (!data.is_empty()).then(|| Payload::of_bytes(data)),
        ..Subscribed::default()
    };
    let is_told = subscribing.standing != Standing::Hidden;
    let Some(position) = position.filter(|_| is_told) else {
        return told;
    };
    let (recovery, offset) = match (recovered, subscribing.since) {
        // What was missed follows, and is counted from where the client stood.
        (Recovered::Yes, Some(since)) => (reply::Recovery::Recovered(&[]), since),
        (_, Some(_)) => (reply::Recovery::Lost, position.top),
        (_, None) => (reply::Recovery::NotAsked, position.top),
    };
    Subscribed {
        recoverable: subscribing.standing == Standing::Recoverable,
        positioned: true,
        position: Some(reply::Position {
            epoch: position.epoch,
            offset,
        }),
        recovery,
        ..told
    }
}

/// What a client has missed, in its order, as its reply may hold it.
#[must_use]
pub(crate) fn missed(arrival: Option<&Arrival>) -> Vec<Publication<'_>> {
    let Some(Recovery::Recovered(Some(missed))) = arrival.map(|arrival| &arrival.recovery) else {
        return Vec::new();
    };
    let messages =
        (missed.replays.iter()).flat_map(|replay| replay.behind(missed.after).messages());
    messages
        .filter_map(|message| Publication::of(&message))
        .collect()
}

/// Why a client was not let in.
#[must_use]
pub(crate) fn why_not(answer: &JoinAnswer) -> ErrorCode {
    match answer {
        JoinAnswer::Welcome(_) => unreachable!("it was let in"),
        JoinAnswer::Full => ErrorCode::TooManyRequests,
        JoinAnswer::Unrecoverable => ErrorCode::UnrecoverablePosition,
    }
}
