//! The live view on terminals of several sizes, read as a terminal would.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::results::sample;

/// A terminal as far as the live view uses it.
struct Terminal {
    size: Size,
    /// What is on it, from its first row on.
    rows: Vec<String>,
    cursor: usize,
    /// Rows that were lost at the top because there was no room.
    scrolled: usize,
}

impl Terminal {
    fn new(size: Size) -> Self {
        Self {
            size,
            rows: vec![String::new(); size.rows],
            cursor: 0,
            scrolled: 0,
        }
    }

    /// Takes what is written; panics at what the live view may not write.
    fn take(&mut self, text: &str) {
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if let Some(sequence) = rest.strip_prefix("\x1b[") {
                let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                let number = sequence[..end].parse().unwrap_or(1);
                match &sequence[end..=end] {
                    "F" => self.cursor = self.cursor.checked_sub(number).expect("above the top"),
                    "H" => self.cursor = 0,
                    "J" if &sequence[..end] == "2" => self.rows.fill(String::new()),
                    "J" => self.rows[self.cursor..].fill(String::new()),
                    other => panic!("{other} is not understood everywhere"),
                }
                rest = &sequence[end + 1..];
                continue;
            }
            rest = &rest[letter.len_utf8()..];
            if letter == '\n' {
                self.cursor += 1;
                if self.cursor == self.size.rows {
                    self.rows.remove(0);
                    self.rows.push(String::new());
                    self.scrolled += 1;
                    self.cursor -= 1;
                }
            } else {
                let row = &mut self.rows[self.cursor];
                row.push(letter);
                let columns = row.chars().count();
                assert!(columns < self.size.columns, "{row:?} is wrapped");
            }
        }
    }

    fn text(&self) -> String {
        self.rows.join("\n").trim_end().to_owned()
    }
}

/// Where the live view writes to in these tests.
#[derive(Clone, Default)]
struct Wire(Rc<Cell<Vec<u8>>>);

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.take();
        all.extend_from_slice(bytes);
        self.0.set(all);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn subject() -> Subject {
    Subject {
        title: "127.0.0.1:9001/ws: a load with a title that is much longer than a screen is"
            .repeat(2),
        load_seconds: 5.0,
        lag_max: Duration::from_millis(5),
    }
}

/// Shows a run on a terminal that gets the given sizes, one before each interval; gives what is on it
/// after each.
fn screens(sizes: &[Size]) -> Vec<String> {
    let (_, intervals) = sample::run(4);
    let wire = Wire::default();
    let size = Rc::new(Cell::new(sizes[0]));
    let asked = Rc::clone(&size);
    let style = Style::Screen(Box::new(move || asked.get()));
    let mut live = Live::new(wire.clone(), style, subject());
    let mut terminal = Terminal::new(sizes[0]);
    let mut so_far = SoFar::default();
    let mut seen = Vec::new();
    for (interval, number) in intervals.iter().zip(0..) {
        let now = sizes[number.min(sizes.len() - 1)];
        if now != terminal.size {
            // What a terminal makes of what was on it in another size is not known.
            terminal = Terminal::new(now);
            terminal.rows.fill("left over".to_owned());
            terminal.cursor = now.rows / 2;
        }
        size.set(now);
        so_far.add(interval);
        live.show(interval, &so_far).unwrap();
        terminal.take(&String::from_utf8(wire.0.take()).unwrap());
        seen.push(terminal.text());
    }
    assert_eq!(
        terminal.scrolled, 0,
        "nothing above the screen was pushed away"
    );
    live.finish().unwrap();
    terminal.take(&String::from_utf8(wire.0.take()).unwrap());
    assert_eq!(terminal.text(), "", "nothing is left behind");
    seen
}

fn size(columns: usize, rows: usize) -> Size {
    Size { columns, rows }
}

