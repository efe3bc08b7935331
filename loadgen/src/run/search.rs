//! The most with which a demand holds: doubles until it does not, then halves the gap.
//!
//! Near the edge a single run proves little: a moment in which the machine did something else makes
//! a server miss that holds, or the generator invalid. So what is told is decided by two runs that
//! agree, of three at most; only on the way up one that held will do, as what follows stands on it.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::bail;

use crate::cli::over::Over;
use crate::results::interval::{Interval, Observer};
use crate::results::model::{Results, Verdict};
use crate::results::units::{ms, rate};

/// The most runs one search makes.
const RUNS_MAX: usize = 100;

/// The most runs with one value, and how many that agree decide.
const RUNS_EACH_MAX: usize = 3;
const MAJORITY: usize = 2;

/// Tells nobody.
pub(crate) struct Silence;

impl Observer for Silence {
    fn interval(&mut self, _: &Interval) {}
}

/// What a run with some value said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The demand held.
    Held,
    /// It did not, for this reason.
    Missed(String),
    /// The run could not be made, although others could: the server refused it.
    Failed(String),
    /// The generator was the limit: nothing is known of the server.
    Invalid(String),
}

/// What two runs agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Held,
    Missed,
    Invalid,
}

/// Where to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) over: Over,
    pub(crate) start: f64,
    pub(crate) most: f64,
    /// How close the answer must be, in percent.
    pub(crate) precision: f64,
}

/// What a search found.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    /// The most that held, if anything did.
    pub(crate) most: Option<f64>,
    /// Why the server's limit is not known: the generator, or the end of the search, came before it.
    pub(crate) limited: Option<String>,
    /// Which runs decided, a sentence for each value that matters.
    pub(crate) decided: Vec<String>,
}

/// A search under way.
struct Search<Out, Step> {
    bounds: Bounds,
    out: Out,
    step: Step,
    runs: Vec<(f64, Answer)>,
}

/// Makes runs until it is known with which value the demand just holds.
///
/// `step` makes a run with a value. Each is told of on `out`.
///
/// # Errors
/// When a run can't be made, or `out` not be written.
pub(crate) fn search<Out: Write, Step: FnMut(f64) -> anyhow::Result<(Answer, String)>>(
    bounds: Bounds,
    out: Out,
    step: Step,
) -> anyhow::Result<Found> {
    let mut search = Search {
        bounds,
        out,
        step,
        runs: Vec::new(),
    };
    while search.runs.len() + RUNS_EACH_MAX <= RUNS_MAX {
        let (low, high) = search.edges();
        let Some(value) = bounds.next(low, high) else {
            // A single run that held led here: now it counts.
            match low {
                Some(low) if search.decision(low).is_none() => search.decide(low)?,
                _ => return Ok(search.found(None)),
            }
            continue;
        };
        search.run(value)?;
        if high.is_some() || search.runs.last().is_some_and(|run| run.1 != Answer::Held) {
            search.decide(value)?;
        }
    }
    Ok(search.found(Some(format!(
        "the search ended after {} runs",
        search.runs.len()
    ))))
}

impl Bounds {
    /// The value to try next; none when the edges are as close as they need to be.
    fn next(&self, low: Option<f64>, high: Option<f64>) -> Option<f64> {
        let floor = self.over.floor();
        let close = 1.0 + self.precision / 100.0;
        match (low, high) {
            (None, None) => Some(self.over.round(self.start.min(self.most)).max(floor)),
            (Some(low), None) => (low < self.most).then(|| (low * 2.0).min(self.most)),
            (None, Some(high)) => (high > floor).then(|| self.over.round(high / 4.0).max(floor)),
            (Some(low), Some(high)) if high <= low * close => None,
            (Some(low), Some(high)) => {
                let middle = self.over.round(f64::midpoint(low, high));
                (low < middle && middle < high).then_some(middle)
            }
        }
    }
}

impl<Out: Write, Step: FnMut(f64) -> anyhow::Result<(Answer, String)>> Search<Out, Step> {
    /// Makes a run and tells of it.
    fn run(&mut self, value: f64) -> anyhow::Result<()> {
        let (answer, figures) = (self.step)(value)?;
        let number = self.runs.len() + 1;
        let (word, why) = match &answer {
            Answer::Held => ("held", ""),
            Answer::Missed(why) => ("missed", why.as_str()),
            Answer::Failed(why) => ("failed", why.as_str()),
            Answer::Invalid(why) => ("INVALID", why.as_str()),
        };
        let value_text = self.bounds.over.value(value);
        let mut line = format!("{number:>3} {value_text:>16}  {word:7} {figures}");
        if !why.is_empty() {
            let _ = write!(line, "  {why}");
        }
        writeln!(self.out, "{}", line.trim_end())?;
        self.out.flush()?;
        if let Answer::Failed(why) = &answer
            && self
                .runs
                .iter()
                .any(|(other, answer)| *other >= value && *answer == Answer::Held)
        {
            bail!("a run with {value_text} can't be made any more, although one could: {why}");
        }
        self.runs.push((value, answer));
        Ok(())
    }

