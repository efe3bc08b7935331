//! Numbers that documents tell and that are constants of the code: the one is held against the other.

use crate::documents::one_line;
use crate::finding::Finding;
use crate::source::Source;

/// What a document says, with `{}` where the number stands, and the constant that it is.
pub(crate) type Figure = (&'static str, &'static str, &'static str, &'static str);

const PROTOCOL: &str = "docs/PROTOCOL.md";
const TOKENS: &str = "docs/TOKENS.md";
const MAP: &str = "docs/ARCHITECTURE.md";

const VALUE: &str = "src/protocol/centrifugo/json/value.rs";
const HELD: &str = "src/session/client/held.rs";
const PUBLISHING: &str = "src/session/client/publishing.rs";
const COOLING: &str = "src/session/client/cooling.rs";
const PULSE: &str = "src/shard/client/pulse.rs";
const STOP: &str = "src/shard/stop.rs";
const ASK: &str = "src/shard/ask.rs";
const ERROR: &str = "src/auth/error.rs";
const CLAIMS: &str = "src/auth/claims.rs";
const CACHE: &str = "src/auth/jwks/cache.rs";
const CLIENT: &str = "src/auth/jwks/client.rs";
const JWKS: &str = "src/auth/jwks.rs";
const WAITING: &str = "src/auth/waiting.rs";
const REPLY: &str = "src/protocol/centrifugo/protobuf/reply.rs";

/// All that are held so. Settings are not here: their defaults are compared where they are defined.
pub(crate) const FIGURES: &[Figure] = &[
    (
        PROTOCOL,
        "More than {} arrays and objects",
        VALUE,
        "DEPTH_MAX",
    ),
    (
        PROTOCOL,
        "| arrays and objects of a value within each other | {} |",
        VALUE,
        "DEPTH_MAX",
    ),
    (
        PROTOCOL,
        "of which {} of commands wait",
        HELD,
        "HELD_BYTES_MAX",
    ),
    (
        PROTOCOL,
        "| commands that wait for others | {} |",
        HELD,
        "HELD_BYTES_MAX",
    ),
    (
        PROTOCOL,
        "It may have {} publishes without an answer",
        PUBLISHING,
        "UNDER_WAY_MAX",
    ),
    (
        PROTOCOL,
        "| publishes of a connection without an answer | {} |",
        PUBLISHING,
        "UNDER_WAY_MAX",
    ),
    (
        PROTOCOL,
        "waits for it, for {} at most",
        HELD,
        "PATIENCE_TICKS",
    ),
    (
        PROTOCOL,
        "that wait for their room | one, for {} |",
        HELD,
        "PATIENCE_TICKS",
    ),
    (
        PROTOCOL,
        "all there was for it, and then for {}, which doubles",
        COOLING,
        "WAIT_TICKS_MIN",
    ),
    (
        PROTOCOL,
        "which doubles up to {} as long as",
        COOLING,
        "WAIT_TICKS_MAX",
    ),
    (
        PROTOCOL,
        "| time before a room takes a slow client again | {} |",
        COOLING,
        "WAIT_TICKS_MAX",
    ),
    (
        PROTOCOL,
        "takes nothing at all for {} is closed",
        PULSE,
        "STUCK_TICKS_MAX",
    ),
    (
        PROTOCOL,
        "| time in which a socket takes nothing | {} |",
        PULSE,
        "STUCK_TICKS_MAX",
    ),
    (
        PROTOCOL,
        "what was said before, for {} at most",
        STOP,
        "FAREWELL_MAX",
    ),
    (
        PROTOCOL,
        "| time for what was said before a stop | {} |",
        STOP,
        "FAREWELL_MAX",
    ),
    (
        PROTOCOL,
        "A reply has at most {}, and ends",
        ASK,
        "ANSWER_BYTES_MAX",
    ),
    (PROTOCOL, "| token | {} |", ERROR, "TOKEN_BYTES_MAX"),
    (PROTOCOL, "| user's id | {} |", ERROR, "USER_BYTES_MAX"),
    (
        PROTOCOL,
        "in a room, with its user | {} |",
        "src/message/info.rs",
        "PACKED_BYTES_MAX",
    ),
    (
        PROTOCOL,
        "in Protobuf the fields {} and",
        REPLY,
        "PUBLISHED_OFFSET",
    ),
    (
        PROTOCOL,
        "and {} of `PublishResult`",
        REPLY,
        "PUBLISHED_EPOCH",
    ),
    (TOKENS, "A token has at most {}.", ERROR, "TOKEN_BYTES_MAX"),
    (TOKENS, "the user's id, up to {};", ERROR, "USER_BYTES_MAX"),
    (
        TOKENS,
        "more than {} before then it is not good yet",
        CLAIMS,
        "EARLY_SECONDS_MAX",
    ),
    (
        TOKENS,
        "then once in {}, however many",
        CACHE,
        "UNKNOWN_INTERVAL",
    ),
    (
        TOKENS,
        "waits for the answer, {} at most",
        CLIENT,
        "FETCH_TIMEOUT",
    ),
    (
        MAP,
        "| commands of a client that wait for another, before it is not read | {} |",
        HELD,
        "HELD_BYTES_MAX",
    ),
    (
        MAP,
        "| messages of a client that wait for their room | one, for {};",
        HELD,
        "PATIENCE_TICKS",
    ),
    (
        MAP,
        "| messages of a client that have no place yet | {};",
        PUBLISHING,
        "UNDER_WAY_MAX",
    ),
    (
        MAP,
        "| a token, its user's id | {},",
        ERROR,
        "TOKEN_BYTES_MAX",
    ),
    (
        MAP,
        "| a key set, the time to fetch it | {} and",
        JWKS,
        "JWKS_BYTES_MAX",
    ),
    (
        MAP,
        "unknown names ask for it once in {} |",
        CACHE,
        "UNKNOWN_INTERVAL",
    ),
    (
        MAP,
        "| checks of a thread that wait for keys | {};",
        WAITING,
        "WAITING_MAX",
    ),
];