/// Goal: without a terminal there is a plain line for each interval.
#[test]
fn lines_are_plain() {
    let (_, intervals) = sample::run(4);
    let mut bytes = Vec::new();
    let mut live = Live::new(&mut bytes, Style::Lines, subject());
    let mut so_far = SoFar::default();
    for interval in &intervals {
        so_far.add(interval);
        live.show(interval, &so_far).unwrap();
    }
    live.finish().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(!text.contains('\x1b'));
    let first = text.lines().next().unwrap();
    assert!(first.contains("21 of 21 sessions open"), "{text}");
    assert!(text.contains("planned 100.0/s  sent 100.0/s  delivered 2,000/s"));
    assert!(text.contains(" ms  0 skipped, 0 outstanding  "), "{text}");
    assert!(text.contains("publish lag p99 0.060 ms  CPU 12%"), "{text}");
}

/// Goal: the screen is redrawn in place on a terminal of the usual size, and shows everything.
#[test]
fn the_screen_is_redrawn_in_place() {
    let seen = screens(&[size(80, 24)]);
    assert!(seen[0].contains("connect ") && seen[0].contains("21 of 21 open"));
    let last = seen.last().unwrap();
    for part in [
        "measure   [########",
        "100.0/s planned, 100.0/s sent, 2,000 deliveries/s",
        "generator publish lag p99 0.060 ms of 5ms, busiest worker 12%",
        "completion so far",
        "ack so far",
        "p99       \u{2581}",
    ] {
        assert!(last.contains(part), "{part}\n{last}");
    }
    assert!(!last.contains("INVALID"), "{last}");
}

/// Goal: small terminals show the most important lines, shortened, and nothing is wrapped or pushed
/// off the top.
#[test]
fn small_terminals_show_what_fits() {
    let narrow = screens(&[size(48, 24)]);
    let last = narrow.last().unwrap();
    assert!(last.contains("100.0/s of 100.0, 2,000 deliv/s"), "{last}");
    assert!(last.contains("generator 0.060 ms late, CPU 12%"), "{last}");
    assert!(last.contains("\ndelivery  "), "{last}");
    let low = screens(&[size(60, 6)]);
    let last = low.last().unwrap();
    assert_eq!(last.lines().count(), 5, "{last}");
    for part in ["measure", "messages", "generator", "p50", "delivery"] {
        assert!(last.contains(part), "{part}\n{last}");
    }
    for (columns, rows) in [(1, 1), (2, 2), (10, 3), (20, 50), (500, 4)] {
        screens(&[size(columns, rows)]);
    }
}

/// Goal: a terminal whose size changes shows the screen alone, whatever it had made of the old one.
#[test]
fn resized_terminals_are_cleared() {
    let sizes = [
        size(80, 24),
        size(60, 15),
        size(60, 8),
        size(120, 40),
        size(30, 10),
    ];
    for screen in screens(&sizes) {
        assert!(!screen.contains("left over"), "{screen}");
        assert!(screen.lines().any(|line| line.contains('[')), "{screen}");
    }
}

/// Goal: a generator that is the limit is told while the run goes on.
#[test]
fn limits_of_the_generator_are_seen() {
    let (_, intervals) = sample::run(1);
    let mut so_far = SoFar::default();
    so_far.add(&intervals[2]);
    let live = Live::new(Vec::new(), Style::Lines, subject());
    assert!(!live.generator(&so_far, true).contains("INVALID"));
    so_far.cpu_share = 0.99;
    assert!(live.generator(&so_far, false).ends_with("INVALID: busy"));
    so_far.publish_lag.record(900_000_000);
    assert!(live.generator(&so_far, true).ends_with("INVALID: late"));
}

/// Goal: bar and trend stay within their width, whatever the values.
#[test]
fn drawings_are_bounded() {
    for progress in [-1.0, 0.0, 0.5, 1.0, 9.0] {
        assert_eq!(bar(progress, 40).len(), 42);
        assert_eq!(bar(progress, 0).len(), 2);
    }
    assert_eq!(sparkline(&[0, 1_000, u64::MAX]).chars().count(), 3);
    assert_eq!(sparkline(&[5, 5]), "\u{2581}\u{2581}");
}
