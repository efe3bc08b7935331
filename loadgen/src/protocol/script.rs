//! What is said and heard besides the payloads, as the flags have it: what is said on open, what is
//! waited for, what is answered, and what is said again and again.

use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};
use fanring::wire::message::Kind;

use super::text::{Text, Who};
use crate::load::span::{Plain, parse};
use crate::own;

/// The largest file that is sent as one message, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A message to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    /// Text or binary, if that was said; else text if it is some.
    kind: Option<Kind>,
    text: Text,
}

impl Saying {
    /// A message as a flag has it: a text with escapes, or `@FILE`, and before either `text:` or
    /// `binary:` if it matters.
    ///
    /// # Errors
    /// A file that can't be read, or a variable that is not there.
    pub(crate) fn parse(source: &str, columns: &[String]) -> anyhow::Result<Self> {
        let (kind, text) = match source.split_once(':') {
            Some(("binary", text)) => (Some(Kind::Binary), text),
            Some(("text", text)) => (Some(Kind::Text), text),
            _ => (None, source),
        };
        let text = match text.strip_prefix('@') {
            Some(path) => Text::verbatim(source, read(path)?),
            None => Text::escaped(text, columns)?,
        };
        Ok(Self { kind, text })
    }

    /// The message for a session.
    pub(crate) fn fill(&self, who: &Who<'_>) -> (Kind, Vec<u8>) {
        let bytes = self.text.fill(who);
        let is_text = || std::str::from_utf8(&bytes).is_ok();
        let kind = match self.kind {
            Some(kind) => kind,
            None if is_text() => Kind::Text,
            None => Kind::Binary,
        };
        (kind, bytes)
    }
}

/// What a session does until it is ready.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Say(Saying),
    /// Goes on when a message has this in it.
    Await(Text),
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    /// What is answered to messages that have a text in them.
    pub(crate) replies: Vec<(Text, Saying)>,
    /// What is said, and how many nanoseconds apart.
    pub(crate) beats: Vec<(u64, Saying)>,
}

impl Script {
    /// Whether nothing is said at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.replies.is_empty() && self.beats.is_empty()
    }

    /// Adds `TEXT=ANSWER`.
    ///
    /// # Errors
    /// One sentence that says what is wanted.
    pub(crate) fn add_reply(&mut self, source: &str, columns: &[String]) -> anyhow::Result<()> {
        let parts = source.split_once('=').filter(|(text, _)| !text.is_empty());
        let (text, answer) = parts.context("want TEXT=ANSWER; an = within TEXT is \\x3d")?;
        let reply = (
            Text::escaped(text, columns)?,
            Saying::parse(answer, columns)?,
        );
        self.replies.push(reply);
        Ok(())
    }

    /// Adds `25s=TEXT`.
    ///
    /// # Errors
    /// One sentence that says what is wanted.
    pub(crate) fn add_beat(&mut self, source: &str, columns: &[String]) -> anyhow::Result<()> {
        let parts = source.split_once('=');
        let parts = parts.and_then(|(span, text)| Some((parse(span, Plain::Refused).ok()?, text)));
        let (span, text) = parts.context("want SPAN=TEXT, such as 25s=ping or 500ms=ping")?;
        ensure!(
            span >= Duration::from_millis(1),
            "want at least 1ms between two"
        );
        let span_ns = u64::try_from(span.as_nanos()).expect("a day at most");
        self.beats.push((span_ns, Saying::parse(text, columns)?));
        Ok(())
    }
}

fn read(path: &str) -> anyhow::Result<Vec<u8>> {
    let about = || format!("@{path}: can't read that file");
    own::ask().with_context(about)?;
    let size = fs::metadata(path).with_context(about)?.len();
    ensure!(
        size <= FILE_BYTES_MAX,
        "@{path}: want a file of at most {FILE_BYTES_MAX} bytes"
    );
    fs::read(path).with_context(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(source: &str) -> (Kind, Vec<u8>) {
        let saying = Saying::parse(source, &[]).unwrap();
        saying.fill(&Who::default())
    }

    /// Goal: what is text goes as text unless it is said otherwise, and a file goes as it is.
    #[test]
    fn messages_have_their_kind() {
        assert_eq!(said("CONNECT\\n\\n\\0").0, Kind::Text);
        assert_eq!(said("\\xff\\x00"), (Kind::Binary, vec![255, 0]));
        assert_eq!(said("binary:\\x10\\x02"), (Kind::Binary, vec![16, 2]));
        assert_eq!(said("text:binary:a"), (Kind::Text, b"binary:a".to_vec()));
        let name = format!("fanload-saying-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, b"\\n{room}").unwrap();
        let file = path.to_str().unwrap();
        assert_eq!(
            said(&format!("binary:@{file}")),
            (Kind::Binary, b"\\n{room}".to_vec())
        );
        fs::remove_file(&path).unwrap();
        let error = Saying::parse(&format!("@{file}"), &[]).unwrap_err();
        assert!(error.to_string().contains(file));
    }

    /// Goal: replies and beats are taken apart at their first =, and what is none says what is wanted.
    #[test]
    fn replies_and_beats_are_read() {
        let mut script = Script::default();
        assert!(script.is_empty());
        script.add_reply("a\\x3db=c=d", &[]).unwrap();
        script.add_beat("1.5s={\"x\"=1}", &[]).unwrap();
        let (needle, answer) = &script.replies[0];
        assert_eq!(needle.fill(&Who::default()), b"a=b");
        assert_eq!(answer.fill(&Who::default()).1, b"c=d");
        assert_eq!(script.beats[0].0, 1_500_000_000);
        for wrong in ["no answer", "=answer"] {
            let error = script.add_reply(wrong, &[]).unwrap_err();
            assert!(error.to_string().contains("TEXT=ANSWER"), "{wrong}");
        }
        for wrong in ["25=ping", "s=ping", "0ms=ping", "25s", "2d=ping", "99h=x"] {
            assert!(script.add_beat(wrong, &[]).is_err(), "{wrong}");
        }
    }
}
