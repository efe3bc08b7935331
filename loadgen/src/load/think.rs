//! How long a publisher of a closed loop waits between the completion of one message and the next
//! (`--think`).

use std::str::FromStr;
use std::time::Duration;

use fastrand::Rng;

use crate::load::plan::nanoseconds;
use crate::load::span;

/// The shortest and the longest pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Think {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

impl FromStr for Think {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let (least, most) = (span::seconds(least)?, span::seconds(most)?);
        match least <= most {
            true => Ok(Self { least, most }),
            false => Err("want the shorter pause first, such as 1s..3s".to_owned()),
        }
    }
}

/// The pauses of one publisher: all lengths between shortest and longest are equally likely, and the same
/// in every run.
#[derive(Clone, Debug)]
pub(crate) struct Pauses {
    least_ns: u64,
    most_ns: u64,
    random: Rng,
}

impl Pauses {
    pub(crate) fn new(think: Think, publisher: u32) -> Self {
        Self {
            least_ns: nanoseconds(think.least),
            most_ns: nanoseconds(think.most),
            random: Rng::with_seed(0x7468_696e_6b00_0000 ^ u64::from(publisher) << 20),
        }
    }

    /// The next pause, in nanoseconds.
    pub(crate) fn draw_ns(&mut self) -> u64 {
        self.random.u64(self.least_ns..=self.most_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: pauses lie between shortest and longest, on both sides of the middle, and are the same in
    /// every run.
    #[test]
    fn pauses_are_in_their_range() {
        let think: Think = "1s..3s".parse().unwrap();
        let draw = |publisher| -> Vec<_> {
            let mut pauses = Pauses::new(think, publisher);
            (0..1_000).map(|_| pauses.draw_ns()).collect()
        };
        let pauses = draw(0);
        assert!(
            pauses
                .iter()
                .all(|pause| (1_000_000_000..=3_000_000_000).contains(pause))
        );
        let mean = pauses.iter().sum::<u64>() / 1_000;
        assert!(mean.abs_diff(2_000_000_000) < 60_000_000, "{mean}");
        assert_eq!(draw(0), pauses);
        assert_ne!(draw(1), pauses);
        let one: Think = "500ms".parse().unwrap();
        assert_eq!(Pauses::new(one, 0).draw_ns(), 500_000_000);
    }

    /// Goal: what is no range is refused with what is wanted.
    #[test]
    fn others_are_refused() {
        assert!(
            "3s..1s"
                .parse::<Think>()
                .unwrap_err()
                .contains("shorter pause first")
        );
        assert!(
            "1s..soon"
                .parse::<Think>()
                .unwrap_err()
                .contains("want a time")
        );
        assert!("..".parse::<Think>().is_err());
    }
}
