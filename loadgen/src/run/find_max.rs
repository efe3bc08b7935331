//! `find-max`: what is searched for, the runs of the search, and what is told of it.

use std::io::{self, Write};

use anyhow::ensure;

use crate::agents::lead::measure;
use crate::cli::over::Over;
use crate::cli::settings::Settings;
use crate::cli::{FindMaxArgs, RunArgs, Workload};
use crate::run::interrupt::Interrupt;
use crate::run::machine::sessions_max;
use crate::run::once::once;
use crate::run::search::{Answer, Bounds, Found, Silence, answer, search};
use crate::run::verdict::{EXIT_INVALID, EXIT_SLO};

/// The highest rate that is tried if none is given.
const RATE_MAX: f64 = 1_000_000.0;

/// Makes runs until it is known what the demand just holds with; gives the exit code.
///
/// # Errors
/// One sentence: flags that don't go together, or a run that can't be made.
pub(crate) fn find_max(args: FindMaxArgs) -> anyhow::Result<u8> {
    let settings = args.run.clone().check()?;
    let bounds = bounds(&args, &settings)?;
    // What can't be written is better known before the search than after it.
    args.output.try_out()?;
    let interrupt = Interrupt::watch()?;
    let out = || -> Box<dyn Write> {
        match args.output.takes_stdout() {
            true => Box::new(io::stderr()),
            false => Box::new(io::stdout()),
        }
    };
    let mut runs = 0;
    let found = search(bounds, out(), |value| {
        let (settings, flags) = match with(&args.run, &settings, bounds.over, value) {
            Ok(trial) => trial,
            Err(why) => return Ok((Answer::Invalid(format!("{why:#}")), String::new())),
        };
        let results = measure(&settings, &flags, &interrupt, &mut Silence);
        ensure!(!interrupt.is_asked(), "interrupted: the search is not over");
        runs += 1;
        match results {
            Ok(results) => Ok(answer(&results)),
            // The first run shows whether there is a server at all.
            Err(why) if runs > 1 && bounds.over != Over::Rate => {
                Ok((Answer::Failed(format!("{why:#}")), String::new()))
            }
            Err(why) => Err(why),
        }
    })?;
    let code = tell(bounds.over, &found, &mut out())?;
    let Some(most) = found.most.filter(|_| args.output.has_files()) else {
        return Ok(code);
    };
    writeln!(out(), "once more with that, for the files:")?;
    let (settings, flags) = with(&args.run, &settings, bounds.over, most)?;
    let code_of_run = once(&settings, &flags, &args.output, &interrupt)?;
    Ok(if code == 0 { code_of_run } else { code })
}

/// Checks what a search can't do, and says where it looks.
fn bounds(args: &FindMaxArgs, settings: &Settings) -> anyhow::Result<Bounds> {
    let precision = args.precision;
    ensure!(
        (0.1..=100.0).contains(&precision),
        "--precision {precision}: want 0.1 to 100 percent"
    );
    ensure!(
        settings.slo.is_some(),
        "find-max needs --slo, such as p99=10ms,loss=0"
    );
    ensure!(
        settings.closed.is_none() && !settings.is_idle(),
        "find-max makes open-loop runs: it takes no --closed and no idle sessions"
    );
    let is_steady = settings.pace.stages.0.is_empty() && settings.pace.session_stages.0.is_empty();
    ensure!(
        is_steady,
        "find-max looks for one value: it takes no --stages and no --session-stages"
    );
    ensure!(
        args.output.prometheus_listen.is_none(),
        "find-max makes many runs: it takes no --prometheus-listen"
    );
    ensure!(
        settings.crew.agents.is_empty() || args.over == Over::Rate || args.max.is_some(),
        "--over {} with --agents needs --max, since only those who started the agents know how many sessions they may open",
        args.over.name()
    );
    let layout = settings.layout();
    let sessions = |others: u32| -> anyhow::Result<f64> {
        let processes = settings.crew.processes.unwrap_or(1);
        let most = sessions_max(settings.workers)?.saturating_mul(processes.into());
        let most = most.saturating_sub(others.into());
        // Saturates: more than any process may open.
        Ok(u32::try_from(most).unwrap_or(u32::MAX).into())
    };
    let (start, most) = match args.over {
        Over::Rate => (settings.pace.rate, RATE_MAX),
        Over::Sessions => {
            let others = layout.sessions() - layout.subscribers;
            (layout.subscribers.into(), sessions(others)?)
        }
        Over::Rooms => {
            let run = &args.run;
            let is_by_room = run.workload == Workload::Rooms
                && run.subscribers.is_none()
                && run.publishers.is_none();
            ensure!(
                is_by_room,
                "--over rooms needs --workload rooms with --members, and takes neither \
                 --subscribers nor --publishers"
            );
            let each = f64::from(layout.sessions()) / f64::from(layout.rooms);
            (layout.rooms.into(), (sessions(0)? / each).floor())
        }
    };
    let most = args.max.unwrap_or(most);
    ensure!(
        most >= args.over.floor() && most.is_finite(),
        "--max {most}: want at least {}",
        args.over.value(args.over.floor())
    );
    Ok(Bounds {
        over: args.over,
        start,
        most: args.over.round(most),
        precision,
    })
}

