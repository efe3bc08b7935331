//! Each test says first what it is for.

use crate::finding::{Finding, lines};
use crate::source::Source;

/// How the comment above a test begins.
const GOAL: &str = "/// Goal: ";

/// Above `#[test]`, and what else is said in attributes, stands a doc comment that begins with the goal.
pub(crate) fn tests(source: &Source) -> Vec<Finding> {
    let has_goal = |at: &usize| {
        let text: Vec<&str> = source.text.lines().collect();
        let above = text[..source.line(*at) - 1].iter().map(|line| line.trim());
        let mut comment = above
            .rev()
            .skip_while(|line| line.starts_with("#["))
            .take_while(|line| line.starts_with("//"))
            .collect::<Vec<_>>();
        comment.pop().is_some_and(|first| first.starts_with(GOAL))
    };
    let mut tests = source.words("test");
    tests.retain(|&at| {
        let before = source.attribute_before(at);
        before.starts_with("#[") && (before.ends_with('[') || before.ends_with("::"))
    });
    let lost = tests.into_iter().filter(|at| !has_goal(at));
    let fix = "say the goal of the test above it: `/// Goal: ...`";
    lost.map(|at| Finding::new(source, at, fix)).collect()
}

/// Goal: a test without a goal is found, and one that says it elsewhere, or in another form.
#[test]
fn a_test_without_a_goal_is_found() {
    let fine = "/// Goal: a.\n/// b.\n#[test]\nfn a() {}\n\n    /// Goal: c.\n    #[should_panic]\n    \
                #[test]\n    fn c() {}\n#[cfg(test)]\nfn test() {}";
    assert_eq!(lines(tests, "src/a.rs", fine), []);
    let cases: [(&str, &[usize]); 5] = [
        ("#[test]\nfn a() {}\n", &[1]),
        ("// Goal: a.\n#[test]\nfn a() {}\n", &[2]),
        ("/// A.\n#[tokio::test]\nfn a() {}\n", &[2]),
        ("/// Goal: a.\n\n#[test]\nfn a() {}\n", &[3]),
        ("#[test]\n/// Goal: a.\nfn a() {}\n", &[1]),
    ];
    for (text, expected) in cases {
        assert_eq!(lines(tests, "src/a.rs", text), expected, "{text}");
    }
}
