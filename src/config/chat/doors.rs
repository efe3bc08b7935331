//! Who may enter a room by which door.
//!
//! A room is one for the members of all protocols, so what its channel allows holds at every door.
//! Once a file has a section for clients or channels, the doors without handshake of their own are
//! closed but for namespaces that open them.

use super::Chat;
use super::permission::{Channel, Proof, Standing};

/// A way into a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Centrifugo's protocol, on whatever transport.
    Client,
    /// The plain protocol: `/ws`.
    Plain,
    /// A stream of what is published: `/sse`.
    Events,
    /// Who is there, over HTTP: `/rooms/<room>`.
    Rooms,
}

/// What somebody shows who comes in: tokens that were found good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass<'a> {
    /// Nothing.
    Nothing,
    /// A token to connect, and its user, whose name may be empty.
    Connection(&'a str),
    /// A token to subscribe to a channel.
    Subscription {
        /// Its user.
        user: &'a str,
        /// The channel.
        channel: &'a str,
    },
}

/// What somebody may who comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Stay outside: 403.
    Refused,
    /// Read only.
    Reader,
    /// Read and publish.
    Writer,
}

impl Pass<'_> {
    fn user(&self) -> &str {
        match self {
            Self::Nothing => "",
            Self::Connection(user) | Self::Subscription { user, .. } => user,
        }
    }
}

impl Chat {
    /// What whoever shows this pass may in the room of this name, by this door. The room of the
    /// empty name is no channel: it has the options of those without a namespace.
    pub(crate) fn entry(&self, door: Door, room: &str, pass: Pass<'_>) -> Entry {
        let channel = match room {
            "" if door != Door::Client => Ok(self.nameless()),
            room => self.channel(room),
        };
        let Ok(channel) = channel else {
            return Entry::Refused;
        };
        let proof = match pass {
            Pass::Subscription { channel, .. } if channel == room => Proof::Token,
            // A token for another channel is no pass for this one.
            Pass::Subscription { .. } => return Entry::Refused,
            Pass::Nothing | Pass::Connection(_) => Proof::Nothing,
        };
        if door != Door::Client && !self.is_playground() && !may_pass(&channel, proof, pass) {
            return Entry::Refused;
        }
        let user = pass.user();
        match door {
            Door::Client | Door::Plain => {
                let publishes = channel.may_publish(user, Standing::Subscribed);
                match (channel.may_subscribe(user, proof), publishes) {
                    (Err(_), _) => Entry::Refused,
                    (Ok(()), Err(_)) => Entry::Reader,
                    (Ok(()), Ok(())) => Entry::Writer,
                }
            }
            Door::Events => readable(channel.may_subscribe(user, proof).is_ok()),
            Door::Rooms => readable(channel.may_read_presence(user, Standing::Outside).is_ok()),
        }
    }

    /// Whether anybody may ask for the list of all rooms, which is of no namespace.
    pub(crate) fn lists_rooms(&self) -> bool {
        self.is_playground()
    }
}

/// What holds at every door but that of Centrifugo's protocol, before the channel's own rules: the
/// namespace opens it, and who asks for a name that promises to be somebody's brings a token.
fn may_pass(channel: &Channel<'_>, proof: Proof, pass: Pass<'_>) -> bool {
    let is_shown = match pass {
        Pass::Nothing => !channel.names.wants_token(channel.name),
        // Who is in a private channel is for those that have the token for it.
        Pass::Connection(_) => !channel.names.is_private(channel.name),
        Pass::Subscription { .. } => proof == Proof::Token,
    };
    channel.options.allow_plain && is_shown
}

fn readable(is_allowed: bool) -> Entry {
    if is_allowed {
        Entry::Reader
    } else {
        Entry::Refused
    }
}

#[cfg(test)]
mod tests;
