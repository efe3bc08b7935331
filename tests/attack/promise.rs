//! What a server promised at its start about its memory, and what it took.

use crate::support::server::Server;

/// The ceiling in a start line such as `memory at most 16.4 MiB: logs 2 MiB, ...`. What the line
/// rounds away counts for the server.
#[track_caller]
pub(crate) fn promised_bytes(log: &str) -> u64 {
    let words = log
        .split_once("memory at most ")
        .unwrap_or_else(|| panic!("no promise in {log:?}"))
        .1;
    let mut words = words.split([' ', ':', ',', '\n']);
    let (number, unit) = (
        words.next().expect("a number"),
        words.next().expect("a unit"),
    );
    let power = ["B", "KiB", "MiB", "GiB", "TiB"]
        .iter()
        .position(|name| *name == unit)
        .unwrap_or_else(|| panic!("unit {unit:?} in {log:?}"));
    let tenths: u64 = match number.split_once('.') {
        None => number.parse::<u64>().expect("a whole number") * 10,
        Some((whole, tenth)) => {
            whole.parse::<u64>().expect("a number") * 10 + tenth.parse::<u64>().expect("a digit")
        }
    };
    ((tenths + 1) << (10 * power)) / 10
}

/// The most memory the server has held so far. Its logs are mapped twice, and their pages count
/// twice as resident though they exist once.
pub(crate) fn peak_bytes(server: &Server) -> u64 {
    let logs = server.status_bytes("RssShmem") / 2;
    server.status_bytes("VmHWM").saturating_sub(logs)
}

/// For a reader.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Goal: the promise is read off a log line, whatever unit it is told in.
#[test]
fn promises_are_read_as_they_are_written() {
    let cases = [
        ("memory at most 16.4 MiB: logs 2 MiB", (165 << 20) / 10),
        ("memory at most 2 GiB", (21 << 30) / 10),
        ("x\nINFO memory at most 96 B, y", 96),
    ];
    for (line, bytes) in cases {
        assert_eq!(promised_bytes(line), bytes, "{line}");
    }
}
