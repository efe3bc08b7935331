//! Loads that change over time, and that wait: exactly as many messages and sessions as was said.

use std::time::Duration;

use crate::program::{in_one_run, run};
use crate::server::{Fault, Server};

fn words(flags: &str) -> Vec<&str> {
    flags.split_whitespace().collect()
}

/// Goal: stages publish as many messages as the area below them has, level and on both slopes, whoever
/// publishes; and the warm-up is at the rate they begin with.
#[test]
fn stages_publish_what_they_say() {
    let server = Server::start(Fault::None);
    let flags =
        "--subscribers 5 --publishers 3 --rooms 1 --warmup 0 --stages 300ms:200,400ms:200,300ms:0";
    let ramps = run(server.address, &words(flags));
    assert_eq!((ramps.code, ramps.damage()), (0, [0; 5]), "{}", ramps.text);
    assert_eq!(
        ramps.figure("/counts/planned"),
        30 + 80 + 30,
        "{}",
        ramps.text
    );
    assert_eq!(ramps.figure("/window/sent"), 140);
    assert_eq!(ramps.figure("/counts/delivered"), 140 * 5);
    assert!(
        ramps
            .text
            .contains("0.0 to 200.0 to 200.0 to 0.0 messages/s"),
        "{}",
        ramps.text
    );
    assert_eq!(ramps.report["parameters"]["stages"][1]["target"], 200.0);
    assert_eq!(ramps.report["parameters"]["duration_seconds"], 1.0);
    let server = Server::start(Fault::None);
    let flags = "--subscribers 5 --rate 50 --warmup 200ms --stages 1s:150";
    let warm = run(server.address, &words(flags));
    assert_eq!((warm.code, warm.damage()), (0, [0; 5]), "{}", warm.text);
    assert_eq!(warm.figure("/counts/sent"), 10 + 100);
    assert_eq!(warm.figure("/window/sent"), 100);
}

/// Goal: subscribers come and go by stages beside those that stay; nobody misses anything while there, and
/// it is seen how many there were.
#[test]
fn sessions_come_and_go_by_stages() {
    let server = Server::start(Fault::None);
    let flags = "--subscribers 5 --rate 100 --warmup 0 --session-stages 500ms:20,1500ms:20,500ms:0";
    for workers in ["1", "2"] {
        let run = run(
            server.address,
            &[&words(flags)[..], &["--workers", workers]].concat(),
        );
        assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
        assert_eq!(run.figure("/counts/sent"), 250);
        let came_and_went = (run.figure("/churn/joined"), run.figure("/churn/left"));
        assert_eq!(came_and_went, (20, 20), "{}", run.text);
        assert_eq!(run.figure("/sessions/opened"), 5 + 1 + 20);
        // Those that come have about two seconds each.
        let delivered = run.figure("/counts/delivered");
        assert!(
            (250 * 5 + 1_000..250 * 25).contains(&delivered),
            "{}",
            run.text
        );
        assert_eq!(run.figure("/window/completed"), 250, "by those that stay");
        let intervals = run.report["intervals"].as_array().unwrap();
        let most = |name: &str| {
            let figures = intervals
                .iter()
                .map(|interval| interval[name].as_u64().unwrap());
            figures.max().unwrap()
        };
        assert_eq!(
            (most("open_wanted"), most("open")),
            (26, 26),
            "{intervals:?}"
        );
        assert!(
            run.text
                .contains("5 subscribers and up to 20 that come and go"),
            "{}",
            run.text
        );
    }
}

/// Goal: what was given up for lost and comes late makes no room for more: once a server that delivers nothing for a
/// second is through with what it held, no more wait there than were asked for.
#[test]
fn late_messages_let_no_more_out() {
    in_one_run(|| {
        let server = Server::start(Fault::SlowStart(Duration::from_secs(1)));
        let flags =
            "--subscribers 1 --publishers 1 --closed 2 --drain 400ms --duration 2s --warmup 0";
        let run = run(server.address, &words(flags));
        assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
        let held = server.faults();
        assert!(held >= 4, "only {held} were sent while it held them");
        // Some more than twenty milliseconds for two of them, in the second that is left.
        assert!(run.figure("/counts/sent") > held + 20, "{}", run.text);
        let most = server.most_waiting();
        assert!((1..=2).contains(&most), "{most}");
    });
}

/// Goal: a publisher that thinks waits for so long after each message has come to all, and what it says
/// then is not timed from before.
#[test]
fn publishers_think() {
    in_one_run(|| {
        let server = Server::start(Fault::None);
        let flags =
            "--subscribers 3 --publishers 2 --closed 2 --think 100ms --duration 1s --warmup 0";
        let run = run(server.address, &words(flags));
        assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
        // The ninth of each is due after 900 ms, the tenth would be after a second.
        let sent = run.figure("/counts/sent");
        assert!((12..=18).contains(&sent), "{sent}: {}", run.text);
        let p50 = run.figure("/latency/completion_ns/p50");
        assert!(p50 < 90_000_000, "{}", run.text);
    });
}
