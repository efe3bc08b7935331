//! An interval log in HdrHistogram's format 1.3: a line for each interval and series, with the
//! histogram in V2 deflate encoding. Read by HistogramLogAnalyzer and HistogramLogProcessor.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use super::distribution::Distribution;
use super::interval::Interval;
use super::units::{ms, seconds};

/// Writes the log as the run goes; keeps nothing of it.
pub(crate) struct IntervalLog<W> {
    out: W,
    serializer: V2DeflateSerializer,
    bytes: Vec<u8>,
}

impl<W: Write> IntervalLog<W> {
    /// Begins a log with its header. `started_unix_ms` is when the run began; the log's timestamps
    /// count from there.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn begin(mut out: W, started_unix_ms: u64) -> io::Result<Self> {
        let (whole, part) = (started_unix_ms / 1_000, started_unix_ms % 1_000);
        writeln!(
            out,
            "#[Logged by fanload {}; values in nanoseconds; tags: upgrade, warmup, delivery, \
             completion, spread, ack]\n\
             #[Histogram log format version 1.3]\n\
             #[StartTime: {whole}.{part:03} (seconds since epoch)]\n\
             #[BaseTime: {whole}.{part:03} (seconds since epoch)]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"",
            env!("CARGO_PKG_VERSION"),
        )?;
        Ok(Self {
            out,
            serializer: V2DeflateSerializer::new(),
            bytes: Vec::new(),
        })
    }

    /// Appends the series of an interval that are not empty. Deliveries of the warm-up have a tag
    /// of their own, so that those tagged `delivery` add up to the measured ones.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn append(&mut self, interval: &Interval) -> io::Result<()> {
        let mut series = interval.series().into_iter();
        series.try_for_each(|(tag, times)| self.line(tag, times, interval))
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn line(&mut self, tag: &str, times: &Distribution, interval: &Interval) -> io::Result<()> {
        if times.is_empty() {
            return Ok(());
        }
        self.bytes.clear();
        self.serializer
            .serialize(&times.0, &mut self.bytes)
            .map_err(io::Error::other)?;
        writeln!(
            self.out,
            "Tag={tag},{:.3},{:.3},{:.3},{}",
            seconds(interval.start_ns),
            seconds(interval.length_ns),
            ms(times.0.max()),
            STANDARD.encode(&self.bytes)
        )
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::results::sample;

    /// Goal: the crate's own parser reads the log back, and what is tagged `delivery` adds up to
    /// the measured distribution.
    #[test]
    fn the_log_is_read_back() {
        let (results, intervals) = sample::run(20);
        let mut bytes = Vec::new();
        let mut log = IntervalLog::begin(&mut bytes, 1_700_000_000_250).unwrap();
        for interval in &intervals {
            log.append(interval).unwrap();
        }
        log.flush().unwrap();
        let mut sum = Distribution::default();
        let mut start = None;
        for entry in IntervalLogIterator::new(&bytes) {
            match entry.unwrap() {
                LogEntry::StartTime(time) => start = Some(time.as_millis()),
                LogEntry::Interval(line) if line.tag().unwrap().as_str() == "delivery" => {
                    let blob = STANDARD.decode(line.encoded_histogram()).unwrap();
                    let histogram: Histogram<u64> = Deserializer::new()
                        .deserialize(&mut blob.as_slice())
                        .unwrap();
                    sum.0.add(histogram).unwrap();
                }
                _ => {}
            }
        }
        assert_eq!(start, Some(1_700_000_000_250));
        assert_eq!(sum, results.latency.delivery_ns);
    }
}
