//! What each message needs to know of its room, in a byte: there is no room for more in the cache line that it
//! touches anyway.

/// What is so of a room on a shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts(u8);

impl Facts {
    const HELD: u8 = 1;
    const HISTORY: u8 = 2;
    const FORGOTTEN: u8 = 4;
    const CLIENTS: u8 = 8;

    /// Whether it is held: half of its members are behind because their sockets are full.
    #[must_use]
    #[inline]
    pub(crate) const fn is_held(self) -> bool {
        self.0 & Self::HELD != 0
    }

    /// It is held from now on, or no longer; returns whether that is new.
    pub(crate) fn hold(&mut self, on: bool) -> bool {
        let is_new = self.is_held() != on;
        self.0 ^= Self::HELD * u8::from(is_new);
        is_new
    }

    /// Whether its home keeps what is said, so that members are told offsets.
    #[must_use]
    #[inline]
    pub(crate) const fn has_history(self) -> bool {
        self.0 & Self::HISTORY != 0
    }

    /// It does from now on.
    pub(crate) fn begin_history(&mut self) {
        self.0 |= Self::HISTORY;
    }

    /// Whether its home may have forgotten what it was told of members here that are behind.
    #[must_use]
    pub(crate) const fn is_forgotten(self) -> bool {
        self.0 & Self::FORGOTTEN != 0
    }

    /// It may, because all have left.
    pub(crate) fn forget(&mut self) {
        self.0 |= Self::FORGOTTEN;
    }

    /// It is told now.
    pub(crate) fn tell(&mut self) {
        self.0 &= !Self::FORGOTTEN;
    }

    /// Whether its home has said that it has had clients, who can't be sent what is longer than they may say.
    #[must_use]
    #[inline]
    pub(crate) const fn has_clients(self) -> bool {
        self.0 & Self::CLIENTS != 0
    }

    /// It has; returns whether that is new.
    pub(crate) fn begin_clients(&mut self) -> bool {
        let is_new = !self.has_clients();
        self.0 |= Self::CLIENTS;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::Facts;

    /// Goal: what is so is so until it is said otherwise, whatever else is.
    #[test]
    fn facts_are_apart() {
        let mut facts = Facts::default();
        assert!(!facts.is_held() && !facts.has_history());
        assert!(facts.hold(true) && !facts.hold(true));
        facts.begin_history();
        assert!(facts.is_held() && facts.has_history());
        assert!(facts.hold(false) && !facts.hold(false));
        assert!(!facts.is_held() && facts.has_history() && !facts.has_clients());
        assert!(facts.begin_clients() && !facts.begin_clients());
        assert!(!facts.is_held() && facts.has_history() && facts.has_clients());
        facts.forget();
        assert!(facts.is_forgotten() && facts.has_clients());
        facts.tell();
        assert!(!facts.is_forgotten() && facts.has_clients());
    }
}
