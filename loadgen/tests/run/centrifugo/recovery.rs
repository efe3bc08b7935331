//! Sessions that come back and say where they stood: what a server gives them, what it refuses, and what it says it gives
//! and does not.

use super::server::{Habit, Server};
use super::{clean, in_both, run_in};
use crate::program::Run;

/// Those who listen, in all of these.
const LISTENERS: u64 = 20;

const RECOVER: [&str; 4] = ["--set", "recover=yes", "--drain", "0.8"];
const STORM: [&str; 4] = ["--workload", "storm", "--missed", "7"];

/// Everybody comes back at least once, about half a second after it left.
const CHURN: [&str; 6] = [
    "--workload",
    "churn",
    "--churn-rate",
    "20",
    "--duration",
    "1.6",
];

fn with<'a>(flags: &[&[&'a str]]) -> Vec<&'a str> {
    [&[&RECOVER[..]], flags].concat().concat()
}

/// A figure of what came back.
fn found(run: &Run, name: &str) -> u64 {
    run.figure(&format!("/recovery/{name}"))
}

/// Who came back, how many of them recovered, and the deliveries of what they missed: those that came, those lost, those
/// given twice.
fn all_found(run: &Run) -> [u64; 5] {
    ["came_back", "recovered", "messages", "lost", "repeated"].map(|name| found(run, name))
}

/// So many deliveries went wrong in this way. That a server is a little behind with what was sent before somebody joined,
/// which is replayed to it then, is no damage.
fn damaged(run: &Run, (number, count): (u64, &str)) {
    let was = run.figure(&format!("/counts/{count}"));
    assert_eq!((run.code, was), (3, number), "{}", run.text);
    let failed = format!("FAILED: {number} {count}");
    assert!(run.text.contains(&failed), "{}", run.text);
}

/// Goal: in a storm each room misses just what it is to miss, everybody asks for it from where it stood, and has it all,
/// however the server gives it: with its answer, or after it. The load goes on behind that, by a plan or closed.
#[test]
fn storms_are_given_back_what_they_missed() {
    in_both(|encoding| {
        let own = std::process::id().to_string();
        for habit in [Habit::None, Habit::ByPush] {
            let server = Server::start(habit);
            let flags = with(&[&STORM, &["--server-pid", &own]]);
            let run = run_in(encoding, &server, &flags);
            clean(&run);
            assert_eq!(
                all_found(&run),
                [LISTENERS, LISTENERS, 7 * LISTENERS, 0, 0],
                "{}",
                run.text
            );
            assert_eq!(found(&run, "caught_up_ns/count"), LISTENERS, "{}", run.text);
            let counts = ["sent", "planned", "acknowledged"];
            assert_eq!(
                counts.map(|name| run.figure(&format!("/counts/{name}"))),
                [77; 3]
            );
            assert_eq!(run.figure("/counts/expected"), 77 * LISTENERS);
            assert_eq!(
                run.figure("/storm/dropped"),
                LISTENERS,
                "who publishes stays"
            );
            assert!(
                run.figure("/server/storm/rss_bytes_before") > 0,
                "{}",
                run.text
            );
            let asked = server.asked();
            let first = asked
                .iter()
                .filter(|at| (at.epoch.as_str(), at.offset) == ("E", 0));
            assert_eq!((asked.len(), first.count()), (20, 20), "{asked:?}");
        }
        let server = Server::start(Habit::None);
        let closed = run_in(encoding, &server, &with(&[&STORM, &["--closed", "4"]]));
        clean(&closed);
        assert_eq!(found(&closed, "messages"), 7 * LISTENERS, "{}", closed.text);
        assert!(closed.figure("/counts/sent") > 50, "{}", closed.text);
    });
}

/// Goal: who is told that it is given nothing is not waited for, and that is no damage; it is counted.
#[test]
fn refusals_are_counted() {
    in_both(|encoding| {
        let server = Server::start(Habit::Forgetful);
        let storm = run_in(encoding, &server, &with(&[&STORM]));
        clean(&storm);
        assert_eq!(all_found(&storm), [LISTENERS, 0, 0, 0, 0], "{}", storm.text);
        assert_eq!(found(&storm, "refused"), LISTENERS);
        assert_eq!(found(&storm, "forgone"), 7 * LISTENERS);
        assert_eq!(storm.figure("/counts/expected"), 70 * LISTENERS);
        let server = Server::start(Habit::Forgetful);
        let churn = run_in(encoding, &server, &with(&[&CHURN]));
        assert_eq!(churn.code, 0, "{}", churn.text);
        let refused = found(&churn, "refused");
        assert!(refused > 0, "{}", churn.text);
        assert_eq!(all_found(&churn), [refused, 0, 0, 0, 0], "{}", churn.text);
    });
}

