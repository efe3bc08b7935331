//! What is seen while a run goes on: one screen on a terminal, a line a second elsewhere.
//!
//! The screen is redrawn in place and no mode of the terminal is changed, so that there is nothing
//! to restore however the program ends.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::distribution::Distribution;
use super::interval::Interval;
use super::model::PhaseName;
use super::units::{count, ms, rate, seconds};

/// Columns of the progress bar.
const BAR_COLUMNS: usize = 40;

/// Latencies of the last seconds that are drawn.
const TREND_MAX: usize = 48;

/// Columns that the screen needs: a line that is wrapped could not be redrawn.
pub(crate) const SCREEN_COLUMNS: usize = 80;

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One screen, redrawn.
    Screen,
    /// A line for each interval.
    Lines,
}

/// Shows a run as it goes.
pub(crate) struct Live<W> {
    out: W,
    style: Style,
    title: String,
    /// Length of warm-up and measurement together.
    load_seconds: f64,
    load_start_ns: Option<u64>,
    so_far: Distribution,
    completion: Distribution,
    /// 99th percentile of each of the last intervals.
    trend: Vec<u64>,
    /// Lines that are on the screen.
    drawn: usize,
}

impl<W: Write> Live<W> {
    /// `title` says what runs, in no more columns than there are; `load_seconds` how long warm-up and measurement are to take.
    pub(crate) fn new(out: W, style: Style, title: String, load_seconds: f64) -> Self {
        Self {
            out,
            style,
            title,
            load_seconds,
            load_start_ns: None,
            so_far: Distribution::default(),
            completion: Distribution::default(),
            trend: Vec::new(),
            drawn: 0,
        }
    }

    /// Shows the interval that has ended.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn show(&mut self, interval: &Interval) -> io::Result<()> {
        if interval.phase >= PhaseName::WarmUp {
            self.load_start_ns.get_or_insert(interval.start_ns);
        }
        self.so_far.add(&interval.delivery);
        self.completion.add(&interval.completion);
        let arrivals = interval.arrivals();
        if !arrivals.is_empty() {
            self.trend.push(arrivals.at(0.99));
            let surplus = self.trend.len().saturating_sub(TREND_MAX);
            self.trend.drain(..surplus);
        }
        match self.style {
            Style::Lines => {
                let line = line(interval, &arrivals);
                writeln!(self.out, "{line}")?;
            }
            Style::Screen => {
                let lines = self.screen(interval, &arrivals);
                self.draw(&lines)?;
            }
        }
        self.out.flush()
    }

    /// Takes the screen away, so that the final table stands in its place.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if self.style == Style::Screen {
            self.draw(&[])?;
        }
        self.out.flush()
    }

    fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        if self.drawn > 0 {
            // To the first column, so many lines up, then clear to the end (ECMA-48 CPL and ED).
            write!(self.out, "\x1b[{}F\x1b[J", self.drawn)?;
        }
        for line in lines {
            writeln!(self.out, "{line}")?;
        }
        self.drawn = lines.len();
        Ok(())
    }

    fn screen(&self, interval: &Interval, arrivals: &Distribution) -> Vec<String> {
        let now_ns = interval.start_ns + interval.length_ns;
        let phase = interval.phase.name().replace('_', "-");
        let [planned, sent, delivered] = rates(interval);
        let mut lines = vec![
            format!("\x1b[1m{}\x1b[0m", self.title),
            String::new(),
            format!(
                "{phase:9} {} {:.0} s",
                bar(self.progress(interval, now_ns)),
                seconds(now_ns)
            ),
            format!(
                "sessions  {} of {} open",
                count(interval.open),
                count(interval.open_wanted)
            ),
        ];
        if interval.phase >= PhaseName::WarmUp {
            lines.push(format!(
                "messages  {planned}/s planned, {sent}/s sent, {delivered} deliveries/s"
            ));
            lines.push(format!("lost      {}", count(interval.lost)));
            lines.push(String::new());
            lines.push(format!(
                "{:18}{:>10}{:>10}{:>10}",
                "ms", "p50", "p99", "max"
            ));
            let rows = [
                ("this second", arrivals),
                ("delivery so far", &self.so_far),
                ("completion so far", &self.completion),
            ];
            for (name, times) in rows.into_iter().filter(|(_, times)| !times.is_empty()) {
                lines.push(format!(
                    "{name:18}{:10.3}{:10.3}{:10.3}",
                    ms(times.at(0.5)),
                    ms(times.at(0.99)),
                    ms(times.0.max())
                ));
            }
            lines.push(String::new());
            lines.push(format!("p99       {}", sparkline(&self.trend)));
        }
        lines
    }

    /// From 0 to 1: of the sessions while connecting, of the time after that.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    fn progress(&self, interval: &Interval, now_ns: u64) -> f64 {
        match self.load_start_ns {
            Some(start_ns) => seconds(now_ns - start_ns) / self.load_seconds.max(1e-9),
            None => interval.open as f64 / interval.open_wanted.max(1) as f64,
        }
    }
}

