//! The plots of latencies.

use super::over_time::{loaded, mark_measurement, middle, seconds_ticks, span, time_axis};
use super::svg::{Axis, Plot, Scale, labelled, time_label};
use crate::results::distribution::Distribution;
use crate::results::model::IntervalSummary;
use crate::results::model::latency::Latency;
use crate::results::timeline::{CELL_NS_MIN, CELLS_PER_DECADE, Column};
use crate::results::units::{count, seconds, time};

/// Cells of the timeline that make up one row of the heat map.
const CELLS_PER_ROW: usize = 2;

/// Shades of the heat map.
const SHADES: usize = 8;

/// Steps for each factor of ten in the densities.
const BINS_PER_DECADE: f64 = 24.0;

/// Latency by percentile, the percentiles by their number of nines; every series.
#[expect(clippy::cast_precision_loss, reason = "places in a plot")]
pub(super) fn percentiles(latency: &Latency) -> String {
    let series = latency.series().into_iter();
    let series: Vec<_> = series.filter(|(_, times)| !times.is_empty()).collect();
    let most = series
        .iter()
        .map(|(_, times)| times.0.len())
        .max()
        .unwrap_or(1);
    let nines = (most.max(10) as f64).log10().min(6.0);
    let low = series
        .iter()
        .map(|(_, times)| times.0.min())
        .min()
        .unwrap_or(0);
    let high = series
        .iter()
        .map(|(_, times)| times.0.max())
        .max()
        .unwrap_or(0);
    let x = Axis::across(0.0, nines, Scale::Linear);
    let y = latency_axis(low, high);
    let mut plot = Plot::new(
        "percentiles",
        "latency by percentile, one line for each series",
    );
    let x_ticks: Vec<_> = (0u8..=6)
        .zip(["0%", "90%", "99%", "99.9%", "99.99%", "99.999%", "99.9999%"])
        .filter(|(nine, _)| f64::from(*nine) <= nines)
        .map(|(nine, label)| (f64::from(nine), label.to_owned()))
        .collect();
    let y_ticks = labelled(y.ticks(8), time_label);
    plot.axes((&x, &x_ticks, "percentile"), (&y, &y_ticks, "latency"));
    for (name, times) in &series {
        let own_nines = (times.0.len().max(2) as f64).log10().min(nines);
        let points: Vec<_> = (0..=160u32)
            .map(|step| f64::from(step) / 160.0 * own_nines)
            .map(|place| (place, times.at(1.0 - 10f64.powf(-place)) as f64))
            .map(|(place, value)| (x.at(place), y.at(value)))
            .collect();
        plot.line(name, "", &points);
        for (quantile, label) in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")] {
            let place = -f64::log10(1.0 - quantile);
            if place <= own_nines {
                let value = times.at(quantile);
                let title = format!("{name} {label}: {}", time(value));
                plot.dot(name, (x.at(place), y.at(value as f64)), &title);
            }
        }
    }
    let legend: Vec<_> = series.iter().map(|(name, _)| (*name, *name)).collect();
    plot.finish(&legend)
}

/// Deliveries by time and latency: the darker, the more; lines for the 99th percentile and the
/// maximum.
#[expect(clippy::cast_precision_loss, reason = "places in a plot")]
pub(super) fn heat(columns: &[Column]) -> String {
    let loaded: Vec<_> = loaded(columns);
    let filled = |column: &&&Column| column.delivery.iter().any(|&cell| cell > 0);
    let busy = || loaded.iter().filter(filled);
    let bottom = |column: &&Column| column.delivery.iter().position(|&cell| cell > 0);
    let low = busy().filter_map(bottom).min().unwrap_or(0) / CELLS_PER_ROW * CELLS_PER_ROW;
    let high = busy()
        .map(|column| column.summary.delivery_max_ns)
        .max()
        .unwrap_or(0);
    let x = time_axis(&loaded);
    let y = Axis::up(
        cell_ns(low),
        (high as f64 * 1.1).max(cell_ns(low + 40)),
        Scale::Logarithmic,
    );
    let mut plot = Plot::new("heat", "heat map of delivery latency over time");
    paint_cells(&mut plot, &loaded, (&x, &y));
    let (x_ticks, y_ticks) = (seconds_ticks(&x), labelled(y.ticks(8), time_label));
    plot.axes(
        (&x, &x_ticks, "seconds"),
        (&y, &y_ticks, "delivery latency"),
    );
    mark_measurement(&mut plot, &x, &loaded);
    for (series, value) in [
        (
            "spread",
            (|summary| summary.delivery_p99_ns) as fn(&IntervalSummary) -> u64,
        ),
        ("completion", |summary| summary.delivery_max_ns),
    ] {
        let points: Vec<_> = busy()
            .map(|column| {
                (
                    middle(&x, &column.summary),
                    y.at(value(&column.summary) as f64),
                )
            })
            .collect();
        plot.line(series, "thin", &points);
    }
    for column in &loaded {
        let summary = &column.summary;
        let title = format!(
            "{:.0} s: p50 {}, p99 {}, max {}, {} deliveries",
            seconds(summary.start_ns),
            time(summary.delivery_p50_ns),
            time(summary.delivery_p99_ns),
            time(summary.delivery_max_ns),
            count(summary.delivered)
        );
        plot.hover(span(&x, summary), &title);
    }
    plot.finish(&[
        ("delivery", "deliveries"),
        ("spread", "p99"),
        ("completion", "max"),
    ])
}

