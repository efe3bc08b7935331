//! A distribution of times: a histogram, and the form in which it is written to JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// Times are kept from 1 us with three digits.
const NS_MIN: u64 = 1_000;

/// No run is as long: warm-up, measurement and drain may take a day each. So no time is cut off. A minute
/// would do with 0.15 MB for each distribution instead of 0.25.
const NS_MAX: u64 = 280_000_000_000_000;

/// Times in nanoseconds. Its size in memory is fixed (0.25 MB), however much is recorded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution(pub(crate) Histogram<u64>);

/// The form in JSON: figures for readers, and the whole histogram for programs.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    /// Values recorded.
    count: u64,
    /// All figures in nanoseconds; zero when nothing was recorded.
    min: u64,
    mean: f64,
    stdev: f64,
    p50: u64,
    p75: u64,
    p90: u64,
    p95: u64,
    p99: u64,
    p99_9: u64,
    p99_99: u64,
    p99_999: u64,
    max: u64,
    /// The histogram in HdrHistogram's V2 deflate encoding, as base64.
    histogram: String,
}

impl Distribution {
    /// The value at a quantile between 0 and 1, in nanoseconds; 0 when nothing was recorded.
    pub(crate) fn at(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The mean, in nanoseconds; 0 when nothing was recorded.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no mean is negative, or more than the longest time"
    )]
    pub(crate) fn mean_ns(&self) -> u64 {
        self.0.mean() as u64
    }

    /// Whether nothing was recorded.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Records a time in nanoseconds.
    pub(crate) fn record(&mut self, ns: u64) {
        self.record_all(ns, 1);
    }

    /// Records the same time so many times.
    pub(crate) fn record_all(&mut self, ns: u64, count: u64) {
        self.0.saturating_record_n(ns, count);
    }

    /// Adds another distribution's values.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.0.add(&other.0).is_ok() {
            return;
        }
        // One that came from elsewhere may hold longer times than there are here.
        for step in other.0.iter_recorded() {
            self.record_all(step.value_iterated_to(), step.count_at_value());
        }
    }
}

impl Default for Distribution {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(NS_MIN, NS_MAX, 3);
        let mut histogram =
            histogram.unwrap_or_else(|error| unreachable!("constant bounds: {error:?}"));
        // Writes zeroes, so that its pages are there from the start and not one by one as values
        // spread: what a run needs is then known when it begins.
        histogram.clear();
        Self(histogram)
    }
}

impl Serialize for Distribution {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .map_err(serde::ser::Error::custom)?;
        let written = Written {
            count: self.0.len(),
            min: self.0.min(),
            mean: self.0.mean(),
            stdev: self.0.stdev(),
            p50: self.at(0.5),
            p75: self.at(0.75),
            p90: self.at(0.9),
            p95: self.at(0.95),
            p99: self.at(0.99),
            p99_9: self.at(0.999),
            p99_99: self.at(0.9999),
            p99_999: self.at(0.99999),
            max: self.0.max(),
            histogram: STANDARD.encode(bytes),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let written = Written::deserialize(deserializer)?;
        let bytes = STANDARD
            .decode(written.histogram)
            .map_err(D::Error::custom)?;
        let histogram = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| D::Error::custom(format!("not a histogram: {error}")))?;
        Ok(Self(histogram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a distribution survives JSON whole, and its figures can be read without the blob.
    #[test]
    fn distributions_survive_json() {
        let mut times = Distribution::default();
        for index in 1..=1_000u64 {
            times.record(index * 10_000);
        }
        times.record(u64::MAX);
        let json = serde_json::to_value(&times).unwrap();
        assert_eq!(json["count"], 1_001);
        let p50 = json["p50"].as_u64().unwrap();
        assert!(p50.abs_diff(5_010_000) < 10_000, "{p50}");
        assert!(json["histogram"].as_str().unwrap().starts_with("HISTFAAA"));
        let back: Distribution = serde_json::from_value(json).unwrap();
        assert_eq!(back, times);
    }

    /// Goal: a time as long as the longest run that can be asked for is kept as it is.
    #[test]
    fn long_times_are_not_cut_off() {
        let days = 3 * 86_400_000_000_000;
        for ns in [61_000_000_000, 3_600_000_000_000, days] {
            let mut times = Distribution::default();
            times.record(ns);
            let max = times.at(1.0);
            assert!(max.abs_diff(ns) <= ns / 1_000, "{max} for {ns}");
        }
    }

    /// Goal: the memory of a distribution is what is said of it.
    #[test]
    fn the_memory_is_as_told() {
        let kilobytes = Distribution::default().0.distinct_values() * 8 / 1_000;
        assert!((240..=250).contains(&kilobytes), "{kilobytes}");
    }

    /// Goal: an empty distribution is all zeroes, and a damaged one an error.
    #[test]
    fn odd_distributions_are_handled() {
        let empty = serde_json::to_value(Distribution::default()).unwrap();
        assert_eq!(
            (&empty["count"], &empty["max"], &empty["p50"]),
            (&0.into(), &0.into(), &0.into())
        );
        let mut damaged = empty.clone();
        damaged["histogram"] = "HISTFAAAAA==".into();
        assert!(serde_json::from_value::<Distribution>(damaged).is_err());
    }
}
