//! The highest rate at which a demand holds.

use std::io::Write;

use crate::results::interval::{Interval, Observer};
use crate::results::model::{Results, Verdict};

/// The most runs one search makes.
const RUNS_MAX: usize = 40;

/// Tells nobody.
pub(crate) struct Silence;

impl Observer for Silence {
    fn interval(&mut self, _: &Interval) {}
}

/// What a run at some rate said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The demand held.
    Held,
    /// It did not, for this reason.
    Missed(String),
    /// The generator could not make the run: nothing is known of the server.
    Limited(String),
}

/// What a search found.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    /// The highest rate that held, if any did.
    pub(crate) rate: Option<f64>,
    /// Whether the generator, or `--rate-max`, ended the search, rather than the server.
    pub(crate) limited: Option<String>,
}

/// Doubles the rate until the demand does not hold any more, then halves the gap.
///
/// `step` makes a run at a rate. Each is told of on `out`.
///
/// # Errors
/// When a run can't be made, or `out` not be written.
pub(crate) fn search(
    (start, most, precision): (f64, f64, f64),
    out: &mut impl Write,
    mut step: impl FnMut(f64) -> anyhow::Result<(Answer, String)>,
) -> anyhow::Result<Found> {
    let mut held: Option<f64> = None;
    let mut missed: Option<f64> = None;
    let mut limited = None;
    let mut rate = start.min(most);
    for _ in 0..RUNS_MAX {
        let (answer, figures) = step(rate)?;
        match &answer {
            Answer::Held => {
                writeln!(out, "{rate:>12.1}/s  held    {figures}")?;
                held = Some(rate);
                if rate >= most {
                    limited = Some(format!("the search ended at --rate-max {most}"));
                    break;
                }
            }
            Answer::Missed(why) => {
                writeln!(out, "{rate:>12.1}/s  missed  {figures}  {why}")?;
                missed = Some(rate);
                limited = None;
            }
            Answer::Limited(why) => {
                writeln!(out, "{rate:>12.1}/s  INVALID {figures}  {why}")?;
                missed = Some(rate);
                limited = Some(format!("the generator was the limit: {why}"));
            }
        }
        rate = match (held, missed) {
            (Some(held), Some(missed)) if missed <= held * (1.0 + precision / 100.0) => break,
            (Some(held), Some(missed)) => f64::midpoint(held, missed),
            (Some(held), None) => (held * 2.0).min(most),
            (None, Some(missed)) if missed > 0.1 => missed / 4.0,
            (None, _) => break,
        };
    }
    Ok(Found {
        rate: held,
        limited,
    })
}

/// Reads a run for what it says of its demand.
pub(crate) fn answer(results: &Results) -> (Answer, String) {
    let latency = &results.latency;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds for people")]
    let ms = |ns: u64| ns as f64 / 1e6;
    let figures = format!(
        "p50 {:.3} p99 {:.3} last-p99 {:.3} ms, {} lost",
        ms(latency.delivery_ns.at(0.5)),
        ms(latency.delivery_ns.at(0.99)),
        ms(latency.completion_ns.at(0.99)),
        results.counts.lost
    );
    let answer = match (&results.verdict, &results.slo) {
        (Verdict::Invalid { why }, _) => Answer::Limited(why.join("; ")),
        (_, Some(slo)) if !slo.held => Answer::Missed(slo.misses.join("; ")),
        _ if results.counts.sent < results.counts.planned => {
            Answer::Missed("not all messages could be sent".to_owned())
        }
        _ => Answer::Held,
    };
    (answer, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(start: f64, most: f64, limit: f64) -> (Found, usize) {
        let mut runs = 0;
        let found = search((start, most, 2.0), &mut Vec::new(), |rate| {
            runs += 1;
            let answer = if rate <= limit {
                Answer::Held
            } else {
                Answer::Missed("too fast".to_owned())
            };
            Ok((answer, String::new()))
        });
        (found.unwrap(), runs)
    }

    /// Goal: the limit is found from below and from above, to the precision asked for.
    #[test]
    fn limits_are_found() {
        for (start, limit) in [
            (60.0, 12_345.0),
            (60.0, 61.0),
            (60.0, 2.5),
            (1_000.0, 999.0),
        ] {
            let (found, runs) = find(start, 1e6, limit);
            let rate = found.rate.unwrap();
            assert!(rate <= limit && rate * 1.021 >= limit, "{rate} for {limit}");
            assert!(runs < 25, "{runs}");
            assert_eq!(found.limited, None);
        }
    }

    /// Goal: a server without a limit ends at the highest rate asked for, and that is told.
    #[test]
    fn the_end_of_the_search_is_told() {
        let (found, _) = find(60.0, 1_000.0, 1e9);
        assert_eq!(found.rate, Some(1_000.0));
        assert!(found.limited.unwrap().contains("--rate-max"));
        assert_eq!(find(60.0, 1_000.0, 0.0).0.rate, None);
    }
}
