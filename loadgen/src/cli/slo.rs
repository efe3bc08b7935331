//! What a run must hold (`--slo`), such as `p99=10ms,loss=0`.
//!
//! Times of deliveries are named by their quantile (`p50` to `p99.999`, or `max`), times of fan-out
//! completion with `last-` before it, those of acknowledgements with `ack-`; `loss`, `disorder` and `closes` are the most there may be. Loss is
//! whatever was expected and had not come when the drain ended, for whatever reason, and sessions that joined
//! and heard nothing; disorder is what came
//! wrongly; closes are sessions that ended early or could not be opened.

use std::time::Duration;

use anyhow::{Context, anyhow, ensure};

use crate::load::plan::nanoseconds;
use crate::load::span::{Plain, parse};
use crate::results::model::Results;
use crate::results::model::asked::{Slo, SloPart};

/// A figure that is demanded.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    Delivery(f64),
    Completion(f64),
    Acknowledgement(f64),
    Loss,
    Disorder,
    Closes,
}

impl Figure {
    /// Whether it is a time, and no count.
    fn is_time(self) -> bool {
        matches!(
            self,
            Self::Delivery(_) | Self::Completion(_) | Self::Acknowledgement(_)
        )
    }
}

/// The counts that can be bounded, by name.
const COUNTS: [(&str, Figure); 3] = [
    ("loss", Figure::Loss),
    ("disorder", Figure::Disorder),
    ("closes", Figure::Closes),
];

/// What stands before the quantile of a completion.
const LAST: &str = "last-";

/// What stands before that of an acknowledgement.
const ACK: &str = "ack-";

/// The most a figure may be: nanoseconds or a count.
#[derive(Clone, Debug)]
struct Part {
    text: String,
    figure: Figure,
    most: u64,
}

/// A demand as it was given.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    text: String,
    parts: Vec<Part>,
}

impl Demand {
    /// Reads `figure=most` parts with commas between.
    ///
    /// # Errors
    /// One sentence that names the part and what it takes.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let parts = text.split(',').map(str::trim).map(|part| {
            Part::parse(part).with_context(|| {
                format!(
                    "--slo {part:?}: want p50=, p99=, max=, last-p99= or ack-p99= with a time such as 10ms, \
                     or loss=, disorder= or closes= with a number"
                )
            })
        });
        Ok(Self {
            text: text.to_owned(),
            parts: parts.collect::<anyhow::Result<_>>()?,
        })
    }

    /// Whether a run held it, and where not.
    pub(crate) fn judge(&self, results: &Results) -> Slo {
        let parts: Vec<_> = self.parts.iter().map(|part| part.judge(results)).collect();
        let missed = parts.iter().filter(|part| !part.held);
        let misses: Vec<_> = missed
            .map(|part| format!("{}: {}", part.demand, part.was))
            .collect();
        Slo {
            demand: self.text.clone(),
            held: misses.is_empty(),
            misses,
            parts,
        }
    }
}

impl Part {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let (name, most) = text.split_once('=').context("no =")?;
        let count = COUNTS.iter().find(|(count, _)| *count == name);
        let figure = match (count, name.strip_prefix(LAST), name.strip_prefix(ACK)) {
            (Some((_, figure)), ..) => *figure,
            (None, Some(name), _) => Figure::Completion(quantile(name)?),
            (None, _, Some(name)) => Figure::Acknowledgement(quantile(name)?),
            (None, None, None) => Figure::Delivery(quantile(name)?),
        };
        let most = match figure.is_time() {
            // A plain number could be seconds or milliseconds: whoever demands has to say.
            true => {
                let span = parse(most, Plain::Refused).map_err(|error| anyhow!(error))?;
                nanoseconds(span)
            }
            false => most.parse()?,
        };
        let text = text.to_owned();
        Ok(Self { text, figure, most })
    }

    fn judge(&self, results: &Results) -> SloPart {
        let (counts, latency) = (&results.counts, &results.latency);
        let figure = match self.figure {
            Figure::Delivery(quantile) => latency.delivery_ns.at(quantile),
            Figure::Completion(quantile) => latency.completion_ns.at(quantile),
            Figure::Acknowledgement(quantile) => latency.ack_ns.at(quantile),
            Figure::Loss => counts.missing().sum() + results.sessions.heard_nothing,
            Figure::Disorder => {
                counts.reordered
                    + counts.duplicated
                    + counts.too_late
                    + counts.corrupted
                    + counts.wrong_type
            }
            Figure::Closes => results.sessions.ended_early + results.sessions.failed,
        };
        // Nothing measured holds no demand on times.
        let (is_known, unknown) = match self.figure {
            Figure::Acknowledgement(_) => (!latency.ack_ns.is_empty(), "nothing was acknowledged"),
            figure if figure.is_time() => {
                (!latency.delivery_ns.is_empty(), "nothing was delivered")
            }
            _ => (true, ""),
        };
        let is_time = self.figure.is_time();
        SloPart {
            demand: self.text.clone(),
            held: is_known && figure <= self.most,
            was: match (is_known, is_time) {
                (false, _) => unknown.to_owned(),
                (true, true) => format!("it was {:.3?}", Duration::from_nanos(figure)),
                (true, false) => format!("it was {figure}"),
            },
        }
    }
}

