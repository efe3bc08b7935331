//! A checked run: what the flags mean together.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::ensure;
use clap::ValueEnum;
use fanring::wire::message::Kind;

use crate::books::payload::{HEADER_BYTES, SIZE_MAX};
use crate::cli::agents::CrewArgs;
use crate::cli::dialogue::Place;
use crate::cli::pace::{Pace, reported};
use crate::cli::slo::Demand;
use crate::cli::target::Target;
use crate::cli::{RunArgs, Workload, crowd, redact};
use crate::load::layout::Layout;
use crate::load::plan::Arrivals;
use crate::protocol::seam::Manner;
use crate::protocol::speech::Speech;
use crate::results::model;
use crate::results::model::asked::Parameters;
use crate::session::reach::{Reach, Turns};

/// The most that publishing may be allowed to lag.
const LAG_MOST: Duration = Duration::from_secs(60);

/// A checked run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The target without its path, as it is told.
    pub(crate) address: String,
    pub(crate) reach: Reach,
    pub(crate) speech: Speech,
    /// The flags that made it what it is.
    pub(crate) dialogue: Vec<String>,
    pub(crate) workload: Workload,
    pub(crate) subscribers: u32,
    pub(crate) publishers: u32,
    pub(crate) rooms: u32,
    pub(crate) pace: Pace,
    pub(crate) arrivals: Arrivals,
    pub(crate) closed: Option<u32>,
    pub(crate) sizes: Vec<u32>,
    pub(crate) binary: bool,
    pub(crate) settle: Duration,
    pub(crate) drain: Duration,
    pub(crate) hold: Duration,
    pub(crate) connect_rate: Option<u32>,
    pub(crate) connects_max: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) churn_rate: u32,
    /// Messages in each room that subscribers miss in a storm.
    pub(crate) missed: u32,
    pub(crate) slow: u32,
    pub(crate) slow_percent: f64,
    pub(crate) self_delivery: bool,
    pub(crate) source_ips: Vec<IpAddr>,
    pub(crate) workers: u32,
    pub(crate) pin: Vec<usize>,
    pub(crate) server_pids: Vec<u32>,
    /// Percent of the sessions that may fail to open.
    pub(crate) allow_failures: f64,
    pub(crate) lag_max: Duration,
    pub(crate) slo: Option<Demand>,
    pub(crate) crew: CrewArgs,
}

impl Settings {
    /// Whether sessions are only opened and held.
    pub(crate) fn is_idle(&self) -> bool {
        self.workload == Workload::Idle
    }

    pub(crate) fn layout(&self) -> Layout {
        let everybody_publishes = matches!(self.workload, Workload::Chat | Workload::Echo);
        Layout {
            subscribers: self.subscribers,
            slow: self.slow,
            publishers: self.publishers,
            // Each stays for about a second.
            churners: match self.workload {
                Workload::Churn => self.churn_rate,
                _ => self.pace.guests_max(),
            },
            rooms: self.rooms,
            everybody_publishes,
            self_delivery: self.self_delivery,
        }
    }

    /// The parameters as they are reported.
    pub(crate) fn parameters(&self) -> Parameters {
        let is_churn = self.workload == Workload::Churn;
        let is_slow = self.workload == Workload::Slow;
        Parameters {
            workload: name(&self.workload),
            subscribers: self.subscribers,
            publishers: self.publishers,
            rooms: self.rooms,
            rate: (self.closed.is_none() && !self.is_idle()).then_some(self.pace.rate),
            stages: reported(&self.pace.stages),
            session_stages: reported(&self.pace.session_stages),
            closed: self.closed,
            think_seconds: self.pace.think.map_or_else(Vec::new, |think| {
                vec![think.least.as_secs_f64(), think.most.as_secs_f64()]
            }),
            arrivals: name(&self.arrivals),
            sizes_bytes: self.sizes.clone(),
            binary: self.binary,
            duration_seconds: match self.is_idle() {
                true => self.hold.as_secs_f64(),
                false => self.pace.duration.as_secs_f64(),
            },
            warmup_seconds: self.pace.warmup.as_secs_f64(),
            settle_seconds: self.settle.as_secs_f64(),
            drain_seconds: self.drain.as_secs_f64(),
            connect_rate: self.connect_rate.map(f64::from),
            connect_in_flight: self.connects_max,
            churn_rate: is_churn.then(|| f64::from(self.churn_rate)),
            missed: self.missed,
            slow_percent: is_slow.then_some(self.slow_percent),
            self_delivery: self.self_delivery,
            allow_failures_percent: self.allow_failures,
            protocol: self.target().protocol,
            dialogue: self.dialogue.clone(),
            workers: self.workers,
            pin: self.pin.iter().map(|&cpu| cpu as u64).collect(),
        }
    }

