//! The files of a run and their comparison, from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::server::{Fault, Server};

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
    let names = ["run.json", "run.hgrm", "run.hlog", "run.csv", "run.html"];
    let [json_file, hgrm, hlog, csv, html] = names.map(|name| folder.file(name));
    let flags = [
        "--json", &json_file, "--hgrm", &hgrm, "--hlog", &hlog, "--csv", &csv, "--html", &html,
    ];
    let made = run(&server, &flags);
    let progress = String::from_utf8(made.stderr).unwrap();
    assert_eq!(made.status.code(), Some(0), "{progress}");
    assert!(
        progress.lines().count() >= 4 && !progress.contains('\x1b'),
        "{progress}"
    );
    let results = json(&json_file);
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
    assert_eq!(
        fs::read_to_string(&html)
            .unwrap()
            .matches("<svg id")
            .count(),
        4
    );
}

/// Goal: a file that can't be written is known before the run is made.
#[test]
fn bad_files_are_refused_at_once() {
    let server = Server::start(Fault::None);
    for flag in ["--json", "--hgrm", "--hlog", "--csv", "--html"] {
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
    let flags = ["--json", "--hgrm", "--hlog", "--csv", "--html"];
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
