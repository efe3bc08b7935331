//! What a run must hold (`--slo`), such as `p99=10ms,loss=0`.
//!
//! Times of deliveries are named by their quantile (`p50` to `p99.999`, or `max`), times of fan-out
//! completion with `last-` before it; `loss`, `disorder` and `closes` are the most there may be.

use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::results::model::Results;
use crate::results::model::asked::Slo;

/// A figure that is demanded.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    Delivery(f64),
    Completion(f64),
    Loss,
    Disorder,
    Closes,
}

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
                    "--slo {part:?}: want p50=, p99=, max=, last-p99= (with ms, us or s), loss=, \
                     disorder= or closes="
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
        let misses: Vec<_> = self
            .parts
            .iter()
            .filter_map(|part| part.miss(results))
            .collect();
        Slo {
            demand: self.text.clone(),
            held: misses.is_empty(),
            misses,
        }
    }
}

impl Part {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let (name, most) = text.split_once('=').context("no =")?;
        let figure = match name {
            "loss" => Figure::Loss,
            "disorder" => Figure::Disorder,
            "closes" => Figure::Closes,
            _ => match name.strip_prefix("last-") {
                Some(name) => Figure::Completion(quantile(name)?),
                None => Figure::Delivery(quantile(name)?),
            },
        };
        let most = match figure {
            Figure::Delivery(_) | Figure::Completion(_) => time_ns(most)?,
            _ => most.parse()?,
        };
        let text = text.to_owned();
        Ok(Self { text, figure, most })
    }

    fn miss(&self, results: &Results) -> Option<String> {
        let counts = &results.counts;
        let figure = match self.figure {
            Figure::Delivery(quantile) => results.latency.delivery_ns.at(quantile),
            Figure::Completion(quantile) => results.latency.completion_ns.at(quantile),
            Figure::Loss => counts.lost + counts.corrupted,
            Figure::Disorder => counts.reordered + counts.duplicated,
            Figure::Closes => results.sessions.ended_early,
        };
        let is_time = matches!(self.figure, Figure::Delivery(_) | Figure::Completion(_));
        // Nothing measured holds no demand on times.
        let nothing = is_time && results.latency.delivery_ns.is_empty();
        let was = if is_time {
            format!("{:?}", Duration::from_nanos(figure))
        } else {
            figure.to_string()
        };
        if nothing {
            Some(format!("{}: nothing was delivered", self.text))
        } else {
            (figure > self.most).then(|| format!("{}: it was {was}", self.text))
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

fn time_ns(text: &str) -> anyhow::Result<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ns = match &text[digits.len()..] {
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        unit => bail!("unknown unit {unit:?}"),
    };
    let number: f64 = digits.parse()?;
    ensure!((0.0..1e9).contains(&number), "out of range");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked above"
    )]
    Ok((number * unit_ns) as u64)
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
        }
        results.counts.lost = 3;
        let judge = |text: &str| Demand::parse(text).unwrap().judge(&results);
        assert!(judge("p50=51ms,max=0.101s,last-p99=200000us,loss=3").held);
        let missed = judge("p50=49ms, max=1s,loss=2,disorder=0");
        assert!(!missed.held);
        assert_eq!(missed.misses.len(), 2, "{:?}", missed.misses);
        assert!(missed.misses[1].contains("it was 3"));
        let empty = Demand::parse("p99=1s").unwrap().judge(&Results::default());
        assert!(!empty.held, "nothing was delivered");
    }

    /// Goal: what can't be understood is refused with what can.
    #[test]
    fn bad_demands_are_refused() {
        for text in [
            "", "p99", "p99=10", "p99=10m", "q=1ms", "p101=1ms", "loss=-1", "p=1s",
        ] {
            let error = Demand::parse(text).unwrap_err().to_string();
            assert!(error.contains("--slo"), "{text}: {error}");
        }
    }
}
