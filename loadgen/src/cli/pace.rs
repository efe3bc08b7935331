//! How a load goes on over time: its rate and the number of sessions by stages, and pauses.

use std::time::Duration;

use anyhow::ensure;

use crate::cli::{RunArgs, Workload};
use crate::load::profile::Profile;
use crate::load::stages::Stages;
use crate::load::think::Think;
use crate::results::model::asked;

/// Messages a second if nothing is said.
const RATE: f64 = 60.0;

/// The most messages a second that can be asked for.
const RATE_MAX: f64 = 10_000_000.0;

/// How long is measured if nothing is said.
const DURATION: Duration = Duration::from_secs(10);

/// What a load does over time.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Messages a second; with stages, before the first.
    pub(crate) rate: f64,
    /// Stages of the rate; none if it stays.
    pub(crate) stages: Stages,
    /// Stages of the subscribers that come and go; none if there are none.
    pub(crate) session_stages: Stages,
    pub(crate) think: Option<Think>,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
}

impl Pace {
    /// The rate over warm-up and measurement.
    pub(crate) fn profile(&self) -> Profile {
        match self.stages.0.is_empty() {
            true => Profile::steady(self.rate, self.warmup + self.duration),
            false => Profile::staged(self.rate, self.warmup, &self.stages),
        }
    }

    /// The most subscribers that come and go.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number, and more than a u32 holds are refused as too many"
    )]
    pub(crate) fn guests_max(&self) -> u32 {
        self.session_stages.highest() as u32
    }
}

/// Stages as they are reported.
pub(crate) fn reported(stages: &Stages) -> Vec<asked::Stage> {
    let stages = stages.0.iter().map(|stage| asked::Stage {
        seconds: stage.length.as_secs_f64(),
        target: stage.target,
    });
    stages.collect()
}

impl RunArgs {
    /// Checks what the flags say of time.
    ///
    /// # Errors
    /// One sentence that names the flag and what it takes.
    pub(super) fn pace(&self, workload: Workload, closed: Option<u32>) -> anyhow::Result<Pace> {
        let stages = self.stages.clone().unwrap_or_default();
        let session_stages = self.session_stages.clone().unwrap_or_default();
        let is_staged = !stages.0.is_empty();
        let rate = self.rate.unwrap_or(if is_staged { 0.0 } else { RATE });
        ensure!(
            rate <= RATE_MAX && (rate > 0.0 || (is_staged && rate == 0.0)),
            "--rate {rate}: want more than 0 and at most {RATE_MAX}"
        );
        let has_rate = closed.is_none() && workload != Workload::Idle;
        ensure!(
            !is_staged || has_rate,
            "--stages are those of a rate: leave --closed, --in-flight and idle sessions away"
        );
        let highest = stages.highest().max(rate);
        ensure!(
            !is_staged || (highest > 0.0 && highest <= RATE_MAX),
            "--stages: want a target above 0, and none above {RATE_MAX}"
        );
        let has_guests = !session_stages.0.is_empty();
        let can_have_guests =
            !matches!(workload, Workload::Idle | Workload::Churn | Workload::Echo);
        ensure!(
            !has_guests || can_have_guests,
            "--session-stages: with idle sessions, churn and echoes nobody else comes and goes"
        );
        ensure!(
            session_stages
                .0
                .iter()
                .all(|stage| stage.target.fract() == 0.0),
            "--session-stages: want whole numbers of sessions"
        );
        ensure!(
            self.think.is_none() || closed.is_some(),
            "--think is for --closed: a rate does not wait for anybody"
        );
        let duration = match (is_staged, self.duration) {
            (true, _) => stages.length(),
            (false, Some(duration)) => duration,
            (false, None) if has_guests => session_stages.length(),
            (false, None) => DURATION,
        };
        ensure!(!duration.is_zero(), "--duration must be more than 0");
        ensure!(
            session_stages.length() <= duration,
            "--session-stages take {:?}, but {duration:?} are measured: make them shorter, or --duration \
             (or --stages) longer",
            session_stages.length()
        );
        Ok(Pace {
            rate,
            stages,
            session_stages,
            think: self.think,
            warmup: self.warmup,
            duration,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;
    use crate::cli::settings::Settings;

    fn check(flags: &str) -> Result<Settings, String> {
        let all = ["fanload"].into_iter().chain(flags.split_whitespace());
        let cli = Cli::try_parse_from(all).map_err(|error| error.to_string())?;
        cli.run.check().map_err(|error| format!("{error:#}"))
    }

    /// Goal: what is measured is as long as the stages, which begin at the rate that is given, or at 0.
    #[test]
    fn stages_are_what_is_measured() {
        let pace = |flags| check(flags).unwrap().pace;
        let plain = pace("");
        assert_eq!((plain.rate, plain.duration), (60.0, DURATION));
        let staged = pace("--stages 30s:100,1m:0");
        assert_eq!(
            (staged.rate, staged.duration),
            (0.0, Duration::from_secs(90))
        );
        assert_eq!(pace("--rate 7 --stages 30s:100").rate, 7.0);
        let guests = pace("--session-stages 3s:10,3s:0");
        assert_eq!(
            (guests.rate, guests.duration),
            (60.0, Duration::from_secs(6))
        );
        let both = pace("--session-stages 3s:10 --stages 5s:10");
        assert_eq!(both.duration, Duration::from_secs(5));
        let settings = check("--session-stages 3s:10,3s:40,1s:0 --subscribers 5").unwrap();
        assert_eq!(
            (settings.layout().churners, settings.layout().sessions()),
            (40, 46)
        );
        let parameters = settings.parameters();
        assert_eq!(parameters.session_stages.len(), 3);
        assert_eq!(parameters.session_stages[1].target, 40.0);
        let thinking = check("--closed 4 --think 1s..3s").unwrap().parameters();
        assert_eq!(thinking.think_seconds, [1.0, 3.0]);
    }

    /// Goal: what does not go together is refused with what would.
    #[test]
    fn odd_paces_are_refused() {
        for (flags, fix) in [
            ("--rate 0", "more than 0"),
            ("--stages 10s:0", "a target above 0"),
            ("--stages 10s:1 --duration 5s", "--duration"),
            ("--stages 10s:1 --closed 5", "leave --closed"),
            ("--stages 10s:1 --idle 5", "idle sessions away"),
            ("--stages 10s", "want TIME:NUMBER"),
            ("--session-stages 10s:1.5", "whole numbers"),
            ("--session-stages 10s:5 --workload churn", "comes and goes"),
            ("--session-stages 10s:5 --duration 9s", "take 10s, but 9s"),
            ("--session-stages 10s:99999999999", "more than one process"),
            ("--think 1s", "--think is for --closed"),
            ("--think 3s..1s --closed 1", "shorter pause first"),
        ] {
            let error = check(flags).unwrap_err();
            assert!(error.contains(fix), "{flags}: {error}");
        }
    }
}