    /// How many of the sessions that are to stay may fail to open.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a u32"
    )]
    pub(crate) fn failures_max(&self) -> u32 {
        (f64::from(self.layout().steady()) * self.allow_failures / 100.0).floor() as u32
    }

    /// The target, for sentences.
    pub(crate) fn place(&self) -> String {
        let target = self.target();
        format!("{}{}", target.address, target.path)
    }

    /// The target as it is reported.
    pub(crate) fn target(&self) -> model::Target {
        model::Target {
            address: self.address.clone(),
            reached: self
                .reach
                .addresses()
                .map(|address| address.to_string())
                .collect(),
            path: redact::query(self.speech.upgrade.path()),
            protocol: self.speech.name.to_owned(),
        }
    }
}

fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

impl RunArgs {
    /// Checks what clap can't.
    ///
    /// # Errors
    /// One sentence that names the flag and what it takes.
    pub(crate) fn check(self) -> anyhow::Result<Settings> {
        let targets = self.target.iter().map(|target| Target::parse(target));
        let targets = targets.collect::<anyhow::Result<Vec<_>>>()?;
        let target = &targets[0];
        self.check_load()?;
        let workload = self.workload()?;
        let crowd = self.crowd(workload)?;
        let rooms = crowd.rooms;
        let closed = self.outstanding(workload, crowd.subscribers)?;
        let pace = self.pace(workload, closed)?;
        let turns = match workload {
            Workload::Idle => Turns::Sessions,
            _ => Turns::Rooms,
        };
        ensure!(
            turns == Turns::Sessions || targets.len() <= rooms as usize,
            "--rooms {rooms}: want at least one for each of the {} targets",
            targets.len()
        );
        let place = self.place(target, workload, rooms);
        let kind = match self.binary {
            true => Kind::Binary,
            false => Kind::Text,
        };
        let dialogue = self.dialogue.told();
        let speech = self.dialogue.speech(place, kind)?;
        ensure!(
            self.missed == 0 || (workload == Workload::Storm && speech.protocol.recovers()),
            "--missed is for --workload storm and sessions that are given what they missed: want \
             --protocol centrifugo --set recover=yes"
        );
        let returns_own = speech.protocol.returns_own() || workload == Workload::Echo;
        let settings = Settings {
            pace,
            dialogue,
            speech,
            address: told(&targets),
            reach: self.reach.reach(&targets, turns)?,
            workload,
            subscribers: crowd.subscribers,
            publishers: crowd.publishers,
            rooms,
            arrivals: self.arrivals,
            closed,
            sizes: self.size.0,
            binary: self.binary,
            settle: self.settle,
            drain: self.drain,
            hold: self.hold,
            connect_rate: self.connect_rate,
            connects_max: self.connect_in_flight,
            connect_timeout: self.connect_timeout,
            churn_rate: self.churn_rate,
            missed: self.missed,
            slow: crowd.slow,
            slow_percent: self.slow_percent,
            self_delivery: self.self_delivery || returns_own,
            source_ips: self.source_ip,
            workers: self.workers,
            pin: self.pin.map_or_else(Vec::new, |list| list.0),
            allow_failures: self.reach.allow_failures,
            server_pids: self.reach.server_pid,
            lag_max: self.lag_max,
            slo: self.slo.as_deref().map(Demand::parse).transpose()?,
            crew: self.crew,
        };
        crowd::check(&settings.layout(), workload, closed)?;
        Ok(settings)
    }

    fn workload(&self) -> anyhow::Result<Workload> {
        let is_idle = self.idle.is_some() || self.workload == Workload::Idle;
        Ok(match self.dialogue.entry()?.manner {
            _ if is_idle => Workload::Idle,
            Manner::Echo => Workload::Echo,
            Manner::Scripted | Manner::Own => self.workload,
        })
    }

