//! Flags for what is said to a server besides payloads, and what they make together.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use fanring::wire::message::Kind;

use crate::cli::redact;
use crate::protocol;
use crate::protocol::script::{Saying, Script, Step};
use crate::protocol::seam::{Entry, Manner, Wishes};
use crate::protocol::secrets::Secrets;
use crate::protocol::speech::Speech;
use crate::protocol::text::Text;
use crate::protocol::upgrade::{Request, Upgrade};
use crate::protocol::values::Values;

/// Flags for the dialogue of a session. Texts have {room}, {i} and {run}, the numbers of room, session and run, {env:NAME} from
/// the environment, and the columns of --vars.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Dialogue")]
pub(crate) struct DialogueArgs {
    /// What is spoken.
    #[arg(long, value_name = "NAME", default_value = "plain", value_parser = names())]
    pub(crate) protocol: String,
    /// Something that the protocol leaves open, as NAME=VALUE; what there is stands at the end.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// File of values for each session: names of columns in the first line, then a row for each, with commas; rows take
    /// turns. In every text below, {NAME} stands for the session's value.
    #[arg(long, value_name = "FILE")]
    pub(crate) vars: Option<PathBuf>,
    /// Header of the upgrade request, as `Name: value`. Here and below, {room} and {i} stand for the numbers of room and
    /// session, {run} for what no other run has, and {env:NAME} for a secret from the environment, which no report has. May be given several times.
    #[arg(long, value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// Subprotocol to offer. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) subprotocol: Vec<String>,
    /// Message each session sends when it opens, such as a join. It and --await may be given several times, and happen in
    /// the order in which they stand. \n \r \t \0 \xNN and \\ are bytes, @FILE is a file as it is, and text: or binary:
    /// before it says what it is sent as.
    #[arg(long, value_name = "TEXT")]
    pub(crate) send_on_open: Vec<Placed>,
    /// Goes on only when a message came with this text in it. A session counts as open once all of these have come.
    #[arg(long = "await", value_name = "TEXT")]
    pub(crate) awaited: Vec<Placed>,
    /// Whenever a message has TEXT in it, ANSWER is sent.
    #[arg(long, value_name = "TEXT=ANSWER")]
    pub(crate) reply: Vec<String>,
    /// Each session sends this again and again, such as 25s=ping.
    #[arg(long, value_name = "SPAN=TEXT")]
    pub(crate) every: Vec<String>,
    /// What is published, with {payload} where the payload goes. Given at all, the payload is looked for inside what
    /// arrives: {payload} alone is for servers that wrap messages.
    #[arg(long, value_name = "TEXT")]
    pub(crate) publish_template: Option<String>,
    /// Payloads may come back as text or as binary messages, however they were sent.
    #[arg(long)]
    pub(crate) any_type: bool,
}

/// A text, and its place among all such texts: those of several flags happen in one order.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    place: usize,
    text: String,
}

impl FromStr for Placed {
    type Err = Infallible;

    /// Values are parsed in the order in which they stand on the command line.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Ok(Self {
            place: NEXT.fetch_add(1, Ordering::Relaxed),
            text: text.to_owned(),
        })
    }
}

/// Where the sessions go.
pub(crate) struct Place<'a> {
    /// Path and query as they were given.
    pub(crate) path: Option<String>,
    /// Those of a server such as Fanring.
    pub(crate) default_path: &'a str,
}

