//! `plain`: whoever sends a message, the others get it. What a server wants besides is a script: a
//! greeting, an answer to wait for, an envelope.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use anyhow::{Context, ensure};
use fanring::wire::message::Kind;

use super::script::{Saying, Script, Step};
use super::seam::{Entry, Listener, Manner, Place, Protocol, Speaker, Wishes};
use super::text::{Text, Who};

/// See the file.
pub(crate) const PLAIN: Entry = Entry {
    name: "plain",
    about: "Whoever sends a message, the others get it; with a dialogue by --send-on-open and so on",
    choices: &[],
    manner: Manner::Scripted,
    make,
};

/// The same, with everybody alone.
pub(crate) const ECHO: Entry = Entry {
    name: "echo",
    about: "Each session gets its own messages back: round trips, --in-flight of them at once",
    choices: &[],
    manner: Manner::Echo,
    make,
};

/// What stands around a payload.
#[derive(Clone, Debug)]
struct Envelope {
    before: Text,
    after: Text,
}

/// A dialogue, the same for all sessions.
#[derive(Clone, Debug)]
struct Dialogue {
    kind: Kind,
    script: Script,
    envelope: Option<Envelope>,
}

fn make(wishes: &Wishes<'_>) -> anyhow::Result<Arc<dyn Protocol>> {
    let envelope = wishes.template.map(|template| {
        let about = || format!("--publish-template {template:?}");
        let parts = template.split_once("{payload}");
        let (before, after) =
            parts.with_context(|| format!("{}: want {{payload}} in it, once", about()))?;
        ensure!(
            !after.contains("{payload}"),
            "{}: want {{payload}} in it, once",
            about()
        );
        let text = |source| Text::escaped(source, wishes.columns).with_context(about);
        let envelope = Envelope {
            before: text(before)?,
            after: text(after)?,
        };
        let (who, kind) = (Who::default(), wishes.kind);
        let bytes = [envelope.before.fill(&who), envelope.after.fill(&who)].concat();
        ensure!(
            kind == Kind::Binary || std::str::from_utf8(&bytes).is_ok(),
            "{}: that is not UTF-8, so it needs --binary",
            about()
        );
        Ok(envelope)
    });
    Ok(Arc::new(Dialogue {
        kind: wishes.kind,
        script: wishes.script.clone(),
        envelope: envelope.transpose()?,
    }))
}

impl Protocol for Dialogue {
    fn arrives_as(&self) -> Option<Kind> {
        Some(self.kind)
    }

    fn speaker(&self, who: &Who<'_>) -> Box<dyn Speaker> {
        let said = |saying: &Saying| {
            let (kind, bytes) = saying.fill(who);
            Message { kind, bytes }
        };
        let steps = self.script.steps.iter().map(|step| match step {
            Step::Say(saying) => Next::Say(said(saying)),
            Step::Await(text) => Next::Await(text.fill(who), text.source().to_owned()),
        });
        let replies = self.script.replies.iter();
        let beats = self.script.beats.iter();
        let around = |text: fn(&Envelope) -> &Text| {
            let envelope = self.envelope.as_ref();
            envelope.map_or_else(Vec::new, |envelope| text(envelope).fill(who))
        };
        Box::new(Talk {
            kind: self.kind,
            place: match self.envelope {
                Some(_) => Place::Within,
                None => Place::Whole,
            },
            before: around(|envelope| &envelope.before),
            after: around(|envelope| &envelope.after),
            steps: steps.collect(),
            replies: replies
                .map(|(text, answer)| (text.fill(who), said(answer)))
                .collect(),
            beats: beats
                .map(|(period_ns, saying)| (*period_ns, said(saying)))
                .collect(),
            due: BTreeSet::new(),
        })
    }
}

/// A message for one session.
struct Message {
    kind: Kind,
    bytes: Vec<u8>,
}

