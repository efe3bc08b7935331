//! What changes over time by stages, such as `30s:100,2m:1000,30s:0`: in straight lines from one target
//! to the next.

use std::str::FromStr;
use std::time::Duration;

use crate::load::span;

/// The most stages there may be.
const STAGES_MAX: usize = 1_000;

/// One stage: how long it takes to get where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stage {
    pub(crate) length: Duration,
    pub(crate) target: f64,
}

/// Stages in their order; none if nothing changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stages(pub(crate) Vec<Stage>);

/// A straight piece of what changes; times are seconds from the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) start_s: f64,
    pub(crate) length_s: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Stages {
    /// How long all of them take.
    pub(crate) fn length(&self) -> Duration {
        self.0.iter().map(|stage| stage.length).sum()
    }

    /// The highest target.
    pub(crate) fn highest(&self) -> f64 {
        self.0.iter().map(|stage| stage.target).fold(0.0, f64::max)
    }

    /// The pieces they make, beginning with a value after some time.
    pub(crate) fn pieces(&self, from: f64, after: Duration) -> impl Iterator<Item = Piece> {
        let (mut start, mut from) = (after, from);
        self.0.iter().map(move |stage| {
            let piece = Piece {
                start_s: start.as_secs_f64(),
                length_s: stage.length.as_secs_f64(),
                from,
                to: stage.target,
            };
            start += stage.length;
            from = stage.target;
            piece
        })
    }
}

impl FromStr for Stages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let stages = text.split(',').map(|part| {
            let about = || format!("{part:?}: want TIME:NUMBER, such as 30s:100");
            let (length, target) = part.split_once(':').ok_or_else(about)?;
            let length = span::seconds(length).map_err(|error| format!("{part:?}: {error}"))?;
            match target.parse::<f64>() {
                Ok(target) if target >= 0.0 && target.is_finite() => Ok(Stage { length, target }),
                _ => Err(about()),
            }
        });
        let stages = Self(stages.collect::<Result<_, String>>()?);
        if stages.0.len() > STAGES_MAX {
            return Err(format!("want at most {STAGES_MAX} stages"));
        }
        if stages.length().is_zero() {
            return Err("want stages that take some time".to_owned());
        }
        Ok(stages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: stages are read with their times and targets, and each begins where the last one ended.
    #[test]
    fn stages_follow_each_other() {
        let stages: Stages = "30s:100,2m:1000,0s:5.5,500ms:0".parse().unwrap();
        assert_eq!(stages.length(), Duration::from_millis(150_500));
        assert_eq!(stages.highest(), 1_000.0);
        let pieces: Vec<_> = stages.pieces(7.0, Duration::from_secs(2)).collect();
        let (first, last) = (pieces[0], pieces[3]);
        assert_eq!((first.start_s, first.length_s), (2.0, 30.0));
        assert_eq!((first.from, first.to), (7.0, 100.0));
        assert_eq!((last.start_s, last.length_s), (152.0, 0.5));
        assert_eq!((last.from, last.to), (5.5, 0.0));
    }

    /// Goal: what are no stages is refused with what is wanted.
    #[test]
    fn others_are_refused() {
        for text in ["", "10s", "10s:", "10s:-1", "10s:inf", "10s:1,", "10s:many"] {
            let error = text.parse::<Stages>().unwrap_err();
            assert!(error.contains("want TIME:NUMBER"), "{text}: {error}");
        }
        let error = "soon:5".parse::<Stages>().unwrap_err();
        assert!(
            error.contains("soon:5") && error.contains("want a time"),
            "{error}"
        );
        assert!("0s:5".parse::<Stages>().unwrap_err().contains("some time"));
        let many = vec!["1s:1"; STAGES_MAX + 1].join(",");
        assert!(many.parse::<Stages>().unwrap_err().contains("at most 1000"));
    }
}