/// Figures that a document does not tell as they are.
pub(crate) fn wrong(
    figures: &[Figure],
    documents: &[(String, String)],
    sources: &[Source],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for &(document, sentence, file, name) in figures {
        let source = sources.iter().find(|source| source.path == file);
        let forms = source.and_then(|source| forms(&source.text, name));
        let Some(forms) = forms else {
            let fix = format!("there is no constant {name} that is read: {sentence}");
            findings.push(Finding::at(file, 0, fix));
            continue;
        };
        let told = documents.iter().find(|(path, _)| path == document);
        let told = told.map_or(String::new(), |(_, text)| one_line(text));
        if !forms
            .iter()
            .any(|form| told.contains(&sentence.replace("{}", form)))
        {
            let fix = format!(
                "does not say \"{}\", as {file} has {name}",
                sentence.replace("{}", &forms[0])
            );
            findings.push(Finding::at(document, 0, fix));
        }
    }
    findings
}

/// How the value of a constant may be told; none when there is no such constant, or none that is understood.
fn forms(code: &str, name: &str) -> Option<Vec<String>> {
    let (_, rest) = code.split_once(&format!("const {name}: "))?;
    let (kind, rest) = rest.split_once('=')?;
    let value = value(rest.split_once(';')?.0.trim())?;
    if name.contains("BYTES") {
        return Some(bytes(value));
    }
    if name.contains("TICKS") || kind.trim() == "Duration" {
        return Some(time(value));
    }
    if name.contains("SECONDS") {
        return Some(time(value * 1000));
    }
    Some(vec![grouped(value), value.to_string()])
}

