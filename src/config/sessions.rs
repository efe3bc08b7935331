//! How sessions and rooms behave: silence, slowness, who is told of whom.

use std::time::Duration;

use super::setting::{Asked, Preset, Refusal, Section, Setting, Shape};
use super::units::ValueError;
use super::{Config, SlowConsumer};

pub(super) const SECTION: Section = Section {
    heading: "Sessions and rooms",
    settings: &[
        SLOW_CONSUMER,
        PING_INTERVAL,
        IDLE_TIMEOUT,
        PRESENCE_MEMBERS_MAX,
        SPREAD_MEMBERS_MIN,
    ],
};

const SLOW_CONSUMER: Setting = Setting {
    name: "slow_consumer",
    shape: Shape::One("close|skip"),
    help: "What becomes of a slow consumer: close ends it with 4001, skip tells it what it missed \
           and goes on at the newest message",
    default: Preset::Word("close"),
    rule: |asked, config| {
        let policy = asked.one(|text| match text {
            "close" => Ok(SlowConsumer::Close),
            "skip" => Ok(SlowConsumer::Skip),
            _ => Err(ValueError::Word("close or skip")),
        })?;
        config.slow_consumer = policy.unwrap_or(config.slow_consumer);
        Ok(())
    },
};

const PING_INTERVAL: Setting = Setting {
    name: "ping_interval",
    shape: Shape::One("DURATION"),
    help: "Silence after which a session is sent a ping, like 500ms, 20s or 1m",
    default: Preset::Time(PING_INTERVAL_DEFAULT),
    rule: |asked, config| {
        config.ping_interval = asked.duration_above_zero()?.unwrap_or(config.ping_interval);
        Ok(())
    },
};

pub(super) const PING_INTERVAL_DEFAULT: Duration = Duration::from_secs(20);

const IDLE_TIMEOUT: Setting = Setting {
    name: "idle_timeout",
    shape: Shape::One("DURATION"),
    help: "Silence after which a session is closed; longer than --ping-interval",
    default: Preset::Time(IDLE_TIMEOUT_DEFAULT),
    rule: idle_timeout,
};

pub(super) const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// A session must be pinged, and have time to answer, before it is given up.
fn idle_timeout(asked: &mut Asked<'_>, config: &mut Config) -> Result<(), Refusal> {
    let ping_interval = config.ping_interval;
    let idle_timeout = asked.duration_above_zero()?.unwrap_or(config.idle_timeout);
    if idle_timeout <= ping_interval {
        if asked.given().is_some() {
            return asked.refuse(format!(
                "which is not longer than ping_interval ({ping_interval:?}); raise it or lower \
                 --ping-interval"
            ));
        }
        let ping = asked.given_for(&PING_INTERVAL);
        return Err(Refusal::limit(
            ping.expect("the defaults keep this rule"),
            format!(
                "which is not shorter than idle_timeout ({idle_timeout:?}); lower it or raise \
                 --idle-timeout"
            ),
        ));
    }
    config.idle_timeout = idle_timeout;
    Ok(())
}

const PRESENCE_MEMBERS_MAX: Setting = Setting {
    name: "presence_members_max",
    shape: Shape::One("COUNT"),
    help: "Members up to which a room announces each join and leave; above it only their number, \
           at most once a second",
    default: Preset::Count(PRESENCE_MEMBERS_MAX_DEFAULT),
    rule: |asked, config| {
        config.presence_members_max = asked.count()?.unwrap_or(config.presence_members_max);
        Ok(())
    },
};

pub(super) const PRESENCE_MEMBERS_MAX_DEFAULT: usize = 2_000;

const SPREAD_MEMBERS_MIN: Setting = Setting {
    name: "spread_members_min",
    shape: Shape::One("COUNT"),
    help: "Members from which a room spreads over all shards",
    default: Preset::Count(SPREAD_MEMBERS_MIN_DEFAULT),
    rule: |asked, config| {
        config.spread_members_min = asked.count()?.unwrap_or(config.spread_members_min);
        Ok(())
    },
};

pub(super) const SPREAD_MEMBERS_MIN_DEFAULT: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::SlowConsumer;
    use crate::config::testing::{accepts, refuses};

    /// Goal: both words are known, and no other.
    #[test]
    fn slow_consumer() {
        let policy = |text| accepts(&[("slow_consumer", text)]).slow_consumer;
        assert_eq!(policy("skip"), SlowConsumer::Skip);
        assert_eq!(policy("close"), SlowConsumer::Close);
        refuses(
            &[("slow_consumer", "wait")],
            "slow_consumer is `wait`, which is not known: write close or skip",
        );
    }

    /// Goal: a ping comes after some time, of at most a day.
    #[test]
    fn ping_interval() {
        let config = accepts(&[("ping_interval", "500ms")]);
        assert_eq!(config.ping_interval, Duration::from_millis(500));
        for (text, expected) in [
            ("20", "has no unit: write 20s for seconds or 20ms"),
            (
                "0s",
                "ping_interval is 0s, which is no time at all; the default is 20s",
            ),
            ("25h", "more than a day; write 24h or less"),
        ] {
            refuses(&[("ping_interval", text)], expected);
        }
    }

    /// Goal: a session is pinged before it is given up, and the sentence is about what was written.
    #[test]
    fn idle_timeout() {
        let config = accepts(&[("ping_interval", "1m"), ("idle_timeout", "61s")]);
        assert_eq!(config.idle_timeout, Duration::from_secs(61));
        refuses(
            &[("idle_timeout", "20s")],
            "idle_timeout is 20s, which is not longer than ping_interval (20s); raise it or lower --ping",
        );
        refuses(
            &[("ping_interval", "60s")],
            "ping_interval is 60s, which is not shorter than idle_timeout (60s); lower it or raise --idle",
        );
        refuses(
            &[("ping_interval", "2m"), ("idle_timeout", "90s")],
            "idle_timeout is 90s, which is not longer than ping_interval (120s)",
        );
        refuses(
            &[("idle_timeout", "soon")],
            "not a duration: write a number with its unit",
        );
        refuses(
            &[("idle_timeout", "0s")],
            "no time at all; the default is 60s",
        );
    }

    /// Goal: numbers of members are numbers, and at least 1.
    #[test]
    fn presence_members_max_and_spread_members_min() {
        let config = accepts(&[("presence_members_max", "5"), ("spread_members_min", "6")]);
        assert_eq!(
            (config.presence_members_max, config.spread_members_min),
            (5, 6)
        );
        for (name, text, expected) in [
            (
                "presence_members_max",
                "0",
                "must be at least 1; the default is 2000",
            ),
            (
                "spread_members_min",
                "0",
                "must be at least 1; the default is 64",
            ),
            (
                "spread_members_min",
                "x",
                "not a count: write a whole number like 1000",
            ),
        ] {
            refuses(&[(name, text)], expected);
        }
    }
}
