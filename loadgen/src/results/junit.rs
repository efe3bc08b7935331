//! The outcome of a run as JUnit's XML, which continuous integration shows: a test case for each part of
//! the objective, one for damage, and one for whether the figures mean anything.

use std::io::{self, Write};

use super::markup::escape;
use super::model::{Results, Verdict};
use super::units::{iso_date, seconds};

/// What became of a test case, and why.
enum Outcome {
    Passed,
    Failed(String),
    /// The generator was the limit: that is no failure of the server.
    Broken(String),
    Skipped(String),
}

/// Writes the report.
///
/// # Errors
/// Those of the writer.
pub(super) fn write(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let cases = cases(results);
    let number =
        |is: fn(&Outcome) -> bool| cases.iter().filter(|(.., outcome)| is(outcome)).count();
    let failures = number(|outcome| matches!(outcome, Outcome::Failed(_)));
    let errors = number(|outcome| matches!(outcome, Outcome::Broken(_)));
    let skipped = number(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let length = seconds(results.window.length_ns);
    let target = format!("{}{}", results.target.address, results.target.path);
    writeln!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
         <testsuite name=\"fanload {} on {}\" tests=\"{}\" failures=\"{failures}\" \
         errors=\"{errors}\" skipped=\"{skipped}\" time=\"{length:.3}\" timestamp=\"{}\" \
         hostname=\"{}\">",
        escape(&results.parameters.workload),
        escape(&target),
        cases.len(),
        iso_date(results.environment.started_unix_ms),
        escape(&results.environment.host)
    )?;
    for (class, name, outcome) in &cases {
        let name = escape(name);
        write!(
            out,
            "<testcase classname=\"fanload.{class}\" name=\"{name}\" time=\"{length:.3}\""
        )?;
        let (element, why) = match outcome {
            Outcome::Passed => {
                writeln!(out, "/>")?;
                continue;
            }
            Outcome::Failed(why) => ("failure", why),
            Outcome::Broken(why) => ("error", why),
            Outcome::Skipped(why) => ("skipped", why),
        };
        writeln!(out, "><{element} message=\"{}\"/></testcase>", escape(why))?;
    }
    writeln!(out, "</testsuite>\n</testsuites>")
}

/// Class, name and outcome of each test case.
fn cases(results: &Results) -> Vec<(&'static str, &str, Outcome)> {
    let validity = match &results.verdict {
        Verdict::Valid => Outcome::Passed,
        Verdict::Invalid { why } => Outcome::Broken(why.join("; ")),
    };
    let is_valid = matches!(validity, Outcome::Passed);
    let damage = results.damage();
    let damage = match damage.is_empty() {
        true => Outcome::Passed,
        false => Outcome::Failed(damage.join("; ")),
    };
    let mut cases = vec![
        ("run", "the generator kept up", validity),
        ("run", "nothing is missing or damaged", damage),
    ];
    for part in results.slo.iter().flat_map(|slo| &slo.parts) {
        let outcome = match (is_valid, part.held) {
            (false, _) => Outcome::Skipped("the figures are not the server's".to_owned()),
            (true, true) => Outcome::Passed,
            (true, false) => Outcome::Failed(part.was.clone()),
        };
        cases.push(("slo", part.demand.as_str(), outcome));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::model::asked::{Slo, SloPart};
    use crate::results::sample;

    fn report(change: impl Fn(&mut Results)) -> String {
        let (mut results, _) = sample::run(2);
        let part = |demand: &str, held| SloPart {
            demand: demand.to_owned(),
            held,
            was: "it was 12ms".to_owned(),
        };
        results.slo = Some(Slo {
            parts: vec![part("p99=10ms", false), part("loss=0", true)],
            ..Slo::default()
        });
        change(&mut results);
        let mut bytes = Vec::new();
        write(&results, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Goal: each part of the objective is a test case of its own, beside those of every run.
    #[test]
    fn parts_are_test_cases() {
        let text = report(|_| {});
        let head = "tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"2.000\"";
        assert!(text.contains(head), "{text}");
        assert_eq!(text.matches("<testcase ").count(), 4, "{text}");
        let missed =
            "name=\"p99=10ms\" time=\"2.000\"><failure message=\"it was 12ms\"/></testcase>";
        assert!(text.contains(missed), "{text}");
        assert!(text.contains("name=\"loss=0\" time=\"2.000\"/>"), "{text}");
    }

    /// Goal: an invalid run is an error and judges nothing, and damage is a failure without any
    /// objective.
    #[test]
    fn invalid_runs_are_errors() {
        let text = report(|results| {
            results.verdict = Verdict::Invalid {
                why: vec!["too <busy>".to_owned()],
            };
        });
        assert!(
            text.contains("failures=\"0\" errors=\"1\" skipped=\"2\""),
            "{text}"
        );
        assert!(
            text.contains("<error message=\"too &lt;busy&gt;\"/>"),
            "{text}"
        );
        let text = report(|results| {
            results.slo = None;
            results.sessions.ended_early = 3;
        });
        assert!(text.contains("tests=\"2\" failures=\"1\""), "{text}");
        assert!(
            text.contains("<failure message=\"3 sessions ended early\"/>"),
            "{text}"
        );
    }
}
