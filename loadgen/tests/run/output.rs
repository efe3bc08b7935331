//! The files of a run and their comparison, from outside.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::server::{Fault, Server};

/// All flags that ask for a file.
const FLAGS: [&str; 8] = [
    "--json",
    "--hgrm",
    "--hlog",
    "--csv",
    "--html",
    "--markdown",
    "--junit",
    "--prometheus",
];

/// A folder of its own that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fanload-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A short run that shows its progress.
fn run(server: &Server, flags: &[&str]) -> Output {
    let load = "--subscribers 10 --rate 50 --duration 1.5 --warmup 0.3 --lag-max 60000";
    Command::new(env!("CARGO_BIN_EXE_fanload"))
        .args(["--target", &server.address.to_string()])
        .args(load.split(' '))
        .args(flags)
        .output()
        .unwrap()
}

fn compare(flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanload"));
    command.arg("compare").args(flags).output().unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Goal: every file is written, says the same, and progress is a line a second without a terminal.
#[test]
fn every_form_is_written() {
    let (folder, server) = (Folder::new("forms"), Server::start(Fault::None));
    let file = |name: &str| folder.file(&format!("run.{name}"));
    let names = ["json", "hgrm", "hlog", "csv", "html"];
    let [json_file, hgrm, hlog, csv, html] = names.map(file);
    let [markdown, junit, prometheus] = ["markdown", "junit", "prometheus"].map(file);
    let flags = [
        "--json",
        &json_file,
        "--hgrm",
        &hgrm,
        "--hlog",
        &hlog,
        "--csv",
        &csv,
        "--html",
        &html,
        "--markdown",
        &markdown,
        "--junit",
        &junit,
        "--prometheus",
        &prometheus,
        "--slo",
        "loss=0",
    ];
    let made = run(&server, &flags);
    let progress = String::from_utf8(made.stderr).unwrap();
    assert_eq!(made.status.code(), Some(0), "{progress}");
    assert!(
        progress.lines().count() >= 4 && !progress.contains('\x1b'),
        "{progress}"
    );
    let results = json(&json_file);
    let begun_ms = results["environment"]["started_unix_ms"].as_u64().unwrap();
    let ended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let took_ms = ended.as_millis() - u128::from(begun_ms);
    // As long as it is measured at the least: the time is that of the beginning.
    assert!((1_500..600_000).contains(&took_ms), "{took_ms}");
    let delivered = results["latency"]["delivery_ns"]["count"].as_u64().unwrap();
    assert_eq!(delivered, results["window"]["sent"].as_u64().unwrap() * 10);
    assert!(results["intervals"].as_array().unwrap().len() >= 4);
    let last = |path: &str| {
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .rfind(|line| !line.starts_with('#'))
            .unwrap()
            .to_owned()
    };
    assert!(
        last(&hgrm).ends_with(&delivered.to_string()),
        "{}",
        last(&hgrm)
    );
    assert!(Path::new(&folder.file("run.completion.hgrm")).exists());
    assert!(last(&hlog).contains("HISTFAAA") && last(&csv).starts_with("drain,"));
    let read = |path: &str| fs::read_to_string(path).unwrap();
    assert_eq!(read(&html).matches("<svg id").count(), 4);
    assert!(read(&html).contains("<tr><th>loss=0</th><td class=\"good\">held</td>"));
    assert!(read(&markdown).contains("| `loss=0` | :white_check_mark: | it was 0 |"));
    assert!(read(&junit).contains("tests=\"3\" failures=\"0\" errors=\"0\""));
    let count = format!("\nfanload_delivery_latency_seconds_count {delivered}\n");
    assert!(read(&prometheus).contains(&count), "{}", read(&prometheus));
}

/// Goal: one file may go to standard output, which then holds nothing else; people read the table
/// elsewhere.
#[test]
fn files_go_to_standard_output() {
    let server = Server::start(Fault::None);
    for (flag, begins, ends) in [
        ("--json", "{", "}"),
        ("--csv", "phase,", ""),
        ("--hlog", "#[Logged", ""),
        ("--hgrm", "       Value", "]"),
        ("--html", "<!doctype html>", "</html>"),
        ("--markdown", "### fanload", "</sub>"),
        ("--junit", "<?xml", "</testsuites>"),
        ("--prometheus", "# HELP", ""),
    ] {
        let made = run(&server, &[flag, "-", "--quiet", "--duration", "300ms"]);
        let [out, table] =
            [made.stdout, made.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(made.status.code(), Some(0), "{flag}: {table}");
        assert!(
            out.starts_with(begins) && out.trim_end().ends_with(ends),
            "{flag}: {out}"
        );
        assert!(!out.contains("verdict    valid"), "{flag}: {out}");
        assert!(table.contains("verdict    valid"), "{flag}: {table}");
    }
    let made = run(&server, &["--json", "-", "--csv", "-"]);
    let error = String::from_utf8(made.stderr).unwrap();
    assert_eq!(made.status.code(), Some(1), "{error}");
    assert!(error.contains("--json - and --csv -"), "{error}");
}

/// Goal: the summary of a job is added to what other steps have written there, any other file is
/// made anew.
#[test]
fn job_summaries_are_added_to() {
    let (folder, server) = (Folder::new("summary"), Server::start(Fault::None));
    let (shared, own) = (folder.file("shared.md"), folder.file("own.md"));
    for file in [&shared, &own] {
        fs::write(file, "earlier\n").unwrap();
        let made = Command::new(env!("CARGO_BIN_EXE_fanload"))
            .args(["--target", &server.address.to_string(), "--markdown", file])
            .args("--subscribers 2 --duration 200ms --warmup 0 --quiet --lag-max 60s".split(' '))
            .env("GITHUB_STEP_SUMMARY", &shared)
            .output()
            .unwrap();
        assert_eq!(made.status.code(), Some(0));
    }
    let shared = fs::read_to_string(shared).unwrap();
    assert!(shared.starts_with("earlier\n### fanload"), "{shared}");
    assert!(fs::read_to_string(own).unwrap().starts_with("### fanload"));
}

/// Goal: the figures of a run are read while it goes on, at the address that it tells.
#[test]
fn figures_are_read_while_it_runs() {
    let server = Server::start(Fault::None);
    let mut child = Command::new(env!("CARGO_BIN_EXE_fanload"))
        .args([
            "--target",
            &server.address.to_string(),
            "--prometheus-listen",
            "0",
        ])
        .args(
            "--subscribers 10 --rate 50 --duration 60s --warmup 0 --lag-max 60s --no-tui"
                .split(' '),
        )
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first.strip_prefix("figures at http://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap().to_owned();
    // The first second of the load is over once it is told.
    assert!(lines.by_ref().any(|line| line.unwrap().contains("measure")));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    lines.for_each(drop);
    child.wait().unwrap();
    let figure = |name: &str| -> f64 {
        let line = answer.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}: {answer}"))
            .parse()
            .unwrap()
    };
    assert_eq!(figure("fanload_phase{phase=\"measure\"} "), 1.0);
    assert_eq!(figure("fanload_sessions_open "), 11.0);
    assert!(figure("fanload_messages_sent_total ") >= 45.0);
    assert!(figure("fanload_delivery_latency_seconds_count ") >= 450.0);
}

/// Goal: a subscriber that gets everything late is named first, with what it waited.
#[test]
fn the_slowest_are_named() {
    let (folder, late) = (Folder::new("slowest"), Duration::from_millis(30));
    let (server, file) = (Server::start(Fault::Late(7, late)), folder.file("run.json"));
    let made = run(&server, &["--json", &file, "--connect-in-flight", "1"]);
    let text = String::from_utf8(made.stdout).unwrap();
    let slowest = &json(&file)["slowest"];
    assert_eq!(
        slowest["sessions"].as_array().unwrap().len(),
        5,
        "{slowest}"
    );
    let first = &slowest["sessions"][0];
    assert_eq!(first["session"], 7, "{slowest}");
    assert_eq!(first["deliveries"], 75, "{slowest}");
    let mean_ns = first["mean_ns"].as_u64().unwrap();
    assert!((30_000_000..60_000_000_000).contains(&mean_ns), "{slowest}");
    assert!(first["max_ns"].as_u64().unwrap() >= mean_ns, "{slowest}");
    assert!(
        text.contains("\nslowest    sessions, mean (max) ms: 7 "),
        "{text}"
    );
    assert_eq!(
        slowest["rooms"].as_array().unwrap().len(),
        0,
        "there is one only"
    );
}

/// Goal: a file that can't be written is known before the run is made.
#[test]
fn bad_files_are_refused_at_once() {
    let server = Server::start(Fault::None);
    for flag in FLAGS {
        let made = run(&server, &[flag, "/nowhere/at/all"]);
        let text = String::from_utf8(made.stderr).unwrap();
        assert_eq!(made.status.code(), Some(1), "{text}");
        assert!(text.contains(flag) && text.lines().count() == 1, "{text}");
    }
}

/// Goal: a run that can't be made leaves the files of the one before it alone, and no empty ones.
#[test]
fn earlier_files_are_kept() {
    let (folder, nobody) = (Folder::new("kept"), Server::start(Fault::Refuse));
    let flags = FLAGS;
    let files = flags.map(|flag| folder.file(&flag[2..]));
    for is_there in [false, true] {
        for (flag, file) in flags.into_iter().zip(&files) {
            if is_there {
                fs::write(file, "earlier").unwrap();
            }
            assert_eq!(run(&nobody, &[flag, file]).status.code(), Some(1));
            assert_eq!(Path::new(file).exists(), is_there, "{flag}");
            if is_there {
                assert_eq!(fs::read_to_string(file).unwrap(), "earlier", "{flag}");
            }
        }
    }
}

/// Goal: a run equals itself, a lossy one is worse, and what can't be compared is refused.
#[test]
fn runs_are_compared() {
    let folder = Folder::new("compare");
    let [good, lossy] = ["good.json", "lossy.json"].map(|name| folder.file(name));
    assert_eq!(
        run(&Server::start(Fault::None), &["--json", &good])
            .status
            .code(),
        Some(0)
    );
    let made = run(&Server::start(Fault::Drop(40)), &["--json", &lossy]);
    assert_eq!(made.status.code(), Some(3));
    let strict = |a: &str, b: &str| compare(&[a, b, "--fail-on-regression", "--noise", "500%"]);
    assert_eq!(strict(&good, &good).status.code(), Some(0));
    assert_eq!(strict(&good, &lossy).status.code(), Some(99));
    assert_eq!(compare(&[&good, &lossy]).status.code(), Some(0));
    assert_eq!(
        compare(&[&good, &folder.file("none.json")]).status.code(),
        Some(1)
    );
}

/// Goal: a server that says again what it was sent as a secret brings it into no file and on no screen: from the file of
/// values, the command line and the environment.
#[test]
fn echoed_secrets_are_in_no_report() {
    let (folder, server) = (Folder::new("echoed"), Server::start(Fault::Parrot(11)));
    let vars = folder.file("tokens.csv");
    let tokens: Vec<_> = (0..40).map(|row| format!("s3cret-of-{row}")).collect();
    fs::write(&vars, format!("token\n{}\n", tokens.join("\n"))).unwrap();
    let forms = ["json", "html", "markdown", "junit"];
    let files = forms.map(|form| folder.file(form));
    let mut flags = vec![
        "--vars",
        &vars,
        "--path",
        "/ws?presence=0&token={token}&key=s3cret-of-all",
        "--header",
        "Authorization: Bearer {env:FANLOAD_TEST_SECRET}",
        "--workload",
        "churn",
        "--churn-rate",
        "10",
    ];
    let named: Vec<_> = forms.iter().map(|form| format!("--{form}")).collect();
    for (flag, file) in named.iter().zip(&files) {
        flags.extend([flag.as_str(), file.as_str()]);
    }
    let load = "--subscribers 10 --rate 50 --duration 1 --warmup 0 --drain 0.2 --lag-max 60000";
    let made = Command::new(env!("CARGO_BIN_EXE_fanload"))
        .env("FANLOAD_TEST_SECRET", "s3cret-of-the-environment")
        .args(["--target", &server.address.to_string()])
        .args(load.split(' '))
        .args(&flags)
        .output()
        .unwrap();
    let table = String::from_utf8(made.stdout).unwrap();
    assert_eq!(made.status.code(), Some(3), "{table}");
    let told = "the server answered 403 No: no /ws?presence=0&token=[redacted]&key=[redacted] with Bearer [redacted]";
    assert!(table.contains(told), "{table}");
    let files = files.map(|file| fs::read_to_string(file).unwrap());
    let errors = String::from_utf8(made.stderr).unwrap();
    for text in files.iter().chain([&table, &errors]) {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

/// Goal: what opens doors is in no file and on no screen, and when the run began is.
#[test]
fn secrets_are_in_no_report() {
    let (folder, server) = (Folder::new("secrets"), Server::start(Fault::None));
    let [json_file, html] = ["run.json", "run.html"].map(|name| folder.file(name));
    let flags = [
        "--json",
        &json_file,
        "--html",
        &html,
        "--path",
        "/ws?presence=0&token=s3cret",
        "--header",
        "Authorization: Bearer s3cret",
        "--header=Cookie: id=s3cret",
        "--send-on-open",
        "{\"password\":\"s3cret\"}",
        "--header",
        "X-Home: {env:HOME}",
    ];
    let began = std::time::SystemTime::now();
    let began = began.duration_since(std::time::UNIX_EPOCH).unwrap();
    let made = run(&server, &flags);
    assert_eq!(made.status.code(), Some(0));
    let texts = [
        String::from_utf8(made.stdout).unwrap(),
        String::from_utf8(made.stderr).unwrap(),
        fs::read_to_string(&json_file).unwrap(),
        fs::read_to_string(&html).unwrap(),
    ];
    for text in &texts {
        assert!(!text.contains("s3cret"), "{text}");
    }
    assert!(texts[2].contains("X-Home: {env:HOME}"));
    let report = json(&json_file);
    assert_eq!(report["target"]["path"], "/ws?presence=0&token=[redacted]");
    let started = report["environment"]["started_unix_ms"].as_u64().unwrap();
    let late = u128::from(started) - began.as_millis();
    assert!(late < 1_000, "a run of 2 s, of which {late} ms were over");
}
