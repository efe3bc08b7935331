//! A plain member of a room, from its handshake on.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::ledger::Ledger;
use super::room::Announced;
use super::run::Run;
use super::saying::{MessageId, identify};

/// A plain member.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    pub(crate) room: usize,
    pub(crate) author: u32,
    /// Whether it takes part in presence.
    pub(crate) is_visible: bool,
    /// Whether it gets its own messages too.
    pub(crate) has_echo: bool,
    /// When it was let in.
    since: Duration,
    heard: Vec<MessageId>,
    others: HashMap<String, bool>,
}

impl Plain {
    /// One that was let in now.
    pub(crate) fn new(room: usize, is_visible: bool, has_echo: bool, ledger: &mut Ledger) -> Self {
        Self {
            room,
            author: ledger.author(),
            is_visible,
            has_echo,
            since: Duration::ZERO,
            heard: Vec::new(),
            others: HashMap::new(),
        }
    }

    /// It is let in.
    pub(crate) fn arrive(&mut self, ledger: &Ledger) {
        self.since = ledger.rooms[self.room].now;
    }

    /// A message or a notice.
    pub(crate) fn hear(&mut self, payload: &[u8], ledger: &Ledger) -> Result<(), String> {
        if let Some(notice) = notice(payload) {
            return self.notice(&notice, ledger);
        }
        self.heard.push(identify(payload)?);
        Ok(())
    }

    fn notice(&mut self, notice: &Value, ledger: &Ledger) -> Result<(), String> {
        if !self.is_visible {
            return Err(format!("it wants no notices: {notice}"));
        }
        let comes = match notice["event"].as_str() {
            Some("connect") => true,
            Some("disconnect") => false,
            Some("members") => return Ok(()),
            _ => return Err(format!("an unknown notice: {notice}")),
        };
        let name = notice["id"].as_str().ok_or("nobody")?;
        let me = &ledger.authors[self.author as usize].name;
        if me.as_deref() == Some(name) {
            return Err(format!("it hears of itself: {notice}"));
        }
        if ledger.rooms[self.room].rules.announced == Announced::Some {
            return Ok(());
        }
        match self.others.insert(name.to_owned(), comes) {
            Some(was_there) if was_there == comes => Err(format!("{name} twice: {notice}")),
            _ => Ok(()),
        }
    }

    /// Whether what it heard is a part of the room's order, and, if it is still there, all that it is owed.
    pub(crate) fn check(
        &self,
        ledger: &Ledger,
        is_there: bool,
        is_known: bool,
    ) -> Result<(), String> {
        let run = Run {
            room: self.room,
            heard: &self.heard,
            without: (!self.has_echo).then_some(self.author),
            is_known: is_known && !ledger.rooms[self.room].has_lost_witness,
            owed_since: is_there.then_some(self.since),
        };
        run.check(ledger)
    }

    /// How many messages it has heard.
    pub(crate) fn heard(&self) -> usize {
        self.heard.len()
    }

    /// Everything rests: it knows of nobody who is not there.
    pub(crate) fn check_rest(&self, is_present: impl Fn(&str) -> bool) -> Result<(), String> {
        let wrong = (self.others.iter()).find(|(name, is_there)| is_present(name) != **is_there);
        match wrong {
            None => Ok(()),
            Some((name, is_there)) => Err(format!("it believes of {name}: {is_there}")),
        }
    }
}

/// What the server itself says.
fn notice(payload: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(payload).ok()?;
    value.get("event").is_some().then_some(value)
}
