//! What is seen while a run goes on: one screen on a terminal, a line a second elsewhere.
//!
//! The screen is redrawn in place and no mode of the terminal is changed, so that there is nothing
//! to restore however the program ends. It is asked for its size each time: lines that don't fit are
//! cut or left out, as one that is wrapped could not be redrawn.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use super::distribution::Distribution;
use super::interval::Interval;
use super::model::PhaseName;
use super::so_far::SoFar;
use super::units::{count, ms, rate, seconds};

/// The most columns of the progress bar.
const BAR_COLUMNS: usize = 40;

/// Latencies of the last seconds that are drawn.
const TREND_MAX: usize = 48;

/// Columns below which lines are put shorter.
const WIDE_COLUMNS: usize = 80;

/// Size of the terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// How it is shown.
pub(crate) enum Style {
    /// One screen, redrawn, of the size that this says.
    Screen(Box<dyn Fn() -> Size>),
    /// A line for each interval.
    Lines,
}

/// What a run is about.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// What runs, in a line.
    pub(crate) title: String,
    /// How long warm-up and measurement are to take.
    pub(crate) load_seconds: f64,
    /// The publish lag beyond which the run is invalid.
    pub(crate) lag_max: Duration,
}

/// Shows a run as it goes.
pub(crate) struct Live<W> {
    out: W,
    style: Style,
    subject: Subject,
    /// 99th percentile of each of the last intervals.
    trend: Vec<u64>,
    /// Lines that are on the screen, and its size when they were drawn.
    drawn: usize,
    size: Option<Size>,
}

/// A line of the screen. Those with the highest rank go first when there is no room.
struct Line {
    rank: u8,
    text: String,
}

impl<W: Write> Live<W> {
    pub(crate) fn new(out: W, style: Style, subject: Subject) -> Self {
        Self {
            out,
            style,
            subject,
            trend: Vec::new(),
            drawn: 0,
            size: None,
        }
    }

