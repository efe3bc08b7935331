//! Axes and paths for the plots: plain SVG text, coloured by the page's style sheet.

use std::fmt::Write;

use crate::results::markup::escape;

/// Size of every plot in its own units; the page scales it.
pub(super) const WIDTH: f64 = 640.0;
pub(super) const HEIGHT: f64 = 306.0;

/// The area inside the axes.
const LEFT: f64 = 76.0;
const RIGHT: f64 = WIDTH - 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = HEIGHT - 46.0;

/// Space for a letter of a label where letters are largest, on a narrow page (`svg text` in page.css): digits are narrower,
/// and only `m` and `%` wider.
const LETTER_WIDTH: f64 = 12.0;

/// The most labels below a plot that a narrow page has room for.
const LABELS_NARROW_MAX: usize = 5;

/// How values are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    Linear,
    Logarithmic,
}

/// From values to places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
    from: f64,
    to: f64,
}

impl Axis {
    /// From left to right.
    pub(super) fn across(low: f64, high: f64, scale: Scale) -> Self {
        Self::new((low, high), scale, (LEFT, RIGHT))
    }

    /// From the bottom up.
    pub(super) fn up(low: f64, high: f64, scale: Scale) -> Self {
        Self::new((low, high), scale, (BOTTOM, TOP))
    }

    fn new((low, high): (f64, f64), scale: Scale, (from, to): (f64, f64)) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self {
            low,
            high,
            scale,
            from,
            to,
        }
    }

    /// The same values from left to right.
    pub(super) fn lying(self) -> Self {
        Self::new((self.low, self.high), self.scale, (LEFT, RIGHT))
    }

    /// The place of a value; values outside of the axis are put at its end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + share * (self.to - self.from)
    }

    /// Round values along the axis, about `count` of them.
    pub(super) fn ticks(&self, count: usize) -> Vec<f64> {
        match self.scale {
            Scale::Linear => self.linear_ticks(count),
            Scale::Logarithmic => self.logarithmic_ticks(count),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    fn linear_ticks(&self, count: usize) -> Vec<f64> {
        let rough = (self.high - self.low) / count.max(1) as f64;
        let unit = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * unit)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let first = (self.low / step).ceil();
        (0..=count * 2)
            .map(|index| (first + index as f64) * step)
            .take_while(|value| *value <= self.high * (1.0 + 1e-9))
            .collect()
    }

    /// Powers of ten, with 2 and 5 in between when there is room.
    #[expect(clippy::cast_possible_truncation, reason = "a power of ten")]
    fn logarithmic_ticks(&self, count: usize) -> Vec<f64> {
        let (first, last) = (
            self.low.log10().floor() as i32,
            self.high.log10().ceil() as i32,
        );
        let powers = (first..=last).map(|power| 10f64.powi(power));
        let within = |value: &f64| (self.low..=self.high * (1.0 + 1e-9)).contains(value);
        let fine: Vec<_> = powers
            .clone()
            .flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * power))
            .filter(within)
            .collect();
        if fine.len() <= count {
            return fine;
        }
        powers.filter(within).collect()
    }
}

/// One plot as it grows.
pub(super) struct Plot(String);

impl Plot {
    /// An empty plot, described for those who can't see it.
    pub(super) fn new(id: &str, description: &str) -> Self {
        Self(format!(
            "<svg id=\"{id}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(description)
        ))
    }

    /// Grid lines and labels: ticks of both axes with their texts, and the names of the axes.
    pub(super) fn axes(
        &mut self,
        (x, x_ticks, x_name): (&Axis, &[(f64, String)], &str),
        (y, y_ticks, y_name): (&Axis, &[(f64, String)], &str),
    ) {
        for (index, (value, label)) in x_ticks.iter().enumerate() {
            let at = x.at(*value);
            let (label_at, anchor) = below(at, label);
            // On a narrow page there is room for every other one.
            let is_minor = x_ticks.len() > LABELS_NARROW_MAX && index % 2 == 1;
            let class = if is_minor { " class=\"minor\"" } else { "" };
            self.raw(&format!(
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{BOTTOM}\"/><text{class} x=\"{label_at:.1}\" \
                 y=\"{:.1}\" text-anchor=\"{anchor}\">{label}</text>\n",
                BOTTOM + 19.0
            ));
        }
        for (value, label) in y_ticks {
            let at = y.at(*value);
            self.raw(&format!(
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{label}</text>\n",
                LEFT - 8.0,
                at + 4.0
            ));
        }
        let (middle, below) = (f64::midpoint(LEFT, RIGHT), HEIGHT - 5.0);
        self.raw(&format!(
            "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{x_name}</text>\
             <text class=\"minor\" transform=\"rotate(-90)\" x=\"{:.1}\" y=\"12\" text-anchor=\"middle\">{y_name}</text>\n",
            -f64::midpoint(TOP, BOTTOM)
        ));
    }

    /// A line through points, in the colour of a series.
    pub(super) fn line(&mut self, series: &str, classes: &str, points: &[(f64, f64)]) {
        self.raw(&format!(
            "<path class=\"trace {classes}\" stroke=\"var(--{series})\" d=\"{}\"/>\n",
            path(points)
        ));
    }