    /// Where sessions go at the target.
    fn place(&self, target: &Target, workload: Workload, rooms: u32) -> Place<'static> {
        let given = self.path.clone();
        Place {
            path: match target.path.as_deref() {
                Some("/") => given.or(Some("/".to_owned())),
                Some(path) => Some(path.to_owned()),
                None => given,
            },
            default_path: match workload {
                Workload::Echo => "/ws/{room}?presence=0&echo=1",
                _ if rooms > 1 => "/ws/{room}?presence=0",
                _ => "/ws?presence=0",
            },
        }
    }

    /// Messages that are kept outstanding, instead of a rate.
    fn outstanding(&self, workload: Workload, sessions: u32) -> anyhow::Result<Option<u32>> {
        let is_echo = workload == Workload::Echo;
        ensure!(
            self.in_flight.is_none() || is_echo,
            "--in-flight is for --protocol echo and --workload echo: with others, use --closed"
        );
        ensure!(
            self.in_flight.is_none() || (self.rate.is_none() && self.closed.is_none()),
            "--in-flight is instead of --rate and --closed: leave one of them away"
        );
        let each = self.in_flight.unwrap_or(1);
        Ok(match self.closed {
            None if is_echo && self.rate.is_none() => Some(each.saturating_mul(sessions)),
            closed => closed,
        })
    }

    fn check_load(&self) -> anyhow::Result<()> {
        ensure!(self.churn_rate > 0, "--churn-rate must be at least 1");
        ensure!(
            !self.lag_max.is_zero() && self.lag_max <= LAG_MOST,
            "--lag-max {:?}: want more than 0 and at most {LAG_MOST:?}",
            self.lag_max
        );
        for &size in &self.size.0 {
            ensure!(
                (HEADER_BYTES..=SIZE_MAX).contains(&(size as usize)),
                "--size {size}: want {HEADER_BYTES} (the header that is checked) to {SIZE_MAX} bytes"
            );
        }
        Ok(())
    }
}

/// All targets, as they are told.
fn told(targets: &[Target]) -> String {
    let told: Vec<_> = targets.iter().map(Target::told).collect();
    told.join(",")
}

/// What no flags at all make.
#[cfg(test)]
pub(crate) fn default_for_tests() -> Settings {
    let cli = <crate::cli::Cli as clap::Parser>::try_parse_from(["fanload"]);
    cli.unwrap().run.check().unwrap()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn check(flags: &[&str]) -> Result<Settings, String> {
        let all = ["fanload"].iter().chain(flags);
        let cli = Cli::try_parse_from(all).map_err(|error| error.to_string())?;
        cli.run.check().map_err(|error| format!("{error:#}"))
    }

    /// Goal: every flag that can't work is refused with a sentence that says what would.
    #[test]
    fn bad_flags_name_the_fix() {
        let cases: [(&[&str], &str); 14] = [
            (&["--size", "35"], "want 36"),
            (&["--rate", "0"], "more than 0"),
            (&["--path", "ws"], "starts with /"),
            (&["--target", "nonsense"], "HOST:PORT"),
            (&["--duration", "soon"], "number of seconds"),
            (&["--lag-max", "0"], "more than 0"),
            (&["--header", "nonsense"], "Name: value"),
            (&["--publish-template", "nothing"], "{payload}"),
            (&["--slo", "p99=soon"], "--slo"),
            (&["--in-flight", "2"], "--protocol echo"),
            (
                &["--protocol", "echo", "--in-flight", "2", "--rate", "9"],
                "leave one of them away",
            ),
            (&["--size", "64,"], "--size"),
            (&["--workload", "storm", "--missed", "5"], "recover=yes"),
            (
                &[
                    "--protocol",
                    "centrifugo",
                    "--set",
                    "recover=yes",
                    "--missed",
                    "5",
                ],
                "--workload storm",
            ),
        ];
        for (flags, fix) in cases {
            let error = check(flags).unwrap_err();
            assert!(error.contains(fix), "{flags:?}: {error}");
        }
    }

    /// Goal: several sizes take turns.
    #[test]
    fn sizes_take_turns() {
        let sizes = check(&["--size", "64,128"]).unwrap();
        assert_eq!(sizes.sizes, [64, 128]);
    }
}