    /// Makes runs with a value until it is decided.
    fn decide(&mut self, value: f64) -> anyhow::Result<()> {
        while self.decision(value).is_none() {
            self.run(value)?;
        }
        Ok(())
    }

    /// The runs with a value, with their numbers.
    fn runs_with(&self, value: f64) -> impl Iterator<Item = (usize, &Answer)> {
        let numbered = (1..).zip(&self.runs);
        numbered
            .filter(move |(_, (other, _))| *other == value)
            .map(|(number, (_, answer))| (number, answer))
    }

    fn decision(&self, value: f64) -> Option<Decision> {
        let all = [Decision::Held, Decision::Missed, Decision::Invalid];
        let votes = |decision| {
            let answers = self.runs_with(value);
            answers
                .filter(|(_, answer)| answer.decision() == decision)
                .count()
        };
        let agreed = all
            .into_iter()
            .find(|decision| votes(*decision) >= MAJORITY);
        // One of each says nothing of the server.
        let is_split = self.runs_with(value).count() >= RUNS_EACH_MAX;
        agreed.or(is_split.then_some(Decision::Invalid))
    }

    /// The highest value that holds, as far as known, below the lowest that does not.
    fn edges(&self) -> (Option<f64>, Option<f64>) {
        let values = || self.runs.iter().map(|(value, _)| *value);
        let fails = |value: &f64| {
            self.decision(*value)
                .is_some_and(|decision| decision != Decision::Held)
        };
        let high = values().filter(fails).min_by(f64::total_cmp);
        let below = |value: &f64| high.is_none_or(|high| *value < high);
        let low = values().filter(below).max_by(f64::total_cmp);
        (low, high)
    }

    fn found(&self, ended: Option<String>) -> Found {
        let (low, high) = self.edges();
        let over = self.bounds.over;
        let was_invalid = high.filter(|high| self.decision(*high) == Some(Decision::Invalid));
        let limited = match (low, was_invalid) {
            _ if ended.is_some() => ended,
            (_, Some(high)) => Some(format!(
                "the generator was the limit at {}",
                over.value(high)
            )),
            (Some(low), None) if high.is_none() && low >= self.bounds.most => {
                Some(format!("the search ended at --max {}", self.bounds.most))
            }
            _ => None,
        };
        let edges = [low, high].into_iter().flatten();
        Found {
            most: low,
            limited,
            decided: edges.map(|value| self.account(value)).collect(),
        }
    }

    /// Which runs decided about a value, and why.
    fn account(&self, value: f64) -> String {
        let decision = self.decision(value);
        let (agreed, others): (Vec<_>, Vec<_>) = self
            .runs_with(value)
            .partition(|(_, answer)| Some(answer.decision()) == decision);
        let word = match decision {
            Some(Decision::Missed) => "did not hold",
            Some(Decision::Invalid) => "was invalid",
            Some(Decision::Held) | None => "held",
        };
        let mut text = format!(
            "{} {word} in {}",
            self.bounds.over.value(value),
            numbers(&agreed)
        );
        if !others.is_empty() {
            let _ = write!(text, ", otherwise in {}", numbers(&others));
        }
        let last = agreed.last().map(|(_, answer)| answer);
        if let Some(Answer::Missed(why) | Answer::Failed(why) | Answer::Invalid(why)) = last {
            let _ = write!(text, ": {why}");
        }
        text
    }
}

/// `run 3`, `runs 3 and 5`.
fn numbers(runs: &[(usize, &Answer)]) -> String {
    let all: Vec<_> = runs.iter().map(|(number, _)| number.to_string()).collect();
    match all.as_slice() {
        [one] => format!("run {one}"),
        [others @ .., last] => format!("runs {} and {last}", others.join(", ")),
        [] => "no run".to_owned(),
    }
}

impl Answer {
    fn decision(&self) -> Decision {
        match self {
            Self::Held => Decision::Held,
            Self::Missed(_) | Self::Failed(_) => Decision::Missed,
            Self::Invalid(_) => Decision::Invalid,
        }
    }
}

/// Reads a run for what it says of its demand, and the figures that go with it.
pub(crate) fn answer(results: &Results) -> (Answer, String) {
    let latency = &results.latency;
    let figures = format!(
        "p50 {:.3} p99 {:.3} last-p99 {:.3} ms, {} deliveries/s, {} missing",
        ms(latency.delivery_ns.at(0.5)),
        ms(latency.delivery_ns.at(0.99)),
        ms(latency.completion_ns.at(0.99)),
        rate(results.rates.deliveries),
        results.counts.missing().sum()
    );
    let answer = match (&results.verdict, &results.slo) {
        (Verdict::Invalid { why }, _) => Answer::Invalid(why.join("; ")),
        (_, Some(slo)) if !slo.held => Answer::Missed(slo.misses.join("; ")),
        _ if results.counts.sent < results.counts.planned => {
            Answer::Missed("not all messages could be sent".to_owned())
        }
        _ => Answer::Held,
    };
    (answer, figures)
}

#[cfg(test)]
mod tests;