fn line(interval: &Interval, arrivals: &Distribution) -> String {
    let now = seconds(interval.start_ns + interval.length_ns);
    let phase = interval.phase.name();
    if interval.phase < PhaseName::WarmUp {
        return format!(
            "{now:7.1} s  {phase:8} {} of {} sessions open",
            count(interval.open),
            count(interval.open_wanted)
        );
    }
    let [planned, sent, delivered] = rates(interval);
    let mut text = format!(
        "{now:7.1} s  {phase:8} planned {planned}/s  sent {sent}/s  delivered {delivered}/s"
    );
    if !arrivals.is_empty() {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|quantile| ms(arrivals.at(quantile)));
        let _ = write!(text, "  p50 {p50:.3}  p99 {p99:.3}  max {max:.3} ms");
    }
    let _ = write!(text, "  lost {}", count(interval.lost));
    text
}

#[expect(clippy::cast_precision_loss, reason = "rates for people")]
fn rates(interval: &Interval) -> [String; 3] {
    let length = seconds(interval.length_ns).max(1e-9);
    [interval.planned, interval.sent, interval.delivered].map(|number| rate(number as f64 / length))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the bar"
)]
fn bar(progress: f64) -> String {
    let filled = ((progress.clamp(0.0, 1.0) * BAR_COLUMNS as f64) as usize).min(BAR_COLUMNS);
    let (done, todo) = ("#".repeat(filled), ".".repeat(BAR_COLUMNS - filled));
    format!("[{done}{todo}]")
}

/// One block for each value, on a logarithmic scale over the values there are.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index below eight"
)]
fn sparkline(values: &[u64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let logs = values.iter().map(|&value| (value.max(1) as f64).ln());
    let low = logs.clone().fold(f64::INFINITY, f64::min);
    let range = (logs.clone().fold(0.0, f64::max) - low).max(0.7);
    let mut text = String::new();
    for log in logs {
        let place = ((log - low) / range * 7.0).round() as usize;
        let _ = text.write_char(BLOCKS[place.min(7)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::sample;

    fn shown(style: Style) -> String {
        let (_, intervals) = sample::run(4);
        let mut bytes = Vec::new();
        let mut live = Live::new(&mut bytes, style, "a run".to_owned(), 5.0);
        for interval in &intervals {
            live.show(interval).unwrap();
        }
        live.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Goal: without a terminal there is a plain line for each interval.
    #[test]
    fn lines_are_plain() {
        let text = shown(Style::Lines);
        assert_eq!(text.lines().count(), 6, "{text}");
        assert!(!text.contains('\x1b'));
        assert!(
            text.lines()
                .next()
                .unwrap()
                .contains("21 of 21 sessions open")
        );
        assert!(text.contains("planned 100.0/s  sent 100.0/s  delivered 2,000/s"));
    }

    /// Goal: the screen goes up exactly as many lines as it drew, and leaves nothing behind.
    #[test]
    fn the_screen_is_redrawn_in_place() {
        let text = shown(Style::Screen);
        let mut on_screen = 0;
        for part in text.split("\x1b[").skip(1) {
            if let Some((lines, _)) = part
                .split_once('F')
                .filter(|(n, _)| n.parse::<u32>().is_ok())
            {
                assert_eq!(lines.parse::<usize>().unwrap(), on_screen);
                on_screen = 0;
            }
            on_screen += part.matches('\n').count();
        }
        assert!(text.ends_with("\x1b[J"), "{text:?}");
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest.unwrap() < SCREEN_COLUMNS + 12, "escapes apart");
        assert!(!text.contains("[?"), "a mode of the terminal was changed");
    }

    /// Goal: bar and trend stay within their width, whatever the values.
    #[test]
    fn drawings_are_bounded() {
        for progress in [-1.0, 0.0, 0.5, 1.0, 9.0] {
            assert_eq!(bar(progress).len(), BAR_COLUMNS + 2);
        }
        assert_eq!(sparkline(&[0, 1_000, u64::MAX]).chars().count(), 3);
        assert_eq!(sparkline(&[5, 5]), "▁▁");
    }
}
