//! What an agent does for others, and what not.

use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use clap::Parser;

use crate::cli::agents::AgentArgs;
use crate::cli::settings::Settings;
use crate::cli::target::Target;
use crate::cli::{Cli, Command, Workload};

/// What whoever started the agent allows.
pub(super) struct Rules {
    targets: Vec<String>,
    sessions_max: Option<u32>,
    duration_max: Duration,
}

impl Rules {
    /// # Errors
    /// A target that is none.
    pub(super) fn new(args: &AgentArgs) -> anyhow::Result<Self> {
        let targets = args.allow_target.iter().map(|target| place(target));
        Ok(Self {
            targets: targets.collect::<anyhow::Result<_>>()?,
            sessions_max: args.sessions_max,
            duration_max: args.duration_max,
        })
    }

    fn admit(&self, targets: &[String]) -> anyhow::Result<()> {
        for target in targets {
            let place = place(target)?;
            ensure!(
                self.targets.contains(&place),
                "{place} is no target that this agent may drive: start it with --allow-target {place}"
            );
        }
        Ok(())
    }

    fn bound(&self, settings: &Settings, processes: u32) -> anyhow::Result<()> {
        let sessions = settings.layout().sessions().div_ceil(processes);
        if let Some(most) = self.sessions_max {
            ensure!(
                sessions <= most,
                "{sessions} sessions are over what this agent takes (--sessions-max {most})"
            );
        }
        let length = length(settings);
        ensure!(
            length <= self.duration_max,
            "the run may take {} s, over what this agent takes (--duration-max): {} s",
            length.as_secs(),
            self.duration_max.as_secs()
        );
        Ok(())
    }
}

/// The settings of a run that somebody else leads.
///
/// # Errors
/// One sentence: what the rules don't allow, or what can't be made here.
pub(super) fn settings(
    arguments: &[String],
    processes: u32,
    rules: Option<&Rules>,
) -> anyhow::Result<Settings> {
    let cli = Cli::try_parse_from(arguments);
    // Who leads has checked them, unless it is another version.
    let cli = cli.map_err(|error| anyhow!("arguments that mean nothing here: {error}"))?;
    let run = match cli.command {
        None => cli.run,
        // Of a search, the run that is tried.
        Some(Command::FindMax(search)) => search.run,
        Some(_) => bail!("an agent makes runs, and nothing else for others"),
    };
    // Before anything is looked up or connected to.
    if let Some(rules) = rules {
        rules.admit(&run.target)?;
    }
    let settings = run.check()?;
    if let Some(rules) = rules {
        rules.bound(&settings, processes)?;
    }
    Ok(settings)
}

/// The longest that a run takes, with all its phases.
pub(super) fn length(settings: &Settings) -> Duration {
    let pace = &settings.pace;
    let load = match settings.is_idle() {
        true => settings.hold,
        false => pace.warmup + pace.duration,
    };
    let rounds = match settings.workload {
        Workload::Storm => 2,
        _ => 1,
    };
    let missing = match settings.missed {
        0 => Duration::ZERO,
        _ => settings.connect_timeout + settings.drain,
    };
    (settings.connect_timeout + settings.settle) * rounds + missing + load + settings.drain
}

fn place(target: &str) -> anyhow::Result<String> {
    Ok(Target::parse(target)?.host_and_port().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(flags: &[&str]) -> Rules {
        let all = [&["fanload", "agent", "--allow-target", "Here:81"], flags].concat();
        match Cli::try_parse_from(all).unwrap().command {
            Some(Command::Agent(args)) => Rules::new(&args).unwrap(),
            _ => unreachable!("it is an agent's"),
        }
    }

    fn refusal(rules: &Rules, flags: &[&str]) -> String {
        let all = ["fanload"].iter().chain(flags);
        let all: Vec<_> = all.map(|&flag| flag.to_owned()).collect();
        let settings = settings(&all, 2, Some(rules));
        format!("{:#}", settings.expect_err("something is not allowed"))
    }

    /// Goal: only what was named is driven, however it is written, and before anybody looks it up.
    #[test]
    fn only_named_targets_are_driven() {
        let rules = rules(&["--allow-target", "ws://127.0.0.1:82/x"]);
        for target in ["here:82", "127.0.0.1:81", "here.example:81", "wss://here"] {
            let error = refusal(&rules, &["--target", target]);
            assert!(error.contains("start it with --allow-target"), "{error}");
        }
        let both = ["--target", "127.0.0.1:82", "--target", "127.0.0.1:83"];
        assert!(refusal(&rules, &both).starts_with("127.0.0.1:83 is no target"));
        let allowed = ["fanload", "--target", "ws://127.0.0.1:82/y"].map(str::to_owned);
        assert!(settings(&allowed, 2, Some(&rules)).is_ok());
    }

    /// Goal: a run that is too large or too long for the agent is refused by the name of its limit.
    #[test]
    fn large_and_long_runs_are_refused() {
        let rules = rules(&[
            "--allow-target",
            "127.0.0.1:82",
            "--sessions-max",
            "50",
            "--duration-max",
            "60s",
        ]);
        let refusal =
            |flags: &[&str]| refusal(&rules, &[&["--target", "127.0.0.1:82"], flags].concat());
        let large = refusal(&["--subscribers", "100"]);
        assert!(
            large.contains("51 sessions") && large.contains("--sessions-max 50"),
            "{large}"
        );
        let long = refusal(&["--subscribers", "9", "--duration", "40"]);
        assert!(
            long.contains("may take 74 s") && long.contains("--duration-max"),
            "{long}"
        );
    }

    /// Goal: an agent does nothing but runs for others, those of a search among them, with what is tried.
    #[test]
    fn only_runs_are_made() {
        let rules = rules(&["--allow-target", "127.0.0.1:82"]);
        let other = refusal(&rules, &["compare", "a", "b"]);
        assert!(other.contains("runs, and nothing else"), "{other}");
        assert!(refusal(&rules, &["--nonsense"]).contains("mean nothing here"));
        let search =
            "fanload find-max --target 127.0.0.1:82 --rate 5 --slo loss=0 --max 9 --rate 7.5";
        let search: Vec<_> = search.split(' ').map(str::to_owned).collect();
        let settings = settings(&search, 2, Some(&rules)).unwrap();
        assert_eq!(settings.pace.rate, 7.5, "what is tried stands last");
    }
}
