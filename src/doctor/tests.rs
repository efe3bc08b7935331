//! What the report says of this machine and of made-up ones.

use super::*;
use crate::process::AddressSpace;

/// Goal: on a machine that can run the tests of the ring, the doctor finds nothing that fails,
/// and has looked at everything.
#[test]
fn this_machine_is_usable() {
    let report = examine(&Machine::probe());
    assert!(report.usable(), "{report}");
    let names: Vec<_> = report.checks.iter().map(|check| check.name).collect();
    for name in [
        "kernel",
        "io_uring",
        "SENDMSG",
        "multishot receive",
        "cut quiet send",
        "descriptors",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
}

/// Goal: every failure makes the report unusable and prints its fix.
#[test]
fn failures_are_told_with_their_fix() {
    let report = Report {
        checks: vec![kernel("5.15.0-91-generic", false)],
    };
    assert!(!report.usable());
    let text = report.to_string();
    assert!(
        text.starts_with("FAIL") && text.contains("-> run Linux 6.1"),
        "{text}"
    );
    assert!(text.ends_with("can't run here: see FAIL above."), "{text}");
}

/// Goal: versions are compared as numbers, and a ring that works outweighs the number.
#[test]
fn kernels_are_judged_by_version_and_by_what_works() {
    let verdict = |release, ring| kernel(release, ring).verdict;
    assert_eq!(verdict("6.1.0", true), Verdict::Good);
    assert_eq!(verdict("6.18.44-fc", true), Verdict::Good);
    assert_eq!(verdict("10.0", true), Verdict::Good);
    assert_eq!(verdict("6.0.19", false), Verdict::Failure);
    assert_eq!(verdict("5.14.0-503.el9", true), Verdict::Warning);
}

/// Goal: a sysctl, a filter and a limit count only as far as they are in the way.
#[test]
fn obstacles_count_when_they_obstruct() {
    assert_eq!(sysctl(Some(2), false).verdict, Verdict::Failure);
    assert_eq!(sysctl(Some(1), true).verdict, Verdict::Good);
    assert_eq!(sysctl(None, false).verdict, Verdict::Good);
    assert_eq!(seccomp(Some(2), false).verdict, Verdict::Warning);
    assert_eq!(seccomp(Some(2), true).verdict, Verdict::Good);
    let limit = |descriptors_max| {
        let machine = Machine {
            descriptors_max,
            processors: 2,
            page_bytes: 4096,
            address_space: AddressSpace::Free,
        };
        descriptors(&machine, Limit::of_descriptors()).verdict
    };
    assert_eq!(limit(1_024), Verdict::Warning);
    assert_eq!(limit(20_000), Verdict::Good);
    assert_eq!(limit(usize::MAX), Verdict::Good);
    assert_eq!(limit(10), Verdict::Failure);
}
