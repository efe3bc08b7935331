//! What Centrifugo's client protocol lets a load find out: that a publish was taken, who came and went, and whether what
//! was missed is given back; against a server of it whose faults are known exactly, in both encodings.

mod recovery;
mod server;
mod wire;

use std::time::Duration;

use self::server::{Habit, Server};
use crate::program::{LOAD, Run, in_one_run, run};

const MS: u64 = 1_000_000;

/// A run in one of the encodings.
fn run_in(encoding: &str, server: &Server, flags: &[&str]) -> Run {
    let encoding = format!("encoding={encoding}");
    let own = [
        "--protocol",
        "centrifugo",
        "--path",
        "/ws",
        "--set",
        &encoding,
    ];
    run(server.address, &[&LOAD[..], &own, flags].concat())
}

/// A check in both.
fn in_both(check: impl Fn(&str)) {
    for encoding in ["json", "protobuf"] {
        check(encoding);
    }
}

fn clean(run: &Run) {
    let found = (run.code, run.findings());
    assert_eq!(found, (0, String::new()), "{}", run.text);
}

/// What is in a file, which is not needed any more.
fn take(file: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::remove_file(file).unwrap();
    text
}

/// Goal: acknowledgements have times of their own, from when a message was due, and no part in those of deliveries: a
/// server that delivers at once and acknowledges 100 ms later shows just that; every form of the results has them.
#[test]
fn acknowledgements_have_times_of_their_own() {
    in_both(|encoding| {
        in_one_run(|| {
            let late = Duration::from_millis(100);
            let server = Server::start(Habit::AcknowledgeLate(late));
            let folder = std::env::temp_dir();
            let file = |form: &str| {
                let name = format!("fanload-acks-{encoding}-{}.{form}", std::process::id());
                folder.join(name).to_str().unwrap().to_owned()
            };
            let forms = ["csv", "html", "markdown", "prometheus", "hlog", "hgrm"];
            let files = forms.map(|form| (format!("--{form}"), file(form)));
            let flags = files
                .iter()
                .flat_map(|(flag, file)| [flag.as_str(), file.as_str()]);
            let flags: Vec<_> = flags.chain(["--slo", "ack-p50=1s,p50=90ms"]).collect();
            let run = run_in(encoding, &server, &flags);
            clean(&run);
            assert_eq!(run.figure("/counts/acknowledged"), 70);
            assert_eq!(
                run.figure("/latency/ack_ns/count"),
                50,
                "of those that are measured"
            );
            let acks = run.distribution("/latency/ack_ns");
            assert!(
                acks.min() >= 99 * MS && acks.max() < 200 * MS,
                "{}",
                run.text
            );
            assert!(
                run.figure("/latency/delivery_ns/p50") < 90 * MS,
                "{}",
                run.text
            );
            let intervals = run.report["intervals"].as_array().unwrap();
            let acknowledged = intervals.iter().map(|each| each["acknowledged"].as_u64());
            assert_eq!(acknowledged.sum::<Option<u64>>(), Some(70));
            let texts = files.map(|(_, file)| take(&file));
            let acks = file("hgrm").replace(".hgrm", ".ack.hgrm");
            let table = take(&acks);
            for series in ["completion", "first", "median", "spread", "upgrade"] {
                let other = acks.replace(".ack.", &format!(".{series}."));
                take(&other);
            }
            for (text, part) in texts.iter().zip([
                ",acknowledged,ack_p50_ms,",
                "<tr><th>ack</th>",
                "\n| ack | ",
                "\nfanload_ack_latency_seconds_count 50\n",
                "Tag=ack,",
                &format!("Total count    = {:12}]", 1_000),
            ]) {
                assert!(text.contains(part), "{part}\n{text}");
            }
            assert!(
                table.contains(&format!("Total count    = {:12}]", 50)),
                "{table}"
            );
            assert!(
                run.text
                    .contains("\nanswered   70 acknowledged, 0 rejected, 0 not answered")
            );
            let slow = run_in(encoding, &server, &["--slo", "ack-p99=90ms"]);
            assert_eq!(slow.code, 99, "{}", slow.text);
        });
    });
}

/// Goal: a publish that is never answered is damage although it was delivered, and is waited for until the drain ends; one
/// that is refused is rejected and not acknowledged.
#[test]
fn publishes_without_an_answer_are_damage() {
    in_both(|encoding| {
        let server = Server::start(Habit::Unanswered(30));
        let silent = run_in(encoding, &server, &["--drain", "0.4"]);
        let found = (silent.code, silent.findings());
        assert_eq!(found, (3, "unanswered 1".to_owned()), "{}", silent.text);
        assert_eq!(silent.figure("/counts/acknowledged"), 69);
        assert_eq!(silent.figure("/counts/delivered"), 70 * 20);
        assert!(
            silent.text.contains("FAILED: 1 never answered by it"),
            "{}",
            silent.text
        );
        let server = Server::start(Habit::Busy(30));
        let busy = run_in(encoding, &server, &["--drain", "0.4"]);
        let found = (busy.code, busy.findings());
        assert_eq!(
            found,
            (3, "rejected 1, skipped 20".to_owned()),
            "{}",
            busy.text
        );
        assert_eq!(busy.figure("/counts/acknowledged"), 69, "{}", busy.text);
        assert!(
            busy.text
                .contains("refused to publish: 111 too many requests"),
            "{}",
            busy.text
        );
    });
}

/// Goal: who comes and goes is told where that is asked for, and counted: each of 22 sessions of a room sees itself and all
/// that come after it; nobody sees anything otherwise.
#[test]
fn joins_are_counted() {
    in_both(|encoding| {
        let server = Server::start(Habit::None);
        let asked = run_in(encoding, &server, &["--set", "join-leave=yes"]);
        clean(&asked);
        assert_eq!(asked.figure("/counts/joins"), 22 * 23 / 2, "{}", asked.text);
        assert_eq!(asked.figure("/counts/leaves"), 0, "{}", asked.text);
        let churn = [
            "--set",
            "join-leave=yes",
            "--workload",
            "churn",
            "--churn-rate",
            "10",
        ];
        let server = Server::start(Habit::None);
        let churn = run_in(encoding, &server, &churn);
        clean(&churn);
        // Those who stay see all of them; those who come and go see some of each other. Two leave before the goodbyes.
        let joined = churn.figure("/churn/joined");
        let (joins, leaves) = (
            churn.figure("/counts/joins"),
            churn.figure("/counts/leaves"),
        );
        assert!(joins >= 22 * 23 / 2 + 22 * (joined - 1), "{}", churn.text);
        assert!(leaves >= 22, "{}", churn.text);
        let server = Server::start(Habit::None);
        let unasked = run_in(encoding, &server, &[]);
        clean(&unasked);
        assert_eq!(unasked.figure("/counts/joins"), 0);
    });
}
