//! The plots of rates and sessions over time, and what all plots over time have in common.

use super::svg::{Axis, Plot, Scale, labelled};
use crate::results::model::asked::Parameters;
use crate::results::model::{IntervalSummary, PhaseName};
use crate::results::timeline::Column;
use crate::results::units::{count, rate, seconds};

/// Messages a second over time: planned, sent, and delivered to everybody.
#[expect(clippy::cast_precision_loss, reason = "places in a plot")]
pub(super) fn rates(columns: &[Column], parameters: &Parameters) -> String {
    let loaded = loaded(columns);
    let per_second = |number: u64, summary: &IntervalSummary| {
        number as f64 / seconds(summary.length_ns).max(1e-3)
    };
    let corners = corners(&loaded, parameters);
    let most = loaded
        .iter()
        .map(|column| &column.summary)
        .flat_map(|s| [s.planned, s.sent, s.completed].map(|number| per_second(number, s)))
        .chain(corners.iter().map(|corner| corner.1))
        .fold(1.0, f64::max);
    let mut plot = Plot::new("rates", "messages a second: planned, sent and complete");
    let (x, y) = axes(&mut plot, &loaded, most, "messages a second");
    plot.line(
        "first",
        "",
        &steps(&loaded, (&x, &y), |s| per_second(s.completed, s)),
    );
    plot.line(
        "delivery",
        "",
        &steps(&loaded, (&x, &y), |s| per_second(s.sent, s)),
    );
    let planned: Vec<_> = match corners.is_empty() {
        true => steps(&loaded, (&x, &y), |s| per_second(s.planned, s)),
        false => corners
            .iter()
            .map(|corner| (x.at(corner.0), y.at(corner.1)))
            .collect(),
    };
    plot.line("completion", "dash", &planned);
    for column in &loaded {
        let summary = &column.summary;
        let [planned, sent, completed] = [summary.planned, summary.sent, summary.completed]
            .map(|n| rate(per_second(n, summary)));
        let title = format!(
            "{:.0} s: planned {planned}/s, sent {sent}/s, complete {completed}/s",
            seconds(summary.start_ns)
        );
        plot.hover(span(&x, summary), &title);
    }
    plot.finish(&[
        ("completion", "planned"),
        ("delivery", "sent"),
        ("first", "complete at all subscribers"),
    ])
}

/// Sessions over time: wanted, and open.
#[expect(clippy::cast_precision_loss, reason = "places in a plot")]
pub(super) fn sessions(columns: &[Column]) -> String {
    let mut loaded = loaded(columns);
    // At its end all of them say goodbye.
    loaded.retain(|column| column.summary.phase != PhaseName::Drain);
    let most = loaded
        .iter()
        .map(|column| column.summary.open.max(column.summary.open_wanted));
    let most = most.max().unwrap_or(0).max(1) as f64;
    let mut plot = Plot::new("sessions", "sessions: wanted and open");
    let (x, y) = axes(&mut plot, &loaded, most, "sessions");
    // How many they are is known at the end of each column.
    let points = |value: fn(&IntervalSummary) -> u64| -> Vec<_> {
        let summaries = loaded.iter().map(|column| &column.summary);
        summaries
            .map(|summary| (span(&x, summary).1, y.at(value(summary) as f64)))
            .collect()
    };
    plot.line("delivery", "", &points(|summary| summary.open));
    plot.line("completion", "dash", &points(|summary| summary.open_wanted));
    for column in &loaded {
        let summary = &column.summary;
        let (open, wanted) = (count(summary.open), count(summary.open_wanted));
        let time = seconds(summary.start_ns + summary.length_ns);
        plot.hover(
            span(&x, summary),
            &format!("{time:.0} s: {open} open of {wanted}"),
        );
    }
    plot.finish(&[("completion", "wanted"), ("delivery", "open")])
}

/// Where the planned rate bends, as seconds and messages a second; nowhere without stages.
fn corners(loaded: &[&Column], parameters: &Parameters) -> Vec<(f64, f64)> {
    let is_measured = |column: &&&Column| column.summary.phase == PhaseName::Measure;
    let (Some(first), Some(measured)) = (loaded.first(), loaded.iter().find(is_measured)) else {
        return Vec::new();
    };
    if parameters.stages.is_empty() {
        return Vec::new();
    }
    let begin = parameters.rate.unwrap_or(0.0);
    let mut now = seconds(measured.summary.start_ns);
    let mut corners = vec![(seconds(first.summary.start_ns), begin), (now, begin)];
    for stage in &parameters.stages {
        now += stage.seconds;
        corners.push((now, stage.target));
    }
    corners
}

/// Draws axes for values up to `most`, and where the measured window is.
fn axes(plot: &mut Plot, loaded: &[&Column], most: f64, name: &str) -> (Axis, Axis) {
    let (x, y) = (time_axis(loaded), Axis::up(0.0, most * 1.08, Scale::Linear));
    let (x_ticks, y_ticks) = (seconds_ticks(&x), labelled(y.ticks(5), short));
    plot.axes((&x, &x_ticks, "seconds"), (&y, &y_ticks, name));
    mark_measurement(plot, &x, loaded);
    (x, y)
}

/// A level for each column.
fn steps(
    loaded: &[&Column],
    (x, y): (&Axis, &Axis),
    value: impl Fn(&IntervalSummary) -> f64,
) -> Vec<(f64, f64)> {
    let level = |column: &&Column| {
        let ((from, to), at) = (span(x, &column.summary), y.at(value(&column.summary)));
        [(from, at), (to, at)]
    };
    loaded.iter().flat_map(level).collect()
}

pub(super) fn loaded(columns: &[Column]) -> Vec<&Column> {
    columns.iter().filter(|column| column.is_loaded()).collect()
}

pub(super) fn time_axis(columns: &[&Column]) -> Axis {
    let start = columns.first().map_or(0, |column| column.summary.start_ns);
    let end = columns.last().map_or(0, |column| {
        column.summary.start_ns + column.summary.length_ns
    });
    Axis::across(seconds(start), seconds(end), Scale::Linear)
}

pub(super) fn seconds_ticks(x: &Axis) -> Vec<(f64, String)> {
    labelled(x.ticks(8), |value| {
        format!("{}", (value * 10.0).round() / 10.0)
    })
}

pub(super) fn span(x: &Axis, summary: &IntervalSummary) -> (f64, f64) {
    let end_ns = summary.start_ns + summary.length_ns;
    (x.at(seconds(summary.start_ns)), x.at(seconds(end_ns)))
}

pub(super) fn middle(x: &Axis, summary: &IntervalSummary) -> f64 {
    let (from, to) = span(x, summary);
    f64::midpoint(from, to)
}

/// Where the measured window begins and ends.
pub(super) fn mark_measurement(plot: &mut Plot, x: &Axis, columns: &[&Column]) {
    let mut phase = PhaseName::WarmUp;
    for summary in columns.iter().map(|column| &column.summary) {
        if summary.phase != phase {
            phase = summary.phase;
            plot.mark(x.at(seconds(summary.start_ns)));
        }
    }
}

/// A number for an axis: `500`, `20k`, `1.5M`.
fn short(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{}M", (value / 1e4).round() / 1e2),
        _ if value >= 1e4 => format!("{}k", (value / 10.0).round() / 1e2),
        _ => format!("{}", (value * 10.0).round() / 10.0),
    }
}