/// One path for each shade, so that the page stays small.
#[expect(clippy::cast_precision_loss, reason = "places in a plot")]
fn paint_cells(plot: &mut Plot, loaded: &[&Column], (x, y): (&Axis, &Axis)) {
    let rows = |column: &Column| -> Vec<u64> {
        let chunks = column.delivery.chunks(CELLS_PER_ROW);
        chunks.map(|chunk| chunk.iter().sum()).collect()
    };
    let per_second =
        |column: &Column, sum: u64| sum as f64 / seconds(column.summary.length_ns).max(1e-3);
    let most = loaded
        .iter()
        .flat_map(|column| rows(column).into_iter().map(|sum| per_second(column, sum)))
        .fold(1.0, f64::max);
    let mut shades = vec![String::new(); SHADES];
    for column in loaded {
        let (from, to) = span(x, &column.summary);
        for (row, &sum) in rows(column).iter().enumerate().filter(|(_, sum)| **sum > 0) {
            let share = (per_second(column, sum) / most).powf(0.4);
            let (top, foot) = (
                cell_ns((row + 1) * CELLS_PER_ROW),
                cell_ns(row * CELLS_PER_ROW),
            );
            let (top, foot) = (y.at(top), y.at(foot));
            let width = to - from;
            shades[shade(share)].push_str(&format!(
                "M{from:.1} {top:.1}h{width:.1}V{foot:.1}h-{width:.1}z"
            ));
        }
    }
    for (index, path) in shades
        .iter()
        .enumerate()
        .filter(|(_, path)| !path.is_empty())
    {
        let opacity = 0.12 + 0.88 * (index as f64 + 1.0) / SHADES as f64;
        plot.raw(&format!(
            "<path class=\"cells\" fill=\"var(--delivery)\" fill-opacity=\"{opacity:.2}\" d=\"{path}\"/>\n"
        ));
    }
}

/// The shortest latency of a cell, in nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "a place in a plot")]
fn cell_ns(cell: usize) -> f64 {
    CELL_NS_MIN * 10f64.powf(cell as f64 / CELLS_PER_DECADE as f64)
}

/// How first, median and last deliveries are spread over latency: the gap is what the last
/// subscriber waits longer than the first.
#[expect(clippy::cast_precision_loss, reason = "places in a plot")]
pub(super) fn spread(latency: &Latency) -> String {
    let series = [
        ("first", "first delivery", &latency.first_ns),
        ("median", "median delivery", &latency.median_ns),
        (
            "completion",
            "last delivery (completion)",
            &latency.completion_ns,
        ),
        ("spread", "spread (last - first)", &latency.spread_ns),
    ];
    let series: Vec<_> = series
        .into_iter()
        .filter(|(_, _, times)| !times.is_empty())
        .collect();
    let low = series
        .iter()
        .map(|(_, _, times)| times.at(0.001))
        .min()
        .unwrap_or(0);
    let high = series
        .iter()
        .map(|(_, _, times)| times.0.max())
        .max()
        .unwrap_or(0);
    let x = latency_axis(low, high).lying();
    let densities: Vec<_> = series
        .iter()
        .map(|(name, _, times)| (*name, density(times, low, high)))
        .collect();
    let most = densities.iter().flat_map(|(_, bins)| bins).map(|bin| bin.1);
    let y = Axis::up(0.0, most.fold(0.01, f64::max) * 1.05, Scale::Linear);
    let mut plot = Plot::new("spread", "densities of first, median and last deliveries");
    let x_ticks = labelled(x.ticks(8), time_label);
    let y_ticks = labelled(y.ticks(5), |share| format!("{:.0}%", share * 100.0));
    plot.axes(
        (&x, &x_ticks, "latency of a message"),
        (&y, &y_ticks, "share of messages"),
    );
    for (name, bins) in &densities {
        let points: Vec<_> = bins
            .iter()
            .map(|(ns, share)| (x.at(*ns), y.at(*share)))
            .collect();
        plot.area(name, &points);
    }
    for (name, label, times) in &series {
        let p50 = times.at(0.5);
        let title = format!("{label}: p50 {}, max {}", time(p50), time(times.0.max()));
        plot.dot(name, (x.at(p50 as f64), y.at(0.0)), &title);
    }
    let legend: Vec<_> = series
        .iter()
        .map(|(name, label, _)| (*name, *label))
        .collect();
    plot.finish(&legend)
}

/// Half a step beyond what there is, and never narrower than a factor of two.
#[expect(clippy::cast_precision_loss, reason = "places in a plot")]
fn latency_axis(low_ns: u64, high_ns: u64) -> Axis {
    let low = (low_ns.max(1_000) as f64) * 0.8;
    Axis::up(
        low,
        (high_ns as f64 * 1.25).max(low * 2.0),
        Scale::Logarithmic,
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index of a shade"
)]
fn shade(share: f64) -> usize {
    ((share.clamp(0.0, 1.0) * SHADES as f64) as usize).min(SHADES - 1)
}

/// Shares of the values by steps of a logarithmic scale, from one empty step to another.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index of at most 60 s on a logarithmic scale"
)]
fn density(times: &Distribution, low_ns: u64, high_ns: u64) -> Vec<(f64, f64)> {
    let low = low_ns.max(1_000) as f64;
    let bin = |ns: f64| ((ns / low).max(1.0).log10() * BINS_PER_DECADE) as usize + 1;
    let mut shares = vec![0.0; bin(high_ns as f64) + 2];
    let end = shares.len() - 1;
    let total = times.0.len().max(1) as f64;
    for step in times.0.iter_recorded() {
        let place = bin(step.value_iterated_to() as f64).min(end);
        shares[place] += step.count_since_last_iteration() as f64 / total;
    }
    let ns = |index: usize| low * 10f64.powf((index as f64 - 0.5) / BINS_PER_DECADE);
    shares
        .into_iter()
        .enumerate()
        .map(|(index, share)| (ns(index), share))
        .collect()
}
