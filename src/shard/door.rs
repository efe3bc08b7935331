//! The doors without a handshake of their own (`/ws`, `/rooms`): who may come in by them.

use std::sync::Arc;

use super::Shard;
use super::parts::lease::Admission;
use crate::auth::Shown;
use crate::auth::error::{TokenError, WayIn, outcome};
use crate::config::chat::doors::{Door, Entry, Pass};
use crate::talk::{Count, ToWeb};

/// The status for somebody who may not come in.
const FORBIDDEN: u16 = 403;

impl Shard {
    /// What whoever shows this token, or none, may in the room of that name, by this door.
    ///
    /// # Errors
    /// The status to refuse with.
    pub(super) fn enter(
        &mut self,
        door: Door,
        room: &str,
        token: Option<&str>,
    ) -> Result<Admission, u16> {
        let config = Arc::clone(&self.setup.config);
        let chat = &config.chat;
        // Names mean nothing there, nor do tokens.
        if chat.is_playground() {
            return Ok(Admission {
                entry: Entry::Writer,
                expires_at: None,
            });
        }
        let shown = token.map(|token| self.keys.shown(token, self.unix_seconds()));
        let shown = shown.transpose().map_err(|error| self.turn_away(&error))?;
        let pass = match &shown {
            None => Pass::Nothing,
            Some(Shown::Connection(token)) => Pass::Connection(&token.user),
            Some(Shown::Subscription { token, user }) => Pass::Subscription {
                user,
                channel: &token.grant.channel,
            },
        };
        let is_unnamed = matches!(pass, Pass::Connection(""));
        if is_unnamed && chat.client.disallow_anonymous_connection_tokens {
            return Err(FORBIDDEN);
        }
        match chat.entry(door, room, pass) {
            Entry::Refused => Err(FORBIDDEN),
            entry => Ok(Admission {
                entry,
                expires_at: shown.as_ref().and_then(|shown| self.end_of(shown)),
            }),
        }
    }

    /// Tells the web thread how many members of a room take part in presence, if whoever asks may know.
    pub(super) fn count_members(&mut self, name: &str, token: Option<&str>, ticket: u64) {
        let members = match self.enter(Door::Rooms, name, token) {
            Ok(_) => {
                let room = self.rooms.find(name);
                let home = room.and_then(|room| self.rooms.get(room).home.as_ref());
                home.map_or(Count::NoRoom, |home| Count::Members(home.visible()))
            }
            Err(status) => Count::Refused(status),
        };
        (self.mail).tell_web(ToWeb::MembersCounted { ticket, members });
    }

    /// When what a token opens is over. Without rules connections don't end with it.
    fn end_of(&self, shown: &Shown) -> Option<u64> {
        match shown {
            Shown::Connection(_) if self.chat().client.insecure => None,
            Shown::Connection(token) => token.expires_at,
            Shown::Subscription { token, .. } => token.expires_at,
        }
    }

    /// The status for a token that is no good. A key that is not known is asked for, so that a second
    /// request may find it.
    fn turn_away(&mut self, error: &TokenError) -> u16 {
        self.metrics().tokens_refused.add(1);
        if let TokenError::KeyWanted { section, key_id } = error {
            self.mail.ask_for_key(*section, key_id.clone());
        }
        outcome(WayIn::Request, error).code()
    }
}