/// A step of one session.
enum Next {
    Say(Message),
    /// The bytes, and how the flag had them.
    Await(Vec<u8>, String),
}

/// One session's side of the dialogue.
struct Talk {
    kind: Kind,
    place: Place,
    before: Vec<u8>,
    after: Vec<u8>,
    /// Those that are not over.
    steps: VecDeque<Next>,
    replies: Vec<(Vec<u8>, Message)>,
    beats: Vec<(u64, Message)>,
    /// The times of the beats, with their places.
    due: BTreeSet<(u64, usize)>,
}

impl Talk {
    /// Says what is to be said until something is to be waited for.
    fn go_on(&mut self, to: &mut dyn Listener) {
        while let Some(Next::Say(message)) = self.steps.front() {
            to.say(message.kind, &message.bytes);
            self.steps.pop_front();
        }
    }
}

impl Speaker for Talk {
    fn opened(&mut self, now_ns: u64, to: &mut dyn Listener) {
        for (place, (period_ns, _)) in self.beats.iter().enumerate() {
            self.due.insert((now_ns + period_ns, place));
        }
        self.go_on(to);
    }

    fn received(
        &mut self,
        _now_ns: u64,
        _kind: Kind,
        message: &[u8],
        to: &mut dyn Listener,
    ) -> Result<(), String> {
        for (needle, answer) in &self.replies {
            if contains(message, needle) {
                to.say(answer.kind, &answer.bytes);
            }
        }
        let mut is_awaited = false;
        while let Some(Next::Await(needle, _)) = self.steps.front()
            && contains(message, needle)
        {
            self.steps.pop_front();
            is_awaited = true;
        }
        if is_awaited {
            self.go_on(to);
        }
        to.payload(message, self.place);
        Ok(())
    }

    fn waits_for(&self) -> Option<String> {
        match self.steps.front() {
            Some(Next::Await(_, source)) => Some(format!("a message with {source:?}")),
            _ => None,
        }
    }

