//! Searches against servers whose limits are known, on machines that are busy at the wrong moment.

use super::*;

fn bounds(over: Over, start: f64, most: f64) -> Bounds {
    Bounds {
        over,
        start,
        most,
        precision: 2.0,
    }
}

fn missed() -> Answer {
    Answer::Missed("too fast".to_owned())
}

fn invalid() -> Answer {
    Answer::Invalid("too busy".to_owned())
}

/// Searches with answers by the number of the run and its value; gives what was found and how many
/// runs that took.
fn find(bounds: Bounds, mut answer: impl FnMut(usize, f64) -> Answer) -> (Found, usize) {
    let mut runs = 0;
    let found = search(bounds, Vec::new(), |value| {
        runs += 1;
        Ok((answer(runs, value), String::new()))
    });
    (found.unwrap(), runs)
}

fn holds_to(limit: f64) -> impl Fn(usize, f64) -> Answer {
    move |_, value| match value <= limit {
        true => Answer::Held,
        false => missed(),
    }
}

/// Goal: the limit is found from below and from above, to the precision asked for.
#[test]
fn limits_are_found() {
    for (start, limit) in [
        (60.0, 12_345.0),
        (60.0, 61.0),
        (60.0, 2.5),
        (1_000.0, 999.0),
    ] {
        let (found, runs) = find(bounds(Over::Rate, start, 1e6), holds_to(limit));
        let most = found.most.unwrap();
        assert!(most <= limit && most * 1.021 >= limit, "{most} for {limit}");
        assert!(runs < 40, "{runs}");
        assert_eq!(found.limited, None);
        assert_eq!(found.decided.len(), 2, "{:?}", found.decided);
    }
}

/// Goal: numbers of sessions and rooms are whole, and one more than the answer does not hold where
/// the precision is finer than that.
#[test]
fn whole_numbers_are_found() {
    for (start, limit) in [(1_000.0, 37.0), (10.0, 11.0), (3.0, 1.0), (1.0, 640.0)] {
        let (found, _) = find(bounds(Over::Sessions, start, 1e4), |_, value| {
            assert_eq!(value.fract(), 0.0, "{value}");
            holds_to(limit)(0, value)
        });
        let most = found.most.unwrap();
        assert!(
            most <= limit && (most + 1.0).max(most * 1.021) > limit,
            "{most} for {limit}"
        );
    }
    let (found, _) = find(bounds(Over::Rooms, 8.0, 100.0), |_, _| missed());
    assert_eq!(found.most, None);
    assert!(
        found.decided[0].starts_with("1 room did not hold in runs"),
        "{:?}",
        found.decided
    );
}

/// Goal: a run that goes wrong once, in either direction, does not decide: two do.
#[test]
fn single_runs_do_not_decide() {
    let limit = 1_000.0;
    let honest = find(bounds(Over::Rate, 60.0, 1e6), holds_to(limit)).0;
    for liar in 1..=20 {
        let (found, _) = find(bounds(Over::Rate, 60.0, 1e6), |number, value| {
            match (number == liar, value <= limit) {
                (true, true) => missed(),
                (true, false) | (false, true) => Answer::Held,
                (false, false) => missed(),
            }
        });
        let (most, right) = (found.most.unwrap(), honest.most.unwrap());
        assert!(
            (most / right - 1.0).abs() < 0.021,
            "run {liar}: {most}, not {right}"
        );
    }
}

/// Goal: a value that held once on the way up and is the answer has to hold again.
#[test]
fn answers_are_confirmed() {
    let (found, _) = find(
        bounds(Over::Rate, 60.0, 1e6),
        |number, value| match number {
            // Holds 480/s once by chance; in truth 240/s is the last double that holds.
            4 => Answer::Held,
            _ => holds_to(250.0)(number, value),
        },
    );
    let most = found.most.unwrap();
    assert!((240.0..=250.0).contains(&most), "{found:?}");
}

/// Goal: what is told says which runs decided and which did not agree.
#[test]
fn the_deciding_runs_are_told() {
    let (found, runs) = find(bounds(Over::Rate, 100.0, 200.0), |number, _| match number {
        3 => missed(),
        _ => Answer::Held,
    });
    assert_eq!((found.most, runs), (Some(200.0), 4));
    assert_eq!(
        found.decided,
        ["200.0/s held in runs 2 and 4, otherwise in run 3"]
    );
    assert!(found.limited.unwrap().contains("--max 200"));
}

/// Goal: a generator that is the limit is never taken for a server that holds nothing: not when it is
/// everywhere, and not above a value that holds.
#[test]
fn invalid_runs_say_nothing_of_the_server() {
    let (found, _) = find(bounds(Over::Rate, 60.0, 1e6), |_, _| invalid());
    assert_eq!(found.most, None);
    assert!(
        found
            .limited
            .unwrap()
            .contains("generator was the limit at 0.1/s")
    );
    let (found, _) = find(bounds(Over::Rate, 60.0, 1e6), |_, value| {
        match value <= 100.0 {
            true => Answer::Held,
            false => invalid(),
        }
    });
    assert!((98.0..=100.0).contains(&found.most.unwrap()), "{found:?}");
    assert!(found.limited.unwrap().contains("generator was the limit"));
    // One of each kind decides nothing.
    let (found, _) = find(bounds(Over::Rate, 60.0, 60.0), |number, _| {
        match number % 3 {
            0 => Answer::Held,
            1 => missed(),
            _ => invalid(),
        }
    });
    assert!(found.limited.is_some(), "{found:?}");
    // Valid runs that miss at the lowest value are the server's.
    let (found, _) = find(bounds(Over::Rate, 60.0, 1e6), |_, value| {
        match value > 20.0 {
            true => invalid(),
            false => missed(),
        }
    });
    assert_eq!((found.most, found.limited), (None, None));
}

/// Goal: a server that refuses more is at its limit, and one that refuses what it took is gone.
#[test]
fn refusals_are_told_from_ends() {
    let refused = || Answer::Failed("the answer has status 503, not 101".to_owned());
    let (found, _) = find(bounds(Over::Sessions, 100.0, 1e5), |_, value| {
        match value <= 300.0 {
            true => Answer::Held,
            false => refused(),
        }
    });
    assert!((294.0..=300.0).contains(&found.most.unwrap()), "{found:?}");
    assert!(
        found.decided[1].ends_with("503, not 101"),
        "{:?}",
        found.decided
    );
    let mut runs = 0;
    let gone = search(bounds(Over::Sessions, 100.0, 1e5), Vec::new(), |_| {
        runs += 1;
        let answer = if runs < 3 { Answer::Held } else { refused() };
        Ok((answer, String::new()))
    });
    let error = gone.unwrap_err().to_string();
    assert!(error.contains("can't be made any more"), "{error}");
}
