//! The rooms of a run, by what they do for their members, and the settings that make them do so.

use std::time::Duration;

use fastrand::Rng;

use crate::support::chat::chronicle::Kept;
use crate::support::chat::room::{Announced, Rules};

/// Sorts of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// They have everything.
    Full,
    /// What is said there is kept for a moment.
    Brief,
    /// Little of it is kept.
    Small,
    /// Nobody hears of anybody there.
    Quiet,
    /// Nothing is kept.
    Bare,
    /// Who comes back gets the newest message.
    Cache,
}

/// All rooms of a run.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) rooms: Vec<(String, Rules)>,
    /// The settings that are for them; nothing on a playground.
    pub(crate) file: String,
    /// How long places of rooms are remembered.
    pub(crate) remembered: Duration,
}

const SORTS: [(Sort, &str); 6] = [
    (Sort::Full, ""),
    (Sort::Brief, "brief:"),
    (Sort::Small, "small:"),
    (Sort::Quiet, "quiet:"),
    (Sort::Bare, "bare:"),
    (Sort::Cache, "cache:"),
];

/// How long rooms remember where their histories stand, unless they are made to forget it soon.
const REMEMBERED: Duration = Duration::from_hours(720);

impl Names {
    /// So many rooms of a playground, which are all the same.
    pub(crate) fn playground(count: usize) -> Self {
        let kept = Kept {
            messages: 100,
            time: Duration::from_secs(300),
            recovered: u64::MAX,
        };
        let rules = Rules {
            kept: Some(kept),
            is_cache: false,
            has_presence: true,
            tells_clients: true,
            announced: Announced::All,
        };
        Self {
            rooms: (0..count)
                .map(|room| (format!("room{room}"), rules))
                .collect(),
            file: String::new(),
            remembered: REMEMBERED,
        }
    }

    /// Joins and leaves are told only where there are few.
    pub(crate) fn announce_some(&mut self) {
        for (_, rules) in &mut self.rooms {
            rules.announced = Announced::Some;
        }
    }

    /// So many rooms of all sorts.
    pub(crate) fn draw(count: usize, rng: &mut Rng) -> Self {
        let forgets = rng.u8(..3) == 0;
        let recovered = if rng.u8(..6) == 0 {
            rng.u64(5..40)
        } else {
            u64::MAX
        };
        let mut file = "[client]\ninsecure = true\n".to_owned();
        if recovered < u64::MAX {
            file += &format!("recovery_max_publication_limit = {recovered}\n");
        }
        let mut all = Vec::new();
        for (sort, prefix) in SORTS {
            let (messages, seconds) = sort.keeps(rng);
            file += &sort.section(prefix, messages, seconds);
            if forgets && messages > 0 {
                file += &format!("history_meta_ttl = \"{}s\"\n", seconds + 1);
            }
            let kept = Kept {
                messages,
                time: Duration::from_secs(seconds),
                recovered: if sort == Sort::Cache {
                    u64::MAX
                } else {
                    recovered
                },
            };
            let rules = Rules {
                kept: (messages > 0).then_some(kept),
                is_cache: sort == Sort::Cache,
                has_presence: sort != Sort::Quiet,
                tells_clients: sort != Sort::Quiet,
                announced: Announced::All,
            };
            all.push((prefix, rules));
        }
        let room = |number: usize| {
            let (prefix, rules) = match rng.bool() {
                true => all[0],
                false => all[rng.usize(..all.len())],
            };
            (format!("{prefix}room{number}"), rules)
        };
        Self {
            rooms: (0..count).map(room).collect(),
            file,
            remembered: if forgets {
                Duration::from_secs(1)
            } else {
                REMEMBERED
            },
        }
    }
}

impl Sort {
    /// How many messages are kept, and for how many seconds.
    fn keeps(self, rng: &mut Rng) -> (u64, u64) {
        match self {
            Self::Full | Self::Quiet => (100, 60),
            Self::Brief => (200, rng.u64(1..4)),
            Self::Small => (rng.u64(1..20), 60),
            Self::Bare => (0, 0),
            Self::Cache => (10, rng.u64(1..60)),
        }
    }

    /// The section of the settings.
    fn section(self, prefix: &str, messages: u64, seconds: u64) -> String {
        let mut section = match prefix.strip_suffix(':') {
            None => "[channel.without_namespace]\n".to_owned(),
            Some(name) => format!("[[channel.namespaces]]\nname = \"{name}\"\n"),
        };
        section += "allow_plain = true\n";
        if messages > 0 {
            section += &format!(
                "history_size = {messages}\nhistory_ttl = \"{seconds}s\"\nforce_recovery = true\n"
            );
        }
        if self == Self::Cache {
            section += "force_recovery_mode = \"cache\"\n";
        }
        if self != Self::Quiet {
            section += "presence = true\njoin_leave = true\nforce_push_join_leave = true\n";
        }
        section
    }
}