/// Goal: what a server says it gives and does not is lost, and damage, whether somebody was dropped or comes and goes.
#[test]
fn broken_promises_are_damage() {
    in_both(|encoding| {
        let server = Server::start(Habit::Liar);
        let storm = run_in(encoding, &server, &with(&[&STORM]));
        damaged(&storm, (20, "skipped"));
        assert_eq!(
            all_found(&storm),
            [LISTENERS, LISTENERS, 6 * LISTENERS, LISTENERS, 0]
        );
        assert!(
            storm.text.contains("20 of these it said it gives back"),
            "{}",
            storm.text
        );
        let server = Server::start(Habit::Liar);
        let churn = run_in(encoding, &server, &with(&[&CHURN]));
        let came_back = found(&churn, "came_back");
        damaged(&churn, (came_back, "skipped"));
        assert_eq!(found(&churn, "lost"), came_back, "{}", churn.text);
    });
}

/// Goal: those who come and go are given what was published meanwhile, each once, which has no part in any latency: how
/// long they were away says nothing of the server. What one had before and is given again is damage.
#[test]
fn guests_are_given_back_what_they_missed() {
    in_both(|encoding| {
        let server = Server::start(Habit::None);
        let right = run_in(
            encoding,
            &server,
            &with(&[&CHURN, &["--slo", "p99.9=400ms"]]),
        );
        assert_eq!(right.code, 0, "{}", right.text);
        let [came_back, recovered, messages, lost, repeated] = all_found(&right);
        assert!(came_back > 0 && came_back == recovered, "{}", right.text);
        assert!(
            messages > came_back && (lost, repeated) == (0, 0),
            "{}",
            right.text
        );
        assert!(
            server.asked().iter().all(|at| at.offset > 0),
            "{:?}",
            server.asked()
        );
        let server = Server::start(Habit::Repeater);
        let again = run_in(encoding, &server, &with(&[&CHURN]));
        let came_back = found(&again, "came_back");
        damaged(&again, (came_back, "duplicated"));
        assert_eq!(found(&again, "repeated"), came_back, "{}", again.text);
    });
}

/// Goal: a server that takes the channel away for insufficient state is asked for it again, and for what was published
/// meanwhile; sessions that do not say where they stood end, as they do elsewhere.
#[test]
fn channels_are_asked_for_again() {
    in_both(|encoding| {
        let server = Server::start(Habit::Evict(30));
        let back = run_in(encoding, &server, &RECOVER);
        clean(&back);
        assert_eq!(found(&back, "resubscribed"), LISTENERS, "{}", back.text);
        assert_eq!(found(&back, "recovered"), LISTENERS, "{}", back.text);
        assert_eq!(back.figure("/sessions/opened"), 22, "{}", back.text);
        let server = Server::start(Habit::Evict(30));
        let gone = run_in(encoding, &server, &["--drain", "0.4"]);
        assert_eq!(
            (gone.code, gone.figure("/sessions/ended_early")),
            (3, LISTENERS)
        );
        let why = "took the channel away: 2500 insufficient state";
        assert!(gone.text.contains(why), "{}", gone.text);
    });
}

/// Goal: several processes miss, and are given back, what one does: each knows what publishers elsewhere have sent.
#[test]
fn processes_come_back_together() {
    in_both(|encoding| {
        for (habit, lost) in [(Habit::None, 0), (Habit::Liar, LISTENERS)] {
            let server = Server::start(habit);
            let run = run_in(encoding, &server, &with(&[&STORM, &["--processes", "2"]]));
            let expected = [LISTENERS, LISTENERS, 7 * LISTENERS - lost, lost, 0];
            assert_eq!(all_found(&run), expected, "{}", run.text);
            assert_eq!(run.figure("/counts/sent"), 77, "{}", run.text);
            match lost {
                0 => clean(&run),
                lost => damaged(&run, (lost, "skipped")),
            }
        }
    });
}

/// Goal: nobody asks for anything unless it is to, and then nothing is told of it.
#[test]
fn nothing_is_asked_for_otherwise() {
    in_both(|encoding| {
        let server = Server::start(Habit::None);
        let run = run_in(encoding, &server, &["--workload", "storm"]);
        clean(&run);
        assert!(run.report["recovery"].is_null() && server.asked().is_empty());
    });
}