    /// The area below a line.
    pub(super) fn area(&mut self, series: &str, points: &[(f64, f64)]) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return;
        };
        self.raw(&format!(
            "<path class=\"area\" stroke=\"var(--{series})\" fill=\"var(--{series})\" \
             d=\"{}V{BOTTOM}H{:.1}Z\"/>\n",
            path(points),
            first.0
        ));
        debug_assert!(last.0 >= first.0, "points go from left to right");
    }

    /// A point with a text that shows when it is pointed at.
    pub(super) fn dot(&mut self, series: &str, (x, y): (f64, f64), title: &str) {
        self.raw(&format!(
            "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"var(--{series})\">\
             <title>{title}</title></circle>\n"
        ));
    }

    /// A column over the whole height with a text that shows when it is pointed at.
    pub(super) fn hover(&mut self, (from, to): (f64, f64), title: &str) {
        self.raw(&format!(
            "<rect class=\"hover\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\">\
             <title>{title}</title></rect>\n",
            (to - from).max(0.1),
            BOTTOM - TOP
        ));
    }

    /// A dashed line from top to bottom.
    pub(super) fn mark(&mut self, x: f64) {
        self.raw(&format!(
            "<path class=\"mark\" d=\"M{x:.1} {TOP}V{BOTTOM}\"/>\n"
        ));
    }

    pub(super) fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// The whole plot and a legend of series and their names.
    pub(super) fn finish(mut self, legend: &[(&str, &str)]) -> String {
        self.0.push_str("</svg>\n<p class=\"legend\">");
        for (series, name) in legend {
            let _ = write!(
                self.0,
                "<span><i style=\"background:var(--{series})\"></i>{name}</span>"
            );
        }
        self.0.push_str("</p>\n");
        self.0
    }
}

/// Where a label below the place `at` goes, and which of its points goes there: it ends with the plot where it would
/// otherwise be cut off.
#[expect(clippy::cast_precision_loss, reason = "a few letters")]
fn below(at: f64, label: &str) -> (f64, &'static str) {
    let half = label.chars().count() as f64 * LETTER_WIDTH / 2.0;
    if at + half > WIDTH {
        (WIDTH, "end")
    } else {
        (at, "middle")
    }
}

/// Path data through points, to a tenth of a unit.
pub(super) fn path(points: &[(f64, f64)]) -> String {
    let mut text = String::with_capacity(points.len() * 12);
    for (index, (x, y)) in points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        let _ = write!(text, "{command}{x:.1} {y:.1}");
    }
    text
}

/// A round time for an axis, in nanoseconds: `50 us`, `2 ms`, `1 s`.
pub(super) fn time_label(ns: f64) -> String {
    match ns {
        _ if ns < 1e6 => format!("{} us", ns.round() / 1e3),
        _ if ns < 1e9 => format!("{} ms", (ns / 1e3).round() / 1e3),
        _ => format!("{} s", (ns / 1e6).round() / 1e3),
    }
}

/// Ticks with their labels.
pub(super) fn labelled(ticks: Vec<f64>, label: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    ticks
        .into_iter()
        .map(|value| (value, label(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: both scales put their ends at the ends, and what lies outside too.
    #[test]
    fn axes_keep_their_ends() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let axis = Axis::up(10.0, 1_000.0, scale);
            assert_eq!([axis.at(10.0), axis.at(0.0)], [BOTTOM; 2]);
            assert_eq!([axis.at(1_000.0), axis.at(1e9)], [TOP; 2]);
            assert!(axis.at(100.0) < BOTTOM && axis.at(100.0) > TOP);
        }
        assert!(Axis::across(5.0, 5.0, Scale::Linear).at(5.0).is_finite());
    }

    /// Goal: no label leaves the plot, wherever its tick is, and those that needn't move don't.
    #[test]
    fn labels_stay_within_the_plot() {
        for label in ["0%", "500 us", "99.9999%"] {
            for tenths in 0..=6_280u16 {
                let at = f64::from(tenths) / 10.0;
                let (place, anchor) = below(at.max(LEFT), label);
                let width = label.len() as f64 * LETTER_WIDTH;
                let end = if anchor == "end" {
                    place
                } else {
                    place + width / 2.0
                };
                assert!(end <= WIDTH && end - width >= 0.0, "{label} at {at}");
            }
            assert_eq!(below(RIGHT / 2.0, label), (RIGHT / 2.0, "middle"));
        }
    }

    /// Goal: ticks are round and lie on the axis.
    #[test]
    fn ticks_are_round() {
        let linear = Axis::across(0.0, 60.0, Scale::Linear);
        assert_eq!(linear.ticks(6), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        let narrow = Axis::up(1e6, 2e7, Scale::Logarithmic).ticks(8);
        let labels: Vec<_> = narrow.into_iter().map(time_label).collect();
        assert_eq!(labels, ["1 ms", "2 ms", "5 ms", "10 ms", "20 ms"]);
        let wide = Axis::up(1e4, 1e10, Scale::Logarithmic).ticks(8);
        assert_eq!(wide.len(), 7);
    }
}
