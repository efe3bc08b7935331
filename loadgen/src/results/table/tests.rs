//! What a person reads, by the figures behind it.

use super::*;
use crate::results::model::agents::{Agent, Machines};
use crate::results::model::asked::{Slo, Stage};
use crate::results::model::counts::Counts;
use crate::results::model::recovery::Recovery;
use crate::results::model::server::{ProcessUse, ServerUse, StormUse};
use crate::results::model::{Churn, HeldBack, Slow, Storm};
use crate::results::sample;

/// Goal: a load is told in full, with every series and separators in the counts.
#[test]
fn a_load_is_told_in_full() {
    let (mut results, _) = sample::run(10);
    results.server = Some(ServerUse {
        cpu_ns: 5_000_000,
        cpu_ns_per_delivery: 250.0,
        tcp_pages_peak: 12,
        processes: [(7, "nginx"), (8, "app")]
            .map(|(pid, name)| ProcessUse {
                pid,
                name: name.to_owned(),
                cpu_ns: 3_000_000,
                rss_bytes_after: 1 << 20,
                ..ProcessUse::default()
            })
            .to_vec(),
        ..ServerUse::default()
    });
    results.environment.started_unix_ms = 1_000_000_000_000;
    let text = results.to_string();
    let begun = "\nbegun 2001-09-09 01:46:40 UTC on ";
    assert!(text.contains(begun), "{text}");
    for part in [
        "fanout on 127.0.0.1:9001/ws (plain): 20 subscribers, 1 publisher, 100.0 messages/s",
        "\ncompletion ",
        "\nack ",
        "\nanswered   1,100 acknowledged, 0 rejected, 0 not answered\n",
        "1,000 planned (100.0/s), 1,000 sent (100.0/s), 1,000 complete (100.0/s)",
        "judged     0 skipped, 0 outstanding, 0 cut off, 0 duplicated, 0 reordered, 0 corrupted\n",
        "(22,000 of 22,000 expected with the warm-up, 0 foreign, 0 replayed)",
        "sessions   21 opened, 0 ended early",
        "\nslowest    sessions, mean (max) ms: 3 2.000 (50.000), 17 1.500 (9.000)\n",
        "server     250 ns of CPU per delivery",
        "processes  2 processes: 7 nginx 3 ms of CPU, 1.0 MiB; 8 app 3 ms of CPU, 1.0 MiB",
        "verdict    valid",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(
        !text.contains("backlog") && !text.contains("window"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.len() < 160), "{text}");
}

/// Goal: a load that changes over time is told with its stages and pauses.
#[test]
fn changing_loads_are_told() {
    let (results, _) = sample::run(10);
    let mut parameters = results.parameters;
    let stage = |seconds, target| Stage { seconds, target };
    parameters.stages = vec![stage(5.0, 2_000.0), stage(5.0, 0.0)];
    parameters.session_stages = vec![stage(5.0, 40.0), stage(5.0, 0.0)];
    let text = load(&parameters);
    assert!(
        text.starts_with("20 subscribers and up to 40 that come and go, "),
        "{text}"
    );
    assert!(
        text.contains(", 100.0 to 2,000 to 0.0 messages/s (uniform) of 64"),
        "{text}"
    );
    parameters.closed = Some(3);
    parameters.think_seconds = vec![1.0, 2.5];
    let text = load(&parameters);
    assert!(
        text.contains("3 messages outstanding after pauses of 1 to 2.5 s"),
        "{text}"
    );
    parameters.think_seconds = vec![1.0, 1.0];
    assert!(
        load(&parameters).contains("after pauses of 1 s of 64"),
        "{text}"
    );
}

/// Goal: figures that are too short for what is known of the clocks have a sign in their rows, each in its column, and
/// no others; the line of the clocks names them.
#[test]
fn doubtful_figures_have_a_sign() {
    let (mut results, _) = sample::run(4);
    let text = results.to_string();
    assert!(!text.contains('~'), "{text}");
    let agent = Agent {
        clock_uncertainty_ns: 500_000,
        ..Agent::default()
    };
    let mut machines = Machines::new(vec![agent.clone(), agent]);
    machines.doubt(&results.latency.series());
    results.machines = Some(machines);
    let marked = results.to_string();
    let row = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.to_owned()
    };
    // Some 2 ms are usual, and more than 40 ms in the stall.
    let delivery = row(&marked, "delivery");
    assert!(delivery.starts_with("delivery      ~1."), "{delivery}");
    assert!(!row(&marked, "upgrade").contains('~'), "{marked}");
    let columns = |row: &str| row.match_indices('.').map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(columns(&delivery), columns(&row(&text, "delivery")));
    let [usual, longest] = [0.5, 1.0].map(|quantile| results.latency.delivery_ns.at(quantile));
    for (ns, sign) in [(usual, "~"), (longest, " ")] {
        let figure = format!("{sign}{:.3}", ms(ns));
        assert!(delivery.contains(&figure), "{figure} in {delivery}");
    }
    assert!(
        marked.contains("3 ~2.000 (50.000), 17 ~1.500 (9.000)"),
        "{marked}"
    );
    assert!(
        row(&marked, "clocks").contains("clocks: delivery.p50, "),
        "{marked}"
    );
}

