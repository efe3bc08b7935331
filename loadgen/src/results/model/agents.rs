//! The processes and machines that made a run together.

use serde::{Deserialize, Serialize};

use crate::results::distribution::Distribution;
use crate::results::units::ms;

/// How many times the uncertainty of the clocks a time must be to mean something.
const TRUST: u64 = 3;

/// Series that run from one machine to another. All others are timed by one clock.
const ACROSS: [&str; 5] = ["delivery", "first", "median", "completion", "spread"];

/// What stands before a figure that is too short to mean something.
const SIGN: &str = "~";

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machines {
    /// Each process that drove sessions.
    pub(crate) agents: Vec<Agent>,
    /// How far a time from one of them to another may be from the truth, because their clocks are compared over a
    /// network; 0 if all have the same clock.
    pub(crate) clock_uncertainty_ns: u64,
    /// Figures below three times that, such as `first.p50`.
    pub(crate) uncertain: Vec<String>,
}

/// A process that drove some of the sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Agent {
    /// Its address, or its number if it was started by the one that led.
    pub(crate) name: String,
    /// Name of its machine; empty if it is the one that led.
    pub(crate) host: String,
    /// Sessions it drove.
    pub(crate) sessions: u64,
    /// How much more its clock showed than that of the one that led, in nanoseconds.
    pub(crate) clock_ahead_ns: i64,
    /// How far that may be from the truth: half of the shortest round trip, and what the clocks drifted in the run.
    pub(crate) clock_uncertainty_ns: u64,
    /// When and why it was lost, if it was: its sessions, and what they had and sent, are not in the figures.
    pub(crate) lost: Option<String>,
}

impl Machines {
    /// The two whose clocks are known worst are as far apart as both together.
    pub(crate) fn new(agents: Vec<Agent>) -> Self {
        let mut worst: Vec<_> = agents.iter().map(|one| one.clock_uncertainty_ns).collect();
        worst.sort_unstable();
        let clock_uncertainty_ns = match worst.as_slice() {
            // A single one is publisher and subscriber, by one clock.
            [] | [_] => 0,
            [.., second, first] => second.saturating_add(*first),
        };
        Self {
            agents,
            clock_uncertainty_ns,
            uncertain: Vec::new(),
        }
    }

    /// Notes which figures are too short for what is known of the clocks.
    pub(crate) fn doubt(&mut self, series: &[(&str, &Distribution)]) {
        for (name, times) in series {
            let figures = [
                ("p50", times.at(0.5)),
                ("p90", times.at(0.9)),
                ("p99", times.at(0.99)),
                ("p99.9", times.at(0.999)),
                ("max", times.at(1.0)),
                ("mean", times.mean_ns()),
            ];
            for (figure, ns) in figures.into_iter().filter(|_| !times.is_empty()) {
                if self.is_doubtful(name, ns) {
                    self.uncertain.push(format!("{name}.{figure}"));
                }
            }
        }
    }

    /// Whether a figure of a series is too short.
    fn is_doubtful(&self, series: &str, ns: u64) -> bool {
        ACROSS.contains(&series) && ns < self.clock_uncertainty_ns.saturating_mul(TRUST)
    }
}

/// What stands before a figure of a series, wherever it is told: a sign if it is too short to be more than the
/// difference of clocks.
pub(crate) fn sign(machines: Option<&Machines>, series: &str, ns: u64) -> &'static str {
    match machines.is_some_and(|machines| machines.is_doubtful(series, ns)) {
        true => SIGN,
        false => "",
    }
}

/// What the sign means, if some figure has it.
pub(crate) fn legend(machines: Option<&Machines>) -> Option<String> {
    let machines = machines.filter(|machines| !machines.uncertain.is_empty())?;
    Some(format!(
        "{SIGN} below three times what is unknown of the clocks, {:.3} ms: it may be nothing else",
        ms(machines.clock_uncertainty_ns)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::model::latency::Latency;

    fn agents(uncertainties_ns: &[u64]) -> Vec<Agent> {
        let agent = |clock_uncertainty_ns: &u64| Agent {
            clock_uncertainty_ns: *clock_uncertainty_ns,
            ..Agent::default()
        };
        uncertainties_ns.iter().map(agent).collect()
    }

    /// Goal: a time between two machines is as uncertain as both clocks together, and one that is below three times
    /// that is told and has a sign; what one clock measures has none.
    #[test]
    fn short_times_are_doubted() {
        assert_eq!(Machines::new(agents(&[9])).clock_uncertainty_ns, 0);
        assert_eq!(Machines::new(agents(&[0, 0])).clock_uncertainty_ns, 0);
        let mut machines = Machines::new(agents(&[20_000, 5_000, 30_000]));
        assert_eq!(machines.clock_uncertainty_ns, 50_000);
        let mut latency = Latency::default();
        latency.upgrade_ns.record(1_000);
        latency.completion_ns.record_all(200_000, 100);
        latency.delivery_ns.record_all(100_000, 60);
        latency.delivery_ns.record_all(200_000, 40);
        machines.doubt(&latency.series());
        assert_eq!(machines.uncertain, ["delivery.p50", "delivery.mean"]);
        let sign = |series, ns| sign(Some(&machines), series, ns);
        assert_eq!([149_999, 150_000].map(|ns| sign("spread", ns)), ["~", ""]);
        assert_eq!(sign("upgrade", 1), "");
        assert!(legend(Some(&machines)).unwrap().contains("0.050 ms"));
        let alone = Machines::new(agents(&[9]));
        assert_eq!(
            (super::sign(Some(&alone), "spread", 0), legend(Some(&alone))),
            ("", None)
        );
    }
}