impl DialogueArgs {
    /// The protocol that was chosen.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(crate) fn entry(&self) -> anyhow::Result<&'static Entry> {
        protocol::find(&self.protocol)
    }

    /// The flags as they were given, those of one order in that order; without headers and what else may
    /// be secret.
    pub(crate) fn told(&self) -> Vec<String> {
        let steps = |flag, texts: &[Placed]| -> Vec<_> {
            let told = |text: &Placed| (text.place, format!("{flag} {}", text.text));
            texts.iter().map(told).collect()
        };
        let mut steps = [
            steps("--send-on-open", &self.send_on_open),
            steps("--await", &self.awaited),
        ]
        .concat();
        steps.sort_unstable();
        let mut all: Vec<_> = steps.into_iter().map(|(_, text)| text).collect();
        for (flag, texts) in [
            ("--set", &self.set),
            ("--subprotocol", &self.subprotocol),
            ("--reply", &self.reply),
            ("--every", &self.every),
        ] {
            all.extend(texts.iter().map(|text| format!("{flag} {text}")));
        }
        let vars = self.vars.as_ref().map(|path| path.display().to_string());
        let template = self.publish_template.clone();
        for (flag, text) in [("--vars", vars), ("--publish-template", template)] {
            all.extend(text.map(|text| format!("{flag} {text}")));
        }
        all.extend(self.any_type.then(|| "--any-type".to_owned()));
        all.iter().map(|line| redact::message(line)).collect()
    }

    /// Puts together what is spoken.
    ///
    /// # Errors
    /// One sentence that names the flag and what it takes.
    pub(crate) fn speech(self, place: Place<'_>, kind: Kind) -> anyhow::Result<Speech> {
        let entry = self.entry()?;
        let secrets = self.secrets(place.path.as_deref());
        let values = match &self.vars {
            Some(path) => Values::read(path)?,
            None => Values::default(),
        };
        let script = self.script(&values.columns)?;
        ensure!(
            entry.manner != Manner::Own || (script.is_empty() && self.publish_template.is_none()),
            "--protocol {} says all by itself: leave --send-on-open, --await, --reply, --every and \
             --publish-template away, and see --set",
            entry.name
        );
        let wishes = Wishes {
            kind,
            script: &script,
            template: self.publish_template.as_deref(),
            columns: &values.columns,
            choices: protocol::choose(entry, &self.set)?,
        };
        let protocol = (entry.make)(&wishes)?;
        let offer = protocol.offer();
        let path = place.path.or(offer.path);
        let request = Request {
            path: path.unwrap_or_else(|| place.default_path.to_owned()),
            headers: [offer.headers, self.header].concat(),
            subprotocols: [offer.subprotocols, self.subprotocol].concat(),
        };
        let arrives_as = protocol.arrives_as().filter(|_| !self.any_type);
        Ok(Speech {
            name: entry.name,
            upgrade: Upgrade::new(request, &values)?,
            protocol,
            values,
            secrets,
            arrives_as,
        })
    }

    /// All that is sent as a secret and stands on the command line, or in the environment.
    fn secrets(&self, path: Option<&str>) -> Secrets {
        let placed = self.send_on_open.iter().chain(&self.awaited);
        let placed = placed.map(|placed| placed.text.as_str());
        let texts = [&self.set, &self.reply, &self.every].into_iter().flatten();
        let texts = texts.chain(&self.publish_template).map(String::as_str);
        let texts = placed.chain(texts).chain(path).map(|text| ("", text));
        let headers = self
            .header
            .iter()
            .map(|header| ("--header", header.as_str()));
        let said = texts.chain(headers).flat_map(|(flag, text)| {
            let variables = text.split("{env:").skip(1);
            let variables = variables.filter_map(|rest| rest.split_once('}'));
            let from_environment = variables.filter_map(|(name, _)| std::env::var(name).ok());
            redact::secrets(flag, text)
                .into_iter()
                .chain(from_environment)
        });
        Secrets::new(said)
    }

    fn script(&self, columns: &[String]) -> anyhow::Result<Script> {
        let mut script = Script::default();
        let mut steps = Vec::new();
        for said in &self.send_on_open {
            let about = || format!("--send-on-open {:?}", said.text);
            let saying = Saying::parse(&said.text, columns).with_context(about)?;
            steps.push((said.place, Step::Say(saying)));
        }
        for awaited in &self.awaited {
            let about = || format!("--await {:?}", awaited.text);
            ensure!(!awaited.text.is_empty(), "{}: want some text", about());
            let text = Text::escaped(&awaited.text, columns).with_context(about)?;
            steps.push((awaited.place, Step::Await(text)));
        }
        steps.sort_by_key(|(place, _)| *place);
        script.steps = steps.into_iter().map(|(_, step)| step).collect();
        for reply in &self.reply {
            let about = || format!("--reply {reply:?}");
            script.add_reply(reply, columns).with_context(about)?;
        }
        for beat in &self.every {
            let about = || format!("--every {beat:?}");
            script.add_beat(beat, columns).with_context(about)?;
        }
        Ok(script)
    }
}

