//! What is spoken in a run: the protocol, the request that opens each session, and the values of each.

use std::sync::Arc;

use fanring::wire::message::Kind;

use super::seam::Protocol;
use super::secrets::Secrets;
use super::text::Who;
use super::upgrade::Upgrade;
use super::values::Values;

/// See the file.
#[derive(Clone, Debug)]
pub(crate) struct Speech {
    /// Name of the protocol.
    pub(crate) name: &'static str,
    pub(crate) protocol: Arc<dyn Protocol>,
    pub(crate) upgrade: Upgrade,
    pub(crate) values: Values,
    pub(crate) secrets: Secrets,
    /// Whether payloads must come back as text or binary messages; `None` if either is right.
    pub(crate) arrives_as: Option<Kind>,
}

impl Speech {
    /// Whose texts a session's are, in the run with this number.
    pub(crate) fn who(&self, run: u32, session: u32, room: u32) -> Who<'_> {
        Who {
            run,
            session,
            room,
            row: self.values.of(session),
        }
    }

    /// What a server said to a session, without what it was sent as a secret.
    pub(crate) fn hide(&self, session: u32, said: &str) -> String {
        self.secrets.hide(self.values.of(session), said)
    }
}
