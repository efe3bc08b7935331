//! Who need not keep which rule, and why.

/// One rule that one file, or all below a folder, need not keep.
pub(crate) struct Exception {
    /// The rule's name, as [`crate::project::judge`] has it.
    pub(crate) rule: &'static str,
    /// A file, or a module: `src/shard` is `src/shard.rs` and all that is in `src/shard/`.
    pub(crate) place: &'static str,
    /// Why the rule does more harm than good there.
    pub(crate) reason: &'static str,
}

/// All of them. One that excuses nothing any more fails the rule it is about.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: "conversions",
        place: "loadgen/src",
        reason: "it is to be taken apart first",
    },
    Exception {
        rule: "references",
        place: "tests/tidy/references.rs",
        reason: "it shows what is not to be written",
    },
    Exception {
        rule: "module files",
        place: "tests/support/mod.rs",
        reason: "Cargo takes every file that is directly in tests/ for a test of its own",
    },
    Exception {
        rule: "test homes",
        place: "loadgen/src/results/schema.rs",
        reason: "it is a reader of schemas for tests, and tests itself",
    },
    Exception {
        rule: "dependencies",
        place: "tests/sdk/rust",
        reason: "it is a program, though all below tests/ counts as tests",
    },
];