fn names() -> PossibleValuesParser {
    let names = protocol::names();
    PossibleValuesParser::new(names.map(|(name, about)| PossibleValue::new(name).help(about)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn speech(flags: &[&str]) -> Result<Speech, String> {
        let all = ["fanload"].iter().chain(flags);
        let cli = Cli::try_parse_from(all).map_err(|error| error.to_string())?;
        let settings = cli.run.check().map_err(|error| format!("{error:#}"))?;
        Ok(settings.speech)
    }

    /// Goal: what is spoken is told as it was given, steps in their order and secrets left out.
    #[test]
    fn the_dialogue_is_told() {
        let flags = "--await hello --header Authorization:secret --send-on-open join --any-type \
                     --every 25s=ping --publish-template {payload}! --subprotocol chat";
        let all = ["fanload"].into_iter().chain(flags.split_whitespace());
        let settings = Cli::try_parse_from(all).unwrap().run.check().unwrap();
        let told = [
            "--await hello",
            "--send-on-open join",
            "--subprotocol chat",
            "--every 25s=ping",
            "--publish-template {payload}!",
            "--any-type",
        ];
        assert_eq!(settings.parameters().dialogue, told);
    }

    /// Goal: greetings and what is awaited between them keep the order of the command line, whichever flag comes first.
    #[test]
    fn steps_keep_their_order() {
        let flags = [
            "--await",
            "1",
            "--send-on-open",
            "2",
            "--await",
            "3",
            "--await",
            "4",
            "--send-on-open",
            "5",
        ];
        let cli = Cli::try_parse_from(["fanload"].iter().chain(&flags)).unwrap();
        let script = cli.run.dialogue.script(&[]).unwrap();
        let steps = script.steps.iter().map(|step| match step {
            Step::Say(saying) => saying.fill(&Default::default()).1,
            Step::Await(text) => [b"?".to_vec(), text.source().as_bytes().to_vec()].concat(),
        });
        let steps: Vec<_> = steps
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .collect();
        assert_eq!(steps, ["?1", "2", "?3", "?4", "5"]);
    }

    /// Goal: every text that can't be meant is refused by the name of its flag.
    #[test]
    fn bad_texts_name_their_flag() {
        let cases: [(&[&str], &str); 8] = [
            (
                &["--reply", "nothing"],
                "--reply \"nothing\": want TEXT=ANSWER",
            ),
            (&["--every", "soon=ping"], "want SPAN=TEXT"),
            (&["--await", ""], "--await \"\": want some text"),
            (&["--send-on-open", "@/nowhere/at.all"], "/nowhere/at.all"),
            (
                &["--header", "A: {env:FANLOAD_HAS_NO_SUCH}"],
                "FANLOAD_HAS_NO_SUCH",
            ),
            (&["--vars", "/nowhere/at.all"], "--vars /nowhere/at.all"),
            (&["--protocol", "nonsense"], "plain"),
            (&["--set", "a=b"], "nothing to set"),
        ];
        for (flags, wrong) in cases {
            let error = speech(flags).unwrap_err();
            assert!(error.contains(wrong), "{flags:?}: {error}");
        }
    }

    /// Goal: payloads come back as they were sent, unless it is said that either will do.
    #[test]
    fn types_are_expected() {
        assert_eq!(speech(&[]).unwrap().arrives_as, Some(Kind::Text));
        let binary = speech(&["--binary"]).unwrap();
        assert_eq!(binary.arrives_as, Some(Kind::Binary));
        assert_eq!(speech(&["--any-type"]).unwrap().arrives_as, None);
    }

    /// Goal: values of a file are in path, headers, greetings and envelope, each session's its own.
    #[test]
    fn values_are_each_sessions_own() {
        let name = format!("fanload-vars-{}.csv", std::process::id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, "token\nabc\ndef\n").unwrap();
        let flags = [
            "--vars",
            file.to_str().unwrap(),
            "--path",
            "/ws?t={token}",
            "--header",
            "Authorization: Bearer {token}",
        ];
        let made = speech(&flags).unwrap();
        let mut out = Vec::new();
        let names = ("here", "KEY");
        made.upgrade.append(&made.who(0, 1, 0), names, &mut out);
        let request = String::from_utf8(out).unwrap();
        assert!(request.starts_with("GET /ws?t=def "), "{request}");
        assert!(request.contains("\r\nAuthorization: Bearer def\r\n"));
        std::fs::write(&file, "token\nabc\nd f\n").unwrap();
        let error = speech(&flags).unwrap_err();
        assert!(error.contains("--path /ws?t={token}"), "{error}");
        std::fs::remove_file(&file).unwrap();
    }
}
