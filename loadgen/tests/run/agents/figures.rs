//! What is measured over agents is what one process measures: the same counts, the same times, and the same of what is
//! missing while a run goes on.

use std::time::Duration;

use serde_json::Value;

use super::{Pair, clean};
use crate::program::{LOAD, Run, in_one_run, run};
use crate::server::{Fault, Server};

const MS: u64 = 1_000_000;

/// Tells the server the number of each session, so that what it does does not depend on who connects first.
const NUMBERED: [&str; 2] = ["--path", "/ws?presence=0&i={i}"];

/// Delays of the first subscriber, and of each further one more, in milliseconds.
const DELAY_MS: u64 = 200;
const STEP_MS: u64 = 20;

/// How far a time may be above the arithmetic: less than a step, so that no subscriber is taken for another. None may be
/// below it by more than what histograms round, since nobody waits for less than it is told to.
const TOLERANCE_MS: u64 = 15;
const ROUNDED_MS: u64 = 1;

/// The times of a run against such a server, in milliseconds: those that its delays make. Of deliveries that is the median
/// of those to one subscriber; of all series the median, which does not move when the machine does something else for a
/// moment.
fn check_times(run: &Run) {
    let of = |subscriber: u64| DELAY_MS + subscriber * STEP_MS;
    for (series, quantile, expected) in [
        ("delivery", 0.025, of(0)),
        ("delivery", 0.475, of(9)),
        ("delivery", 0.875, of(17)),
        ("delivery", 0.975, of(19)),
        ("first", 0.5, of(0)),
        ("completion", 0.5, of(19)),
        ("spread", 0.5, of(19) - of(0)),
    ] {
        let times = run.distribution(&format!("/latency/{series}_ns"));
        let found = times.value_at_quantile(quantile) / MS;
        let about = format!("{series} at {quantile}: {found} ms, not {expected}");
        let may = expected - ROUNDED_MS..=expected + TOLERANCE_MS;
        assert!(may.contains(&found), "{about}\n{}", run.text);
    }
    let least = |series: &str| run.distribution(&format!("/latency/{series}_ns")).min() / MS;
    assert!(least("first") >= of(0) - ROUNDED_MS, "{}", run.text);
    assert!(least("completion") >= of(19) - ROUNDED_MS, "{}", run.text);
}

/// Goal: two agents count exactly what one process counts of the same load, and their times are those of the arithmetic
/// within 15 ms of 200 to 580, as one process's are: also first, completion and spread, which no agent knows alone.
#[test]
fn two_agents_measure_what_one_process_does() {
    let fault = Fault::Staggered(
        Duration::from_millis(DELAY_MS),
        Duration::from_millis(STEP_MS),
    );
    let load = [&LOAD[..], &NUMBERED, &["--duration", "2"]].concat();
    in_one_run(|| {
        let server = Server::start(fault);
        let alone = run(server.address, &load);
        let server = Server::start(fault);
        let both = Pair::start(&server).run(&server, &load);
        for run in [&alone, &both] {
            clean(run);
            check_times(run);
        }
        let counts = |run: &Run, part: &str| -> Value {
            let mut counts = run.report[part].clone();
            // How long a window was in the end is a time.
            counts.as_object_mut().unwrap().remove("length_ns");
            counts
        };
        for part in ["counts", "sessions"] {
            assert_eq!(counts(&alone, part), counts(&both, part), "{part}");
        }
        assert_eq!(alone.figure("/counts/delivered"), 220 * 20);
        for figure in ["planned", "sent", "completed"] {
            let of = |run: &Run| run.figure(&format!("/window/{figure}"));
            assert_eq!((of(&alone), of(&both)), (200, 200), "{figure}");
        }
        for series in ["upgrade", "delivery", "first", "completion", "spread"] {
            let of = |run: &Run| run.figure(&format!("/latency/{series}_ns/count"));
            assert_eq!(of(&alone), of(&both), "{series}");
        }
    });
}

/// Goal: what is outstanding over two agents is known each second while the run goes on: all that was sent so far, to the
/// one subscriber of four who gets nothing.
#[test]
fn what_is_outstanding_is_known_meanwhile() {
    in_one_run(|| {
        let server = Server::start(Fault::Mute(3));
        let pair = Pair::start(&server);
        let name = format!("fanload-agents-outstanding-{}.csv", std::process::id());
        let file = std::env::temp_dir().join(name);
        let flags = "--subscribers 4 --duration 3.4 --drain 0.3 --csv";
        let flags: Vec<_> = flags.split(' ').chain(file.to_str()).collect();
        let run = pair.run(&server, &[&NUMBERED[..], &flags].concat());
        assert_eq!(run.code, 3, "{}", run.text);
        assert_eq!(run.findings(), "outstanding 360", "{}", run.text);
        let table = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        let rows = table
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>());
        let rows: Vec<_> = rows.collect();
        let column = |name: &str| rows[0].iter().position(|each| *each == name).unwrap();
        let (sent, outstanding) = (column("sent"), column("outstanding"));
        let number = |text: &str| text.parse::<u64>().unwrap();
        let (mut sum, mut loaded) = (0, 0);
        for row in &rows[1..] {
            sum += number(row[sent]);
            let found = number(row[outstanding]);
            // Processes tell of themselves some 20 ms apart: a few messages, to four.
            assert!(
                found.abs_diff(sum) <= 40,
                "{found}, and {sum} were sent\n{table}"
            );
            loaded += u32::from(row[0] == "measure" && sum > 150);
        }
        assert!(loaded >= 2, "{table}");
    });
}
