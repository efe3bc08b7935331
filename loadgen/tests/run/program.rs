//! Runs of `fanload`, and what they said.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

/// A load of 70 messages to 20 subscribers, 50 of them measured.
pub(crate) const LOAD: [&str; 12] = [
    "--subscribers",
    "20",
    "--publishers",
    "2",
    "--rate",
    "100",
    "--duration",
    "0.5",
    "--warmup",
    "0.2",
    "--drain",
    "1.5",
];

/// Runs of which one must be exact: a busy machine adds times of its own to some of them, and a mistake
/// in the arithmetic is in all.
const RUNS_MAX: u32 = 5;

/// What a run said.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) report: Value,
    pub(crate) text: String,
}

impl Run {
    /// A figure of the report, by its JSON pointer.
    pub(crate) fn figure(&self, pointer: &str) -> u64 {
        let figure = self.report.pointer(pointer);
        let figure = figure.unwrap_or_else(|| panic!("no {pointer}"));
        figure
            .as_u64()
            .unwrap_or_else(|| panic!("{pointer} is {figure}"))
    }

    /// Missing for whatever reason, duplicated, reordered, corrupted and sessions that ended early.
    pub(crate) fn damage(&self) -> [u64; 5] {
        let [
            skipped,
            outstanding,
            cut_off,
            duplicated,
            reordered,
            corrupted,
        ] = [
            "skipped",
            "outstanding",
            "cut_off",
            "duplicated",
            "reordered",
            "corrupted",
        ]
        .map(|name| self.figure(&format!("/counts/{name}")));
        let ended_early = self.figure("/sessions/ended_early");
        let missing = skipped + outstanding + cut_off;
        [missing, duplicated, reordered, corrupted, ended_early]
    }

    /// Every count that is not of what went well, and what became of sessions: those that are not zero,
    /// in alphabetical order, such as `corrupted 1, skipped 1`.
    pub(crate) fn findings(&self) -> String {
        let counts = self.report["counts"].as_object().unwrap();
        let is_good = |name: &str| {
            let good = [
                "planned",
                "sent",
                "expected",
                "delivered",
                "acknowledged",
                "joins",
                "leaves",
            ];
            good.contains(&name) || name.ends_with("_ns")
        };
        let mut all: BTreeMap<_, _> = counts
            .iter()
            .filter(|(name, _)| !is_good(name))
            .map(|(name, number)| (name.as_str(), number.as_u64().unwrap()))
            .collect();
        for name in ["failed", "heard_nothing", "ended_early"] {
            all.insert(name, self.figure(&format!("/sessions/{name}")));
        }
        let found = all.iter().filter(|(_, number)| **number > 0);
        let found: Vec<_> = found
            .map(|(name, number)| format!("{name} {number}"))
            .collect();
        found.join(", ")
    }

    /// The distribution at a pointer, in nanoseconds.
    pub(crate) fn distribution(&self, pointer: &str) -> hdrhistogram::Histogram<u64> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let text = self
            .report
            .pointer(&format!("{pointer}/histogram"))
            .unwrap();
        let bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
        hdrhistogram::serialization::Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .unwrap()
    }
}

/// Runs `fanload` with these flags. Whether it could keep up with itself on a busy machine is not
/// what these tests are about.
pub(crate) fn output(address: SocketAddr, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fanload"))
        .args([
            "--target",
            &address.to_string(),
            "--quiet",
            "--lag-max",
            "60000",
        ])
        .args(flags)
        .output()
        .unwrap()
}

/// Makes a run and reads its report.
pub(crate) fn run(address: SocketAddr, flags: &[&str]) -> Run {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let name = format!("fanload-{}-{number}.json", std::process::id());
    let file = std::env::temp_dir().join(name);
    let output = output(
        address,
        &[flags, &["--json", file.to_str().unwrap()]].concat(),
    );
    let errors = String::from_utf8(output.stderr).unwrap();
    let json = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    Run {
        code: output.status.code().unwrap(),
        report: serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {errors}")),
        text: String::from_utf8(output.stdout).unwrap(),
    }
}

/// The one sentence on stderr of a run that could not be made.
pub(crate) fn refusal(address: SocketAddr, flags: &[&str]) -> String {
    let started = std::time::Instant::now();
    let output = output(address, flags);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty());
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(started.elapsed() < Duration::from_secs(20), "{text}");
    text
}

/// Runs the check again when the machine may have been the reason that it failed.
pub(crate) fn in_one_run(check: impl Fn()) {
    for run in 1..RUNS_MAX {
        if catch_unwind(AssertUnwindSafe(&check)).is_ok() {
            return;
        }
        eprintln!("run {run} of at most {RUNS_MAX} was not exact; once more");
    }
    check();
}
