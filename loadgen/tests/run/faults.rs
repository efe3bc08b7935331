//! Every fault of a server is counted exactly, and as what it is. A table of all of them, by the names of these
//! tests, is in docs/LOADGEN.md.

mod deliveries;
mod dialogue;
mod sessions;
mod strangers;
mod times;

use crate::program::{LOAD, Run, run};
use crate::server::{Fault, Server};

/// All tests of faults, for the table.
const TESTS: [(&str, &str); 5] = [
    ("deliveries", include_str!("faults/deliveries.rs")),
    ("dialogue", include_str!("faults/dialogue.rs")),
    ("sessions", include_str!("faults/sessions.rs")),
    ("strangers", include_str!("faults/strangers.rs")),
    ("times", include_str!("faults/times.rs")),
];

/// A run against such a server.
fn against(fault: Fault) -> (Run, Server) {
    let server = Server::start(fault);
    (run(server.address, &LOAD), server)
}

/// A run with more flags.
fn run_with(server: &Server, flags: &[&str]) -> Run {
    run(server.address, &[&LOAD[..], flags].concat())
}

/// The exit code of a run against such a server, and all that it found.
fn verdict(fault: Fault) -> (i32, String) {
    let (run, _server) = against(fault);
    eprintln!("{fault:?}: {}", run.text);
    (run.code, run.findings())
}

/// A verdict with something wrong.
fn damage(findings: &str) -> (i32, String) {
    (3, findings.to_owned())
}

/// Goal: the table in the documentation has every test of a fault once, and nothing else.
#[test]
fn the_table_has_every_fault() {
    let page = include_str!("../../../docs/LOADGEN.md");
    let (_, rest) = page.split_once("## What is found").unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut told: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
    let mut tests: Vec<_> = TESTS
        .iter()
        .flat_map(|(module, text)| {
            let after = text.split("#[test]\nfn ").skip(1);
            let names = after.map(|rest| rest.split('(').next().unwrap());
            names.map(move |name| format!("{module}::{name}"))
        })
        .collect();
    told.sort_unstable();
    tests.sort_unstable();
    assert_eq!(told, tests);
    assert!(tests.len() >= 30, "{}", tests.len());
}

/// Goal: a good run is clean, complete and says so in every form.
#[test]
fn a_good_run_is_clean() {
    let (run, _server) = against(Fault::None);
    assert_eq!(
        (run.code, run.findings()),
        (0, String::new()),
        "{}",
        run.text
    );
    assert_eq!(run.figure("/counts/sent"), 70);
    assert_eq!(run.figure("/window/sent"), 50);
    assert_eq!(run.figure("/window/completed"), 50);
    assert_eq!(run.figure("/counts/delivered"), 70 * 20);
    assert_eq!(run.figure("/latency/delivery_ns/count"), 50 * 20);
    assert_eq!(run.figure("/latency/upgrade_ns/count"), 22);
    for series in ["first_ns", "median_ns", "completion_ns", "spread_ns"] {
        assert_eq!(
            run.figure(&format!("/latency/{series}/count")),
            50,
            "{series}"
        );
    }
    let p50 = |series: &str| run.figure(&format!("/latency/{series}/p50"));
    assert!(0 < p50("first_ns") && p50("first_ns") <= p50("median_ns"));
    assert!(p50("median_ns") <= p50("completion_ns"));
    let max = |series: &str| run.figure(&format!("/latency/{series}/max"));
    assert_eq!(
        max("completion_ns"),
        max("delivery_ns"),
        "the last is the slowest"
    );
}

/// Goal: every form of the results says what is missing by its reason, and not that it is lost.
#[test]
fn missing_deliveries_are_told_in_every_form() {
    let server = Server::start(Fault::Drop(69));
    let name = format!("fanload-missing-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let forms = [
        ("csv", ",skipped_so_far,outstanding,cut_off_so_far,"),
        ("html", "<tr><th>outstanding</th><td>1, the oldest for "),
        ("markdown", "| missing | 0 skipped, 1 outstanding |"),
        (
            "junit",
            "1 outstanding when the drain ended, the oldest for ",
        ),
        ("prometheus", "\nfanload_deliveries_outstanding 1\n"),
    ];
    let file = |form: &str| folder.join(form).to_str().unwrap().to_owned();
    let flags: Vec<_> = forms
        .iter()
        .flat_map(|(form, _)| [format!("--{form}"), file(form)])
        .collect();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let run = run_with(&server, &[&flags[..], &["--drain", "0.3"]].concat());
    assert!(run.text.contains("0 skipped, 1 outstanding, 0 cut off"));
    for (form, part) in forms {
        let text = std::fs::read_to_string(file(form)).unwrap();
        assert!(text.contains(part), "{form}: {text}");
        assert!(!text.contains("lost"), "{form}");
    }
    let table = std::fs::read_to_string(file("csv")).unwrap();
    let rows = table
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>());
    let rows: Vec<_> = rows.collect();
    let column = rows[0].iter().position(|name| *name == "outstanding");
    assert_eq!(rows.last().unwrap()[column.unwrap()], "1", "{table}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// Goal: with the server's process known, what it uses is told; here the server is this test.
#[test]
fn the_servers_use_is_told() {
    let server = Server::start(Fault::None);
    let pid = std::process::id().to_string();
    let told = run_with(&server, &["--server-pid", &pid]);
    assert_eq!(told.code, 0, "{}", told.text);
    assert!(told.figure("/server/cpu_ns") > 0, "{}", told.text);
    assert!(told.figure("/server/rss_bytes_after") > 500_000);
    let idle = [
        "--idle",
        "30",
        "--hold",
        "0.2",
        "--server-pid",
        &pid,
        "--connect-rate",
        "200",
    ];
    let idle = run(server.address, &idle);
    assert_eq!(idle.code, 0, "{}", idle.text);
    assert!(idle.text.contains("30 sessions"), "{}", idle.text);
}
