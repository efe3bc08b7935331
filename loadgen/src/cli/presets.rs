//! Flags by name, so that runs of different people and servers can be compared.

use std::ffi::OsString;
use std::fmt::Write;

use crate::protocol;

/// A name, and the flags it stands for.
struct Preset {
    name: &'static str,
    flags: &'static [&'static str],
}

const PRESETS: [Preset; 14] = [
    Preset {
        name: "small-room",
        flags: &["--subscribers", "20", "--rate", "500"],
    },
    Preset {
        name: "fanout-1k",
        flags: &["--subscribers", "1000", "--rate", "60"],
    },
    Preset {
        name: "fanout-1k-heavy",
        flags: &["--subscribers", "1000", "--rate", "1000"],
    },
    Preset {
        name: "fanout-10k",
        flags: &["--subscribers", "10000", "--rate", "5"],
    },
    Preset {
        name: "large-messages",
        flags: &["--subscribers", "1000", "--rate", "20", "--size", "16384"],
    },
    Preset {
        name: "rooms-100x10",
        flags: &[
            "--workload",
            "rooms",
            "--rooms",
            "100",
            "--members",
            "10",
            "--rate",
            "1000",
        ],
    },
    Preset {
        name: "chat-100",
        flags: &[
            "--workload",
            "chat",
            "--subscribers",
            "100",
            "--rate",
            "200",
            "--arrivals",
            "poisson",
            "--size",
            "64,64,64,256,1024",
        ],
    },
    Preset {
        name: "idle-10k",
        flags: &["--workload", "idle", "--subscribers", "10000"],
    },
    Preset {
        name: "storm-1k",
        flags: &[
            "--workload",
            "storm",
            "--subscribers",
            "1000",
            "--rate",
            "60",
        ],
    },
    Preset {
        name: "churn-1k",
        flags: &[
            "--workload",
            "churn",
            "--subscribers",
            "1000",
            "--rate",
            "60",
            "--churn-rate",
            "50",
        ],
    },
    Preset {
        name: "slow-1k",
        flags: &[
            "--workload",
            "slow",
            "--subscribers",
            "1000",
            "--rate",
            "60",
            "--slow-percent",
            "5",
        ],
    },
    Preset {
        name: "server-root",
        flags: &["--path", "/"],
    },
    Preset {
        name: "server-echoing",
        flags: &["--path", "/", "--self-delivery"],
    },
    Preset {
        name: "server-join",
        flags: &[
            "--path",
            "/",
            "--send-on-open",
            "{\"type\":\"join\",\"room\":\"{room}\"}",
            "--publish-template",
            "{\"type\":\"publish\",\"room\":\"{room}\",\"data\":\"{payload}\"}",
            "--self-delivery",
            "--settle",
            "0.5",
        ],
    },
];

/// Puts the flags of every `--preset` before all others, which so take precedence.
///
/// # Errors
/// The name that is no preset.
pub(crate) fn expand(arguments: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let mut flags = Vec::new();
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        let Some(word) = word.to_str() else { continue };
        let name = match word.strip_prefix("--preset") {
            Some("") => words.next().and_then(|name| name.to_str()),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        let Some(name) = name else { continue };
        let preset = PRESETS.iter().find(|preset| preset.name == name);
        let preset = preset.ok_or_else(|| {
            let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
            format!("--preset {name}: want one of {}", names.join(", "))
        })?;
        flags.extend(preset.flags.iter().map(OsString::from));
    }
    let is_flag = |word: &OsString| word.to_string_lossy().starts_with('-');
    let at = 1 + usize::from(arguments.get(1).is_some_and(|word| !is_flag(word)));
    let mut all = arguments;
    let at = at.min(all.len());
    all.splice(at..at, flags);
    Ok(all)
}

/// The list for `--help`.
pub(crate) fn help() -> String {
    let mut text =
        "Presets (servers and loads can be combined, --preset given twice):\n".to_owned();
    for preset in &PRESETS {
        let _ = writeln!(text, "  {:<16} {}", preset.name, preset.flags.join(" "));
    }
    text.push_str(&protocol::help());
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(flags: &[&str]) -> Cli {
        let all = ["fanload"]
            .iter()
            .chain(flags)
            .map(OsString::from)
            .collect();
        Cli::try_parse_from(expand(all).unwrap()).unwrap()
    }

    /// Goal: every preset is a run that passes the checks.
    #[test]
    fn presets_are_runs() {
        for preset in &PRESETS {
            let cli = parse(&["--preset", preset.name]);
            cli.run
                .check()
                .unwrap_or_else(|error| panic!("{}: {error}", preset.name));
        }
    }

    /// Goal: flags beside a preset win, wherever they stand, also in a search.
    #[test]
    fn given_flags_win() {
        let run = parse(&[
            "--rate",
            "7",
            "--preset=fanout-10k",
            "--preset",
            "server-root",
        ])
        .run;
        assert_eq!((run.subscribers, run.rate), (Some(10_000), Some(7.0)));
        assert_eq!(run.path.as_deref(), Some("/"));
        let cli = parse(&["find-max", "--slo", "p99=1ms", "--preset", "small-room"]);
        let Some(Command::FindMax(args)) = cli.command else {
            panic!("a search");
        };
        assert_eq!(args.run.subscribers, Some(20));
    }

    /// Goal: a name that is none is refused with those there are.
    #[test]
    fn unknown_names_are_refused() {
        let arguments = ["fanload", "--preset", "nonsense"].map(OsString::from);
        let error = expand(arguments.to_vec()).unwrap_err();
        assert!(error.contains("nonsense") && error.contains("fanout-1k"));
    }
}