/// The run with another value, and the flags that make it so for others who make a part of it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole numbers up to what --max may be; a larger one is refused as too many sessions"
)]
fn with(
    run: &RunArgs,
    first: &Settings,
    over: Over,
    value: f64,
) -> anyhow::Result<(Settings, Vec<String>)> {
    let mut run = run.clone();
    match over {
        Over::Rate => {
            let mut settings = first.clone();
            settings.pace.rate = value;
            return Ok((settings, flags(&[("--rate", value)])));
        }
        Over::Sessions => run.subscribers = Some(value as u32),
        Over::Rooms => run.rooms = Some(value as u32),
    }
    let mut settings = run.check()?;
    if over == Over::Sessions {
        return Ok((settings, flags(&[("--subscribers", value)])));
    }
    // Each room keeps its share, so that a room is as busy as before.
    let rate = first.pace.rate * value / f64::from(first.rooms);
    settings.pace.rate = rate;
    Ok((settings, flags(&[("--rooms", value), ("--rate", rate)])))
}

fn flags(all: &[(&str, f64)]) -> Vec<String> {
    let all = all.iter();
    all.flat_map(|(flag, value)| [(*flag).to_owned(), value.to_string()])
        .collect()
}

/// Says what was found and which runs decided; gives the exit code.
fn tell(over: Over, found: &Found, out: &mut impl Write) -> anyhow::Result<u8> {
    match (over, found.most) {
        (Over::Rate, Some(most)) => writeln!(out, "highest rate that holds: {most:.1} messages/s")?,
        (_, Some(most)) => writeln!(out, "most that hold: {}", over.value(most))?,
        (_, None) if found.limited.is_some() => writeln!(out, "nothing is known of the server")?,
        (Over::Rate, None) => writeln!(out, "no rate holds")?,
        (Over::Sessions, None) => writeln!(out, "no number of sessions holds")?,
        (Over::Rooms, None) => writeln!(out, "no number of rooms holds")?,
    }
    for decided in &found.decided {
        writeln!(out, "decided: {decided}")?;
    }
    if let Some(limit) = &found.limited {
        writeln!(out, "INVALID: the server's limit may be higher: {limit}")?;
        return Ok(EXIT_INVALID);
    }
    Ok(match found.most {
        Some(_) => 0,
        None => EXIT_SLO,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(flags: &[&str]) -> FindMaxArgs {
        let all = ["fanload", "find-max"].iter().chain(flags);
        match Cli::try_parse_from(all).unwrap().command {
            Some(Command::FindMax(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    fn found(most: Option<f64>, limited: Option<&str>) -> Found {
        Found {
            most,
            limited: limited.map(str::to_owned),
            decided: vec!["7 held in run 1".to_owned()],
        }
    }

    /// Goal: 99 is for a server that holds nothing, and 2 for whatever was the generator's doing.
    #[test]
    fn exit_codes_say_whose_limit_it_was() {
        let told = |over, found: &Found| {
            let mut out = Vec::new();
            let code = tell(over, found, &mut out).unwrap();
            (code, String::from_utf8(out).unwrap())
        };
        let (code, text) = told(Over::Rate, &found(Some(7.0), None));
        assert_eq!(code, 0);
        assert_eq!(
            text,
            "highest rate that holds: 7.0 messages/s\ndecided: 7 held in run 1\n"
        );
        let (code, text) = told(Over::Sessions, &found(None, None));
        assert!(
            code == EXIT_SLO && text.starts_with("no number of sessions holds"),
            "{text}"
        );
        for most in [None, Some(7.0)] {
            let (code, text) = told(Over::Rooms, &found(most, Some("busy")));
            assert!(
                code == EXIT_INVALID && !text.contains("no number"),
                "{text}"
            );
        }
    }

    /// Goal: the run with another value differs in that value, and rooms keep their share of the rate.
    #[test]
    fn runs_have_the_value_that_is_tried() {
        let rooms = "--over rooms --workload rooms --rooms 10 --members 3 --rate 50 --slo loss=0";
        let args = args(&rooms.split(' ').collect::<Vec<_>>());
        let first = args.run.clone().check().unwrap();
        let bounds = bounds(&args, &first).unwrap();
        assert_eq!((bounds.start, bounds.over), (10.0, Over::Rooms));
        assert!(
            bounds.most >= 10.0 && bounds.most.fract() == 0.0,
            "{bounds:?}"
        );
        let (run, flags) = with(&args.run, &first, Over::Rooms, 20.0).unwrap();
        assert_eq!((run.rooms, run.subscribers, run.publishers), (20, 60, 20));
        assert_eq!(run.pace.rate, 100.0);
        assert_eq!(flags, ["--rooms", "20", "--rate", "100"]);
        let (run, flags) = with(&args.run, &first, Over::Rate, 7.5).unwrap();
        assert_eq!((run.pace.rate, run.rooms), (7.5, 10));
        assert_eq!(flags, ["--rate", "7.5"]);
        let (run, flags) = with(&args.run, &first, Over::Sessions, 40.0).unwrap();
        assert_eq!((run.subscribers, run.pace.rate), (40, 50.0));
        assert_eq!(flags, ["--subscribers", "40"]);
    }

    /// Goal: searches that make no sense are refused with what would.
    #[test]
    fn odd_searches_are_refused() {
        for (flags, fix) in [
            ("", "needs --slo"),
            ("--slo loss=0 --closed 5", "open-loop"),
            ("--slo loss=0 --precision 0", "0.1 to 100"),
            ("--slo loss=0 --max 0", "at least 0.1/s"),
            ("--slo loss=0 --over rooms", "needs --workload rooms"),
            ("--slo loss=0 --stages 1s:5", "no --stages"),
            ("--slo loss=0 --prometheus-listen 0", "--prometheus-listen"),
            (
                "--slo loss=0 --over sessions --agents a:1",
                "--over sessions with --agents needs --max",
            ),
        ] {
            let args = args(&flags.split_whitespace().collect::<Vec<_>>());
            let settings = args.run.clone().check().unwrap();
            let error = bounds(&args, &settings).unwrap_err().to_string();
            assert!(error.contains(fix), "{flags}: {error}");
        }
    }
}
