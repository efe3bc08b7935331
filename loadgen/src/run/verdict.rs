//! Whether a run's figures are the server's, and what the program exits with.

use std::time::Duration;

use crate::cli::settings::Settings;
use crate::results::model::{Results, Verdict};
use crate::results::so_far::CPU_SHARE_MAX;

/// Exit code for a run that could not be made: bad flags, no server, a refused handshake.
pub(crate) const EXIT_SETUP: u8 = 1;

/// Exit code for a run whose figures mean nothing, because the generator was the limit or somebody
/// interrupted it.
pub(crate) const EXIT_INVALID: u8 = 2;

/// Exit code for a run in which messages were lost or too late for the drain, repeated, out of order or
/// damaged, or in which sessions could not be opened or were closed.
pub(crate) const EXIT_LOSS: u8 = 3;

/// Exit code for a run that missed what was demanded of it.
pub(crate) const EXIT_SLO: u8 = 99;

/// Judges the generator itself: every sign that it and not the server was the limit; and a run that
/// was `cut_short` is not the one that was asked for.
pub(crate) fn verdict(results: &Results, settings: &Settings, cut_short: bool) -> Verdict {
    let mut why = Vec::new();
    let generator = &results.generator;
    if cut_short {
        why.push(format!(
            "the run was interrupted after {:.1} of {} s",
            Duration::from_nanos(results.window.length_ns).as_secs_f64(),
            results.parameters.duration_seconds
        ));
    }
    let machines = results.machines.iter();
    for agent in machines.flat_map(|machines| &machines.agents) {
        if let Some(lost) = &agent.lost {
            why.push(format!("agent {} was lost {lost}", agent.name));
        }
    }
    // What the server held back is its own doing.
    let lag_ns = generator.own_lag_ns.at(0.99);
    let lag_max = settings.lag_max;
    if u128::from(lag_ns) > lag_max.as_nanos() {
        why.push(format!(
            "messages left late: what this program adds to the publish lag at the 99th percentile is {:.3?}, over {lag_max:?}",
            Duration::from_nanos(lag_ns)
        ));
    }
    for (index, worker) in generator.workers.iter().enumerate() {
        if worker.cpu_share > CPU_SHARE_MAX {
            why.push(format!(
                "worker {index} was busy {:.1}% of the time: use more --workers or processors",
                worker.cpu_share * 100.0
            ));
        }
        if worker.cq_overflows > 0 {
            why.push(format!(
                "the completion queue of worker {index} overflowed {} times: use more --workers",
                worker.cq_overflows
            ));
        }
    }
    // A message that a subscriber never had loses its place too: that is the server's doing.
    let is_whole = results.counts.missing().sum() == 0
        && results.sessions.ended_early == 0
        && results.held_back.messages == 0;
    if generator.displaced > 0 && is_whole {
        why.push(format!(
            "more messages were in flight than can be followed: of {} it is not known when they \
             were complete",
            generator.displaced
        ));
    }
    if why.is_empty() {
        Verdict::Valid
    } else {
        Verdict::Invalid { why }
    }
}

/// The exit code of a run that was made.
pub(crate) fn exit_code(results: &Results) -> u8 {
    if results.verdict != Verdict::Valid {
        EXIT_INVALID
    } else if !results.is_clean() {
        EXIT_LOSS
    } else if results.slo.as_ref().is_some_and(|slo| !slo.held) {
        EXIT_SLO
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::model::Worker;
    use crate::results::model::asked::Slo;

    /// Goal: the exit code is that of the worst finding: nothing else counts if the run is invalid.
    #[test]
    fn the_worst_finding_decides() {
        let mut results = Results::default();
        assert_eq!(exit_code(&results), 0);
        results.slo = Some(Slo::default());
        assert_eq!(exit_code(&results), EXIT_SLO);
        results.counts.duplicated = 1;
        assert_eq!(exit_code(&results), EXIT_LOSS);
        results.verdict = Verdict::Invalid { why: Vec::new() };
        assert_eq!(exit_code(&results), EXIT_INVALID);
    }

    /// Goal: each sign that the generator was the limit makes the run invalid and is told.
    #[test]
    fn limits_of_the_generator_are_told() {
        let settings = crate::cli::settings::default_for_tests();
        let judge = |change: &dyn Fn(&mut Results)| {
            let mut results = Results::default();
            results.generator.workers = vec![Worker::default(); 2];
            change(&mut results);
            match verdict(&results, &settings, false) {
                Verdict::Valid => String::new(),
                Verdict::Invalid { why } => why.join("; "),
            }
        };
        assert_eq!(judge(&|_| {}), "");
        let late = |results: &mut Results| {
            results.generator.own_lag_ns.record(6_000_000);
        };
        assert!(judge(&late).contains("left late"));
        let held = |results: &mut Results| {
            results.generator.publish_lag_ns.record(6_000_000_000);
            results.held_back.messages = 1;
            results.generator.displaced = 7;
        };
        assert_eq!(judge(&held), "", "the server's doing");
        let busy = |results: &mut Results| results.generator.workers[1].cpu_share = 0.99;
        assert!(judge(&busy).contains("worker 1 was busy 99.0%"));
        let overflowing = |results: &mut Results| results.generator.workers[0].cq_overflows = 3;
        assert!(judge(&overflowing).contains("overflowed 3 times"));
        let displaced = |results: &mut Results| results.generator.displaced = 7;
        assert!(judge(&displaced).contains("of 7 it is not known"));
        let lossy = |results: &mut Results| {
            results.generator.displaced = 7;
            results.counts.skipped = 7;
        };
        assert_eq!(judge(&lossy), "", "the server's doing");
    }
}