fn quantile(name: &str) -> anyhow::Result<f64> {
    if name == "max" {
        return Ok(1.0);
    }
    let percent: f64 = name.strip_prefix('p').context("no p")?.parse()?;
    ensure!((0.0..=100.0).contains(&percent), "not a percentage");
    Ok(percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a demand is judged part by part, each in its unit.
    #[test]
    fn demands_are_judged() {
        let mut results = Results::default();
        for ms in 1..=100 {
            results.latency.delivery_ns.record(ms * 1_000_000);
            results.latency.completion_ns.record(ms * 2_000_000);
            results.latency.ack_ns.record(ms * 3_000_000);
        }
        results.counts.skipped = 3;
        let judged = results.clone();
        let judge = |text: &str| Demand::parse(text).unwrap().judge(&judged);
        assert!(judge("p50=51ms,max=0.101s,last-p99=200000us,loss=3").held);
        assert!(judge("ack-p50=151ms").held && !judge("ack-max=299ms").held);
        let missed = judge("p50=49ms, max=1s,loss=2,disorder=0");
        assert!(!missed.held);
        let held: Vec<_> = missed.parts.iter().map(|part| part.held).collect();
        assert_eq!(held, [false, true, false, true], "{:?}", missed.parts);
        assert_eq!(missed.parts[2].was, "it was 3");
        assert_eq!(missed.misses.len(), 2, "{:?}", missed.misses);
        assert!(missed.misses[1].contains("it was 3"));
        let empty = Demand::parse("p99=1s").unwrap().judge(&Results::default());
        assert!(!empty.held, "nothing was delivered");
        results.latency.ack_ns = Default::default();
        let silent = Demand::parse("ack-p99=1s").unwrap().judge(&results);
        assert_eq!(silent.misses, ["ack-p99=1s: nothing was acknowledged"]);
    }

    /// Goal: whatever is missing is a loss, whatever came wrongly is disorder, and a session that was not
    /// there is a close.
    #[test]
    fn counts_are_demanded_by_kind() {
        type Change = fn(&mut Results) -> &mut u64;
        let cases: [(&str, Change); 11] = [
            ("loss", |results| &mut results.counts.skipped),
            ("loss", |results| &mut results.counts.outstanding),
            ("loss", |results| &mut results.counts.cut_off),
            ("loss", |results| &mut results.sessions.heard_nothing),
            ("disorder", |results| &mut results.counts.reordered),
            ("disorder", |results| &mut results.counts.duplicated),
            ("disorder", |results| &mut results.counts.too_late),
            ("disorder", |results| &mut results.counts.corrupted),
            ("disorder", |results| &mut results.counts.wrong_type),
            ("closes", |results| &mut results.sessions.ended_early),
            ("closes", |results| &mut results.sessions.failed),
        ];
        for (name, count) in cases {
            let mut results = Results::default();
            *count(&mut results) = 2;
            for other in ["loss", "disorder", "closes"] {
                let held = |most| {
                    let demand = Demand::parse(&format!("{other}={most}")).unwrap();
                    demand.judge(&results).held
                };
                assert_eq!((held(1), held(2)), (other != name, true), "{name}, {other}");
            }
        }
    }

    /// Goal: what can't be understood is refused with what can.
    #[test]
    fn bad_demands_are_refused() {
        for text in [
            "", "p99", "p99=10", "p99=10x", "q=1ms", "p101=1ms", "loss=-1", "p=1s",
        ] {
            let error = Demand::parse(text).unwrap_err().to_string();
            assert!(error.contains("--slo"), "{text}: {error}");
        }
    }

    /// Goal: the documentation lists every objective there is, and only what can be demanded.
    #[test]
    fn objectives_are_documented() {
        let document = include_str!("../../../docs/LOADGEN.md");
        let (_, section) = document.split_once("\n## Objectives\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut figures: Vec<_> = rows
            .flat_map(|row| row.split('|').next().unwrap().split("`, `"))
            .map(|example| example.trim_end().trim_end_matches('`'))
            .map(|example| Part::parse(example).unwrap_or_else(|e| panic!("{example}: {e}")))
            .map(|part| std::mem::discriminant(&part.figure))
            .collect();
        figures.dedup();
        let times: [fn(f64) -> Figure; 3] = [
            Figure::Delivery,
            Figure::Completion,
            Figure::Acknowledgement,
        ];
        let kinds = times.into_iter().map(|figure| figure(1.0));
        let kinds = kinds.chain(COUNTS.map(|(_, figure)| figure));
        let kinds: Vec<_> = kinds
            .map(|figure| std::mem::discriminant(&figure))
            .collect();
        assert_eq!(figures, kinds);
    }
}
