//! How many take part in a run: rooms, subscribers, publishers, and how many of each there may be.

use anyhow::ensure;

use crate::books::inflight::InFlight;
use crate::books::payload::PUBLISHERS_MAX;
use crate::cli::{RunArgs, Workload};
use crate::load::layout::Layout;

/// The most subscriber and publisher pairs that are kept book of (16 bytes each).
const PAIRS_MAX: u64 = 1 << 24;

/// See the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    pub(super) rooms: u32,
    pub(super) subscribers: u32,
    pub(super) publishers: u32,
    /// How many of the subscribers stop reading.
    pub(super) slow: u32,
}

impl RunArgs {
    /// Rooms, subscribers and publishers, as the flags and the workload want them.
    ///
    /// # Errors
    /// One sentence that names the flag and what it takes.
    pub(super) fn crowd(&self, workload: Workload) -> anyhow::Result<Crowd> {
        ensure!(
            self.rooms.is_none() || workload != Workload::Echo,
            "--rooms: each session of --workload echo has a room of its own"
        );
        let rooms = self.rooms.unwrap_or(match workload {
            Workload::Rooms => 100,
            Workload::Echo => self.subscribers.unwrap_or(1000),
            _ => 1,
        });
        let members = match workload {
            Workload::Rooms => rooms.saturating_mul(self.members),
            _ => 1000,
        };
        let subscribers = self.idle.or(self.subscribers).unwrap_or(members);
        ensure!(
            subscribers > 0,
            "--subscribers (or --idle) must be at least 1"
        );
        ensure!(rooms > 0, "--rooms must be at least 1");
        let publishers = match workload {
            Workload::Idle => 0,
            Workload::Chat | Workload::Echo => subscribers,
            _ => self.publishers.unwrap_or(rooms),
        };
        let is_idle = workload == Workload::Idle;
        ensure!(publishers > 0 || is_idle, "--publishers must be at least 1");
        Ok(Crowd {
            rooms,
            subscribers,
            publishers,
            slow: match workload {
                Workload::Slow => share(subscribers, self.slow_percent)?,
                _ => 0,
            },
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a u32"
)]
fn share(subscribers: u32, percent: f64) -> anyhow::Result<u32> {
    ensure!(
        percent > 0.0 && percent < 100.0,
        "--slow-percent {percent}: want more than 0 and less than 100"
    );
    let slow = (f64::from(subscribers) * percent / 100.0).round() as u32;
    ensure!(
        subscribers > 1,
        "--workload slow needs at least 2 subscribers"
    );
    Ok(slow.clamp(1, subscribers - 1))
}

/// Checks that so many can be kept apart and book of; `closed` is how many messages are kept outstanding, if it is a
/// closed loop.
///
/// # Errors
/// One sentence that names the flag and what it takes.
pub(super) fn check(
    layout: &Layout,
    workload: Workload,
    closed: Option<u32>,
) -> anyhow::Result<()> {
    let is_idle = workload == Workload::Idle;
    let sessions =
        u64::from(layout.subscribers) + u64::from(layout.publishers) + u64::from(layout.churners);
    ensure!(
        sessions <= u64::from(fanring::ring::SLOT_MAX),
        "{sessions} sessions are more than one process can keep apart: at most {}",
        fanring::ring::SLOT_MAX
    );
    ensure!(
        layout.publishers < PUBLISHERS_MAX,
        "--publishers {}: want less than {PUBLISHERS_MAX}",
        layout.publishers
    );
    for (flag, count) in [
        ("--subscribers", layout.subscribers),
        ("--publishers", layout.publishers),
    ] {
        ensure!(
            layout.rooms <= count || is_idle,
            "{flag} {count}: want at least one for each of the {} rooms",
            layout.rooms
        );
    }
    if let Some(outstanding) = closed {
        let share = u32::try_from(InFlight::share(layout.publishers));
        let most = share
            .expect("65536 slots at most")
            .saturating_mul(layout.publishers);
        ensure!(
            (layout.publishers..=most).contains(&outstanding) || is_idle,
            "--closed {outstanding}: want {} (one for each publisher) to {most} (what can be \
             followed)",
            layout.publishers
        );
    }
    let pairs = layout.pairs();
    ensure!(
        pairs <= PAIRS_MAX,
        "{pairs} pairs of subscriber and publisher are over the limit of {PAIRS_MAX}: use fewer"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;
    use crate::cli::settings::Settings;

    fn check(flags: &str) -> Result<Settings, String> {
        let all = ["fanload"].into_iter().chain(flags.split_whitespace());
        let cli = Cli::try_parse_from(all).map_err(|error| error.to_string())?;
        cli.run.check().map_err(|error| format!("{error:#}"))
    }

    /// Goal: a crowd that there can't be is refused with a sentence that says what would do.
    #[test]
    fn odd_crowds_name_the_fix() {
        for (flags, fix) in [
            ("--publishers 0", "at least 1"),
            ("--subscribers 0", "at least 1"),
            ("--rooms 0", "at least 1"),
            ("--closed 0", "want 1 (one for each"),
            ("--closed 3 --publishers 4", "want 4"),
            ("--closed 65537", "to 65536"),
            ("--workload echo --rooms 3", "a room of its own"),
            ("--rooms 5 --publishers 4", "each of the 5 rooms"),
            ("--rooms 5 --subscribers 4", "each of the 5 rooms"),
            ("--subscribers 100000 --publishers 1000", "over the limit"),
            ("--workload slow --subscribers 1", "at least 2"),
            ("--workload slow --slow-percent 100", "less than 100"),
        ] {
            let error = check(flags).unwrap_err();
            assert!(error.contains(fix), "{flags}: {error}");
        }
    }

    /// Goal: each workload has the sessions it says, and the defaults are a run.
    #[test]
    fn workloads_have_their_sessions() {
        let settings = |flags: &str| check(flags).unwrap();
        let idle = settings("--idle 10");
        let found = (idle.subscribers, idle.publishers, idle.is_idle());
        assert_eq!(found, (10, 0, true));
        let load = settings("");
        let found = (load.layout().sessions(), load.sizes.clone());
        assert_eq!(found, (1001, vec![64]));
        let rooms = settings("--workload rooms --rooms 20 --members 3");
        assert_eq!((rooms.subscribers, rooms.publishers), (60, 20));
        assert_eq!(rooms.speech.upgrade.path(), "/ws/{room}?presence=0");
        let chat = settings("--workload chat --subscribers 9");
        assert_eq!((chat.publishers, chat.layout().sessions()), (9, 9));
        let echo = settings("--protocol echo --subscribers 9 --in-flight 4");
        assert_eq!((echo.publishers, echo.rooms, echo.closed), (9, 9, Some(36)));
        assert!(echo.layout().self_delivery && echo.layout().sessions() == 9);
        assert_eq!(settings("--workload slow --subscribers 40").slow, 2);
    }
}
