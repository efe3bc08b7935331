//! Who may do what in a channel: of all rules the first that applies decides.
//!
//! Whether a token is good is not known here; a good one for the channel allows it whatever the
//! options say.

use super::names::Names;
use super::options::{Options, Permission, RecoveryMode};

/// A channel that there may be, and the rules for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channel<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The options of its namespace.
    pub(crate) options: &'a Options,
    pub(super) names: &'a Names,
    pub(super) trust: Trust,
}

/// What clients are believed without a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// What the rules say.
    Rules,
    /// Anything but that a private channel is theirs (`client.insecure`).
    Insecure,
    /// Anything.
    Playground,
}

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It is not theirs to do: error 103.
    Permission,
    /// The channel has nothing of the kind: error 108.
    NotAvailable,
}

/// What a subscriber brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing but its connection.
    Nothing,
    /// A good token for this channel and this user.
    Token,
}

/// How whoever asks stands to the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not subscribed.
    Outside,
    /// Subscribed.
    Subscribed,
}

/// What a subscriber asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// To be told the position.
    pub(crate) positioned: bool,
    /// To recover what it missed.
    pub(crate) recoverable: bool,
    /// To be told of joins and leaves.
    pub(crate) join_leave: bool,
}

/// What a token says instead of the channel's options, where it says anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// Instead of `presence`.
    pub(crate) presence: Option<bool>,
    /// Instead of `join_leave`.
    pub(crate) join_leave: Option<bool>,
    /// Instead of `force_push_join_leave`.
    pub(crate) force_push_join_leave: Option<bool>,
    /// Instead of `force_recovery`.
    pub(crate) force_recovery: Option<bool>,
    /// Instead of `force_positioning`.
    pub(crate) force_positioning: Option<bool>,
}

/// What a subscription comes with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// It is seen by who asks who is there.
    pub(crate) presence: bool,
    /// It causes join and leave events.
    pub(crate) join_leave: bool,
    /// It is told of those.
    pub(crate) push_join_leave: bool,
    /// It is told the position, and of every gap.
    pub(crate) positioned: bool,
    /// It can recover, and how.
    pub(crate) recovery: Option<RecoveryMode>,
    /// It gets the newest publication without asking.
    pub(crate) auto_cache_recover: bool,
}

impl Channel<'_> {
    /// Whether this user, of the empty name if anonymous, may subscribe.
    pub(crate) fn may_subscribe(&self, user: &str, proof: Proof) -> Result<(), Denied> {
        if proof == Proof::Token || self.trust == Trust::Playground {
            return Ok(());
        }
        if self.names.is_private(self.name) {
            return Err(Denied::Permission);
        }
        let is_limited =
            self.options.allow_user_limited_channels && self.names.names_users(self.name);
        let is_allowed = if is_limited {
            self.names.is_for(self.name, user)
        } else {
            self.options.subscribe.is_for(user, Standing::Outside)
        };
        self.unless_insecure(is_allowed)
    }

    /// Whether this user may publish; what it may publish is the data format's to say.
    pub(crate) fn may_publish(&self, user: &str, standing: Standing) -> Result<(), Denied> {
        self.unless_insecure(self.options.publish.is_for(user, standing))
    }

    /// Whether this user may ask who is there.
    pub(crate) fn may_read_presence(&self, user: &str, standing: Standing) -> Result<(), Denied> {
        if !self.options.presence {
            return Err(Denied::NotAvailable);
        }
        self.unless_insecure(self.options.read_presence.is_for(user, standing))
    }

    /// Whether this user may read the history.
    pub(crate) fn may_read_history(&self, user: &str, standing: Standing) -> Result<(), Denied> {
        if self.options.history.is_none() {
            return Err(Denied::NotAvailable);
        }
        self.unless_insecure(self.options.read_history.is_for(user, standing))
    }

    /// What a subscription of this user comes with: what the channel forces on all, and what it
    /// allows of what was asked for.
    pub(crate) fn terms(&self, user: &str, wish: Wish, overrides: Overrides) -> Terms {
        let options = self.options;
        let may = |permission: Permission| {
            let is_allowed = permission.is_for(user, Standing::Subscribed);
            self.unless_insecure(is_allowed).is_ok()
        };
        let grants = |forced: Option<bool>, option: bool, asked: bool, allowed: bool| {
            let can_be = options.history.is_some();
            can_be && (forced.unwrap_or(option) || asked && (allowed || may(options.read_history)))
        };
        let is_recoverable = grants(
            overrides.force_recovery,
            options.force_recovery,
            wish.recoverable,
            options.allow_recovery,
        );
        let is_positioned = grants(
            overrides.force_positioning,
            options.force_positioning,
            wish.positioned,
            options.allow_positioning,
        );
        let is_told = overrides
            .force_push_join_leave
            .unwrap_or(options.force_push_join_leave);
        let asks_rightly = wish.join_leave && options.join_leave && may(options.read_presence);
        let recovery = is_recoverable.then_some(options.recovery_mode);
        Terms {
            presence: overrides.presence.unwrap_or(options.presence),
            join_leave: overrides.join_leave.unwrap_or(options.join_leave),
            push_join_leave: is_told || asks_rightly,
            positioned: is_positioned || is_recoverable,
            recovery,
            auto_cache_recover: options.auto_cache_recover && recovery == Some(RecoveryMode::Cache),
        }
    }

    fn unless_insecure(&self, is_allowed: bool) -> Result<(), Denied> {
        match self.trust {
            Trust::Insecure | Trust::Playground => Ok(()),
            Trust::Rules if is_allowed => Ok(()),
            Trust::Rules => Err(Denied::Permission),
        }
    }
}

impl Permission {
    /// Whether it is given to this user.
    fn is_for(self, user: &str, standing: Standing) -> bool {
        let is_member = self.subscriber && standing == Standing::Subscribed;
        (self.client || is_member) && (self.anonymous || !user.is_empty())
    }
}

#[cfg(test)]
mod tests;