/// Goal: what is missing is told by its reason, a backlog with its age, and what was too late with the
/// window that it fell out of.
#[test]
fn what_is_missing_is_told_by_its_reason() {
    let (mut results, _) = sample::run(2);
    results.counts = Counts {
        skipped: 12,
        outstanding: 1_084_304,
        outstanding_age_ns: 3_250_000_000,
        cut_off: 7,
        too_late: 110,
        ..results.counts
    };
    results.generator.reorder_window = 65_536;
    results.sessions.failed = 60;
    results.sessions.unopened = 1_000;
    results.sessions.refusals.insert(503, 60);
    let text = results.to_string();
    for part in [
        "judged     12 skipped, 1,084,304 outstanding, 7 cut off, 0 duplicated",
        "\nbacklog    1,084,304 outstanding when the drain ended, the oldest for 3.25 s; more --drain",
        "\nwindow     110 came over 65,536 messages late: too late to tell",
        "opened, 1,000 could not be, as allowed, 60 failed to, 0 ended early",
        "\nrefusals   503: 60\n",
        "FAILED: 12 skipped (later ones came); 1,084,304 outstanding when the drain ended, the \
         oldest for 3.25 s; 7 cut off with their sessions; 110 too late to tell; 60 joins failed",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// Goal: what is wrong with a run can't be missed.
#[test]
fn trouble_is_told() {
    let (mut results, _) = sample::run(2);
    results.sessions.ended_early = 3;
    results.sessions.closes.insert(4001, 2);
    results.sessions.closes.insert(1006, 1);
    results.sessions.first_cause = Some("it was closed with 4001".to_owned());
    results.storm = Some(Storm::default());
    results.churn = Some(Churn { joined: 7, left: 6 });
    results.slow = Some(Slow {
        stopped: 2,
        closed: 1,
        untaken: 1_500,
    });
    results.slo = Some(Slo {
        demand: "p99=1ms".to_owned(),
        held: false,
        misses: vec!["p99 was 2 ms".to_owned()],
        parts: Vec::new(),
    });
    results.verdict = Verdict::Invalid {
        why: vec!["worker 0 was busy all the time".to_owned()],
    };
    results.held_back = HeldBack {
        messages: 1_200,
        longest_ns: 3_000_000_000,
        left_messages: 7,
        left_bytes: 7 << 20,
    };
    let text = results.to_string();
    for part in [
        "held back  1,200 messages by the server, 3000.000 ms at most; 7 messages not sent in the end, 7.0 MiB",
        "3 ended early; first: it was closed with 4001",
        "closes     1006: 1, 4001: 2",
        "not all came back",
        "churn      7 joined, 6 left",
        "1,500 deliveries",
        "slo        p99=1ms MISSED: p99 was 2 ms",
        "INVALID: worker 0 was busy all the time",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

/// Goal: it is told what became of those that came back, what the server spent on it, and what it did not keep.
#[test]
fn returns_are_told() {
    let (mut results, _) = sample::run(2);
    results.parameters.missed = 200;
    results.counts.skipped = 5;
    let mut found = Recovery {
        came_back: 1_000,
        resubscribed: 2,
        recovered: 990,
        refused: 10,
        messages: 197_995,
        lost: 5,
        repeated: 1,
        forgone: 2_000,
        ..Recovery::default()
    };
    results.recovery = Some(found.clone());
    results.server = Some(ServerUse {
        storm: Some(StormUse {
            cpu_ns: 3_900_000_000,
            rss_bytes_before: 10 << 20,
            rss_bytes_peak: 410 << 20,
        }),
        ..ServerUse::default()
    });
    let text = results.to_string();
    for part in [
        " after 200 that each room missed, ",
        "\nrecovery   1,000 came back: 990 recovered, 10 refused; 2 on connections that were there; 2,000 deliveries \
         not expected for that\n",
        "\nrecovered  197,995 messages given back, 5 lost, 1 twice\n",
        "\nreturn     3900 ms of CPU until all were back, 10.0 MiB resident before, 410.0 MiB at most\n",
        "FAILED: 5 skipped (later ones came); 5 of these it said it gives back",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    found.caught_up_ns.record_all(1_000_000, 9);
    results.recovery = Some(found);
    let text = results.to_string();
    assert!(
        text.contains(", 1 twice; all of it after p50 1.0"),
        "{text}"
    );
}
