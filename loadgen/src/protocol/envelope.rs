//! What stands around a payload, as `--set NAME=...{payload}...` has it.

use anyhow::{Context, ensure};

use super::text::{Text, Who};

/// The same for all sessions.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    before: Text,
    after: Text,
}

impl Envelope {
    /// Takes a text apart at its `{payload}`.
    ///
    /// # Errors
    /// One sentence that names the choice and what it takes.
    pub(crate) fn parse(name: &str, source: &str, columns: &[String]) -> anyhow::Result<Self> {
        let about = || format!("--set {name}={source}");
        let wanted = || format!("{}: want {{payload}} in it, once", about());
        let (before, after) = source.split_once("{payload}").with_context(wanted)?;
        ensure!(!after.contains("{payload}"), wanted());
        Ok(Self {
            before: Text::escaped(before, columns).with_context(about)?,
            after: Text::escaped(after, columns).with_context(about)?,
        })
    }

    /// What stands around the payloads of a session.
    pub(crate) fn fill(&self, who: &Who<'_>) -> Around {
        Around {
            before: self.before.fill(who),
            after: self.after.fill(who),
        }
    }
}

/// What stands around the payloads of one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    pub(crate) before: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

impl Around {
    /// Whether payloads are all of it.
    pub(crate) fn is_nothing(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// How many bytes it makes of a payload.
    pub(crate) fn size(&self, payload: &[u8]) -> usize {
        self.before.len() + payload.len() + self.after.len()
    }

    /// Appends a payload with what stands around it.
    pub(crate) fn put(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before);
        out.extend_from_slice(payload);
        out.extend_from_slice(&self.after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a payload stands where it was said, with a session's own texts around it; what has no place for it, or
    /// two, is refused by its name.
    #[test]
    fn payloads_have_one_place() {
        let who = Who {
            session: 7,
            room: 3,
            ..Who::default()
        };
        let around = Envelope::parse("data", "{\"to\":{room},\"text\":\"{payload}\"}\\n", &[]);
        let around = around.unwrap().fill(&who);
        let mut out = Vec::new();
        around.put(b"abc", &mut out);
        assert_eq!(out, b"{\"to\":3,\"text\":\"abc\"}\n");
        assert_eq!(
            (around.size(b"abc"), around.is_nothing()),
            (out.len(), false)
        );
        let bare = Envelope::parse("data", "{payload}", &[]).unwrap();
        assert!(bare.fill(&who).is_nothing());
        for wrong in ["", "{payload}{payload}", "{payload"] {
            let error = Envelope::parse("data", wrong, &[]).unwrap_err();
            let error = format!("{error:#}");
            assert!(
                error.starts_with(&format!("--set data={wrong}: want")),
                "{error}"
            );
        }
    }
}