/// What an expression is, times in milliseconds.
fn value(expression: &str) -> Option<u64> {
    let number = |text: &str| match text.trim() {
        "TICKS_PER_SECOND" => Some(1000),
        text => text.replace('_', "").parse::<u64>().ok(),
    };
    if let Some((left, right)) = expression.split_once("<<") {
        return Some(number(left)? << number(right)?);
    }
    if let Some((left, right)) = expression.split_once('*') {
        return Some(number(left)? * number(right)?);
    }
    if let Some((left, right)) = expression.split_once('/') {
        return Some(number(left)? / number(right)?);
    }
    let argument = |call: &str| number(expression.strip_prefix(call)?.strip_suffix(')')?);
    if let Some(seconds) = argument("Duration::from_secs(") {
        return Some(seconds * 1000);
    }
    match expression {
        "u16::MAX as usize" => Some(u16::MAX.into()),
        _ => number(expression),
    }
}

fn bytes(value: u64) -> Vec<String> {
    let units = [(20, "MiB"), (10, "KiB")];
    let whole = (units.into_iter()).find(|(bits, _)| value > 0 && value.is_multiple_of(1 << bits));
    vec![match whole {
        Some((bits, unit)) => format!("{} {unit}", value >> bits),
        None => format!("{} bytes", grouped(value)),
    }]
}

fn time(milliseconds: u64) -> Vec<String> {
    match milliseconds {
        500 => vec!["half a second".to_owned(), "0.5 s".to_owned()],
        whole => vec![
            format!("{} s", whole / 1000),
            format!("{} seconds", whole / 1000),
        ],
    }
}

/// A number with a comma for each thousand.
fn grouped(value: u64) -> String {
    match value {
        0..1000 => value.to_string(),
        _ => format!("{},{:03}", grouped(value / 1000), value % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, code: &str) -> Vec<String> {
        let documents = [("a.md".to_owned(), text.to_owned())];
        let sources = [Source::new("src/a.rs", code.to_owned())];
        let figures = [("a.md", "waits for {} at most", "src/a.rs", "WAIT")];
        let findings = wrong(&figures, &documents, &sources);
        findings.iter().map(Finding::to_string).collect()
    }

    /// Goal: a figure that is told as it is is accepted, wherever lines end; another one, one that is not told and one
    /// of no constant are found.
    #[test]
    fn wrong_figures_are_found() {
        let code = "pub(crate) const WAIT: Duration =\n    Duration::from_secs(4);\n";
        assert_eq!(lines("It waits for\n4 seconds at most.", code), [""; 0]);
        assert_eq!(lines("It waits for 4 s at most.", code), [""; 0]);
        for (text, code) in [
            ("It waits for 5 seconds at most.", code),
            ("It waits.", code),
            (
                "It waits for 4 seconds at most.",
                "const WAIT: Duration = LONG;",
            ),
            ("It waits for 4 seconds at most.", ""),
        ] {
            assert_eq!(lines(text, code).len(), 1, "{text} {code}");
        }
    }

    /// Goal: values are told in their units.
    #[test]
    fn values_are_told_in_their_units() {
        for (code, form) in [
            ("const A_BYTES_MAX: usize = 64 << 10;", "64 KiB"),
            ("const A_BYTES_MAX: usize = 1 << 20;", "1 MiB"),
            (
                "const A_BYTES_MAX: usize = u16::MAX as usize;",
                "65,535 bytes",
            ),
            ("const A_MAX: usize = 1_024;", "1,024"),
            ("const A_TICKS: u32 = 30 * TICKS_PER_SECOND;", "30 s"),
            (
                "const A_TICKS: u32 = TICKS_PER_SECOND / 2;",
                "half a second",
            ),
            ("const A_SECONDS_MAX: u64 = 60;", "60 s"),
        ] {
            let name = code.split([' ', ':']).nth(1).unwrap();
            assert_eq!(forms(code, name).unwrap()[0], form, "{code}");
        }
    }
}
