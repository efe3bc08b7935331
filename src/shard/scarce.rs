//! What gives way when there is no descriptor for another connection: those that have had their answer,
//! and those that have come and said nothing. Sessions stay.

use std::time::Duration;

use super::Shard;
use super::parts::action::Action;
use crate::id::SessionKey;
use crate::session::tick::Tick;
use crate::session::{Flags, Phase};

/// How long a request head may take when others wait for its descriptor.
const HEAD_PATIENCE: Duration = Duration::from_secs(1);

impl Shard {
    /// Accepting was put off because a limit was reached. Otherwise connections that are only waited
    /// for, with pages asked for and refused, would keep everybody out until their time is over.
    pub(crate) fn accept_backed_off(&mut self) {
        self.metrics().accept_backoffs.add(1);
        let head_timeout = self.config().head_timeout;
        let late = Tick::at((self.now + head_timeout).saturating_sub(HEAD_PATIENCE));
        let slots: Vec<u32> = self.sessions.slots().collect();
        for slot in slots {
            let session = self.sessions.at(slot);
            match session.phase() {
                Phase::Lingering if !session.flags().any(Flags::CLOSE_SENT) => self.kill(slot),
                Phase::Head if session.head_deadline() <= late => {
                    let key: SessionKey = self.sessions.key(slot);
                    self.actions.push_back(Action::Measure(key));
                }
                _ => {}
            }
        }
    }
}