    fn wrap(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Kind {
        out.extend_from_slice(&self.before);
        out.extend_from_slice(payload);
        out.extend_from_slice(&self.after);
        self.kind
    }

    fn due_ns(&self) -> Option<u64> {
        self.due.first().map(|(due_ns, _)| *due_ns)
    }

    fn due(&mut self, now_ns: u64, to: &mut dyn Listener) {
        while let Some(&(due_ns, place)) = self.due.first()
            && due_ns <= now_ns
        {
            self.due.pop_first();
            let (period_ns, message) = &self.beats[place];
            to.say(message.kind, &message.bytes);
            // A session that was held up says it once, and then goes on as it was.
            let missed = (now_ns - due_ns) / period_ns;
            self.due.insert((due_ns + (missed + 1) * period_ns, place));
        }
    }
}

fn contains(message: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || message.windows(needle.len()).any(|part| part == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Ear, WHO, wishes};

    fn talk(script: Script, template: Option<&str>) -> Box<dyn Speaker> {
        let mut wishes = wishes(&PLAIN, &[]);
        wishes.script = &script;
        wishes.template = template;
        make(&wishes).unwrap().speaker(&WHO)
    }

    fn say(text: &str) -> Step {
        Step::Say(Saying::parse(text, &[]).unwrap())
    }

    fn wait(text: &str) -> Step {
        Step::Await(Text::escaped(text, &[]).unwrap())
    }

    /// Goal: without a script a session is ready at once, and a payload is all of a message.
    #[test]
    fn plain_needs_no_script() {
        let (mut talk, mut ear) = (talk(Script::default(), None), Ear::default());
        talk.opened(0, &mut ear);
        assert_eq!(talk.waits_for(), None);
        talk.received(0, Kind::Text, b"FNLD", &mut ear).unwrap();
        assert_eq!(ear.payloads, [(b"FNLD".to_vec(), Place::Whole)]);
        assert!(ear.said.is_empty() && talk.due_ns().is_none());
        let mut out = Vec::new();
        assert_eq!(talk.wrap(b"abc", &mut out), Kind::Text);
        assert_eq!(out, b"abc");
    }

    /// Goal: steps go in order: what comes after something awaited is said when that has come, in one
    /// message or in several.
    #[test]
    fn steps_go_in_order() {
        let steps = vec![
            say("hello {i}"),
            wait("welcome"),
            wait("{room}"),
            say("join {room}"),
            wait("joined"),
        ];
        let script = Script {
            steps,
            ..Script::default()
        };
        let (mut talk, mut ear) = (talk(script, None), Ear::default());
        talk.opened(0, &mut ear);
        assert_eq!(ear.texts(), ["hello 7"]);
        talk.received(0, Kind::Text, b"go away", &mut ear).unwrap();
        assert_eq!(
            talk.waits_for().as_deref(),
            Some("a message with \"welcome\"")
        );
        talk.received(0, Kind::Text, b"welcome to 3", &mut ear)
            .unwrap();
        assert_eq!(ear.texts(), ["hello 7", "join 3"]);
        assert!(talk.waits_for().unwrap().contains("joined"));
        talk.received(0, Kind::Binary, b"\xffjoined", &mut ear)
            .unwrap();
        assert_eq!(talk.waits_for(), None);
    }

    /// Goal: whenever a message has the text in it, it is answered, also while something is awaited.
    #[test]
    fn replies_are_given_each_time() {
        let mut script = Script {
            steps: vec![wait("never")],
            ..Script::default()
        };
        script.add_reply("ping=pong {i}", &[]).unwrap();
        let (mut talk, mut ear) = (talk(script, None), Ear::default());
        talk.opened(0, &mut ear);
        for message in ["ping 1", "other", "a ping"] {
            talk.received(0, Kind::Text, message.as_bytes(), &mut ear)
                .unwrap();
        }
        assert_eq!(ear.texts(), ["pong 7", "pong 7"]);
        assert_eq!(ear.payloads.len(), 3, "whoever looks for payloads decides");
    }

    /// Goal: each beat keeps its own time, also after a pause.
    #[test]
    fn beats_keep_their_time() {
        let mut script = Script::default();
        script.add_beat("10ms=a", &[]).unwrap();
        script.add_beat("15ms=b", &[]).unwrap();
        let (mut talk, mut ear) = (talk(script, None), Ear::default());
        talk.opened(1_000_000, &mut ear);
        assert_eq!(talk.due_ns(), Some(11_000_000));
        for _ in 0..4 {
            let due_ns = talk.due_ns().unwrap();
            talk.due(due_ns, &mut ear);
        }
        assert_eq!(ear.texts(), ["a", "b", "a", "a", "b"]);
        talk.due(99_000_000, &mut ear);
        assert_eq!(ear.texts().len(), 7, "once each");
        assert_eq!(talk.due_ns(), Some(101_000_000));
    }

    /// Goal: an envelope is filled in and stands around each payload, which is then looked for.
    #[test]
    fn envelopes_stand_around_payloads() {
        let template = "{\"to\":{room},\"data\":\"{payload}\"}\\0";
        let (mut talk, mut ear) = (talk(Script::default(), Some(template)), Ear::default());
        let mut out = Vec::new();
        talk.wrap(b"abc", &mut out);
        assert_eq!(out, b"{\"to\":3,\"data\":\"abc\"}\0");
        talk.received(0, Kind::Text, b"{}", &mut ear).unwrap();
        assert_eq!(ear.payloads[0].1, Place::Within);
        let mut wishes = wishes(&PLAIN, &[]);
        for (template, wrong) in [
            ("nothing", "{payload} in it"),
            ("{payload}{payload}", "once"),
            ("\\xff{payload}", "--binary"),
        ] {
            wishes.template = Some(template);
            let error = make(&wishes).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
        wishes.kind = Kind::Binary;
        assert!(make(&wishes).is_ok());
    }
}