    /// Shows the interval that has ended, which is in the sum already.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn show(&mut self, interval: &Interval, so_far: &SoFar) -> io::Result<()> {
        let arrivals = interval.arrivals();
        if !arrivals.is_empty() {
            self.trend.push(arrivals.at(0.99));
            let surplus = self.trend.len().saturating_sub(TREND_MAX);
            self.trend.drain(..surplus);
        }
        match &self.style {
            Style::Lines => {
                let line = line(interval, &arrivals);
                writeln!(self.out, "{line}")?;
            }
            Style::Screen(size) => {
                let size = size();
                let lines = self.screen(interval, &arrivals, so_far, size.columns);
                self.draw(&fitting(lines, size), size)?;
            }
        }
        self.out.flush()
    }

    /// Takes the screen away, so that the final table stands in its place.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if let Style::Screen(size) = &self.style {
            let size = size();
            self.draw(&[], size)?;
        }
        self.out.flush()
    }

    fn draw(&mut self, lines: &[String], size: Size) -> io::Result<()> {
        let before = self.size.replace(size);
        if before.is_some_and(|before| before != size) {
            // Terminals differ in where they leave what was drawn in another size: all of it is
            // cleared, and the first line is the next (ECMA-48 ED and CUP).
            write!(self.out, "\x1b[2J\x1b[H")?;
        } else if self.drawn > 0 {
            // To the first column, so many lines up, then clear to the end (ECMA-48 CPL and ED).
            write!(self.out, "\x1b[{}F\x1b[J", self.drawn)?;
        }
        for line in lines {
            writeln!(self.out, "{line}")?;
        }
        self.drawn = lines.len();
        Ok(())
    }

    fn screen(
        &self,
        interval: &Interval,
        arrivals: &Distribution,
        so_far: &SoFar,
        columns: usize,
    ) -> Vec<Line> {
        let phase = interval.phase.name().replace('_', "-");
        let time = format!("{:.0} s", seconds(so_far.now_ns));
        let bar_columns = columns.saturating_sub(14 + time.len()).min(BAR_COLUMNS);
        let bar = bar(self.progress(so_far), bar_columns);
        let (open, wanted) = (count(so_far.open), count(so_far.open_wanted));
        let mut lines = vec![
            Line::new(5, self.subject.title.clone()),
            Line::new(9, String::new()),
            Line::new(0, format!("{phase:9} {bar} {time}")),
            Line::new(4, format!("sessions  {open} of {wanted} open")),
        ];
        if interval.phase < PhaseName::WarmUp {
            return lines;
        }
        let is_wide = columns >= WIDE_COLUMNS;
        let [planned, sent, delivered] = rates(interval);
        let messages = match is_wide {
            true => format!("{planned}/s planned, {sent}/s sent, {delivered} deliveries/s"),
            false => format!("{sent}/s of {planned}, {delivered} deliv/s"),
        };
        lines.push(Line::new(2, format!("messages  {messages}")));
        lines.push(Line::new(3, format!("missing   {}", so_far.missing)));
        lines.push(Line::new(1, self.generator(so_far, is_wide)));
        lines.push(Line::new(9, String::new()));
        let (label, figure) = if is_wide { (18, 10) } else { (10, 9) };
        let names = match is_wide {
            true => [
                "this second",
                "delivery so far",
                "completion so far",
                "ack so far",
            ],
            false => ["second", "delivery", "completion", "ack"],
        };
        let heads = ["p50", "p99", "max"].map(|head| format!("{head:>figure$}"));
        lines.push(Line::new(1, format!("{:label$}{}", "ms", heads.concat())));
        let rows = [arrivals, &so_far.delivery, &so_far.completion, &so_far.ack];
        for ((name, times), rank) in names.into_iter().zip(rows).zip([7, 2, 6, 6]) {
            if !times.is_empty() {
                let figures = [0.5, 0.99, 1.0].map(|q| format!("{:figure$.3}", ms(times.at(q))));
                lines.push(Line::new(
                    rank,
                    format!("{name:label$}{}", figures.concat()),
                ));
            }
        }
        lines.push(Line::new(9, String::new()));
        let shown = self.trend.len().min(columns.saturating_sub(11));
        let trend = sparkline(&self.trend[self.trend.len() - shown..]);
        lines.push(Line::new(8, format!("p99       {trend}")));
        lines
    }

    /// How this program itself keeps up, so that an invalid run is no news at its end.
    fn generator(&self, so_far: &SoFar, is_wide: bool) -> String {
        let lag = ms(so_far.publish_lag.at(0.99));
        let share = so_far.cpu_share * 100.0;
        let limit = self.subject.lag_max;
        let trouble = match so_far.trouble(limit) {
            Some(trouble) => format!("  INVALID: {trouble}"),
            None => String::new(),
        };
        match is_wide {
            true => format!(
                "generator publish lag p99 {lag:.3} ms of {limit:?}, busiest worker {share:.0}% CPU\
                 {trouble}"
            ),
            false => format!("generator {lag:.3} ms late, CPU {share:.0}%{trouble}"),
        }
    }

    /// From 0 to 1: of the sessions while connecting, of the time after that.
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    fn progress(&self, so_far: &SoFar) -> f64 {
        match so_far.load_start_ns {
            Some(start_ns) => {
                seconds(so_far.now_ns - start_ns) / self.subject.load_seconds.max(1e-9)
            }
            None => so_far.open as f64 / so_far.open_wanted.max(1) as f64,
        }
    }
}

impl Line {
    fn new(rank: u8, text: String) -> Self {
        Self { rank, text }
    }
}

/// The lines there is room for, each no wider than the screen. The last row is the cursor's.
fn fitting(mut lines: Vec<Line>, size: Size) -> Vec<String> {
    let (rows, columns) = (size.rows.saturating_sub(1), size.columns.saturating_sub(1));
    while lines.len() > rows {
        let ranks = lines.iter().map(|line| line.rank).enumerate();
        let Some((last, _)) = ranks.max_by_key(|(_, rank)| *rank) else {
            break;
        };
        lines.remove(last);
    }
    let cut = lines
        .into_iter()
        .map(|line| line.text.chars().take(columns).collect());
    cut.collect()
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
    let _ = write!(text, "  {}", interval.missing);
    if !interval.publish_lag.is_empty() {
        let lag = ms(interval.publish_lag.at(0.99));
        let _ = write!(text, "  publish lag p99 {lag:.3} ms");
    }
    let _ = write!(text, "  CPU {:.0}%", interval.cpu_share * 100.0);
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
fn bar(progress: f64, columns: usize) -> String {
    let filled = ((progress.clamp(0.0, 1.0) * columns as f64) as usize).min(columns);
    let (done, todo) = ("#".repeat(filled), ".".repeat(columns - filled));
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
mod tests;
