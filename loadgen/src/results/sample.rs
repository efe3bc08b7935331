//! A made-up run for the tests of every form of output: a second of warm-up, a steady load, one
//! stall in the middle.

use super::interval::Interval;
use super::model::asked::Parameters;
use super::model::counts::Counts;
use super::model::latency::Latency;
use super::model::slowest::{Laggard, Slowest};
use super::model::{
    Environment, Generator, PhaseName, Rates, Results, SCHEMA_VERSION, Sessions, Target, Window,
    Worker,
};

const RATE: u64 = 100;
const SUBSCRIBERS: u64 = 20;

/// A run with so many measured seconds, and its intervals.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(crate) fn run(seconds: u64) -> (Results, Vec<Interval>) {
    let intervals = intervals_of(seconds);
    let latency = latency_of(&intervals);
    let messages = seconds * RATE;
    let all = messages + RATE;
    let mut generator = Generator {
        workers: vec![Worker {
            sessions: SUBSCRIBERS + 1,
            received: messages * SUBSCRIBERS,
            cpu_ns: messages * SUBSCRIBERS * 800,
            cpu_share: 0.12,
            cq_overflows: 0,
        }],
        cpu_ns_per_received: 800.0,
        ..Generator::default()
    };
    generator.publish_lag_ns.record(60_000);
    let results = Results {
        schema_version: SCHEMA_VERSION,
        environment: Environment::gather(),
        command_line: vec!["fanload".to_owned(), "--rate".to_owned(), "100".to_owned()],
        target: target(),
        parameters: parameters(seconds),
        latency,
        counts: Counts {
            planned: all,
            sent: all,
            expected: all * SUBSCRIBERS,
            delivered: all * SUBSCRIBERS,
            acknowledged: all,
            ..Counts::default()
        },
        window: Window {
            length_ns: seconds * 1_000_000_000,
            planned: messages,
            sent: messages,
            completed: messages,
            delivered: messages * SUBSCRIBERS,
        },
        rates: Rates {
            planned: RATE as f64,
            sent: RATE as f64,
            achieved: RATE as f64,
            deliveries: (RATE * SUBSCRIBERS) as f64,
            payload_bytes: (RATE * SUBSCRIBERS * 64) as f64,
        },
        slowest: Slowest {
            sessions: vec![
                laggard(3, 2_000_000, 50_000_000),
                laggard(17, 1_500_000, 9_000_000),
            ],
            rooms: Vec::new(),
        },
        sessions: Sessions {
            opened: SUBSCRIBERS + 1,
            ..Sessions::default()
        },
        generator,
        ..Results::default()
    };
    (results, intervals)
}

fn laggard(session: u32, mean_ns: u64, max_ns: u64) -> Laggard {
    Laggard {
        session: Some(session),
        room: 0,
        deliveries: 1_800,
        mean_ns,
        max_ns,
    }
}

fn target() -> Target {
    Target {
        address: "127.0.0.1:9001".to_owned(),
        reached: vec!["127.0.0.1:9001".to_owned()],
        path: "/ws".to_owned(),
        protocol: "plain".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn parameters(seconds: u64) -> Parameters {
    Parameters {
        workload: "fanout".to_owned(),
        subscribers: u32::try_from(SUBSCRIBERS).unwrap(),
        publishers: 1,
        rooms: 1,
        rate: Some(RATE as f64),
        arrivals: "uniform".to_owned(),
        sizes_bytes: vec![64],
        duration_seconds: seconds as f64,
        warmup_seconds: 1.0,
        settle_seconds: 0.1,
        drain_seconds: 2.0,
        connect_in_flight: 256,
        protocol: "plain".to_owned(),
        workers: 1,
        ..Parameters::default()
    }
}

fn intervals_of(seconds: u64) -> Vec<Interval> {
    let mut connect = Interval {
        length_ns: 500_000_000,
        open: SUBSCRIBERS + 1,
        open_wanted: SUBSCRIBERS + 1,
        ..Interval::default()
    };
    for session in 0..=SUBSCRIBERS {
        connect.upgrade.record(300_000 + session * 40_000);
    }
    let mut random = fastrand::Rng::with_seed(1);
    let mut intervals = vec![connect];
    intervals.push(second(
        PhaseName::WarmUp,
        500_000_000,
        1_000_000,
        &mut random,
    ));
    for index in 0..seconds {
        let stall_ns = if index == seconds / 2 { 40_000_000 } else { 0 };
        let start_ns = (index + 1) * 1_000_000_000 + 500_000_000;
        let base_ns = 1_000_000 + stall_ns;
        intervals.push(second(PhaseName::Measure, start_ns, base_ns, &mut random));
    }
    intervals
}

fn latency_of(intervals: &[Interval]) -> Latency {
    let mut latency = Latency::default();
    latency.upgrade_ns.add(&intervals[0].upgrade);
    for interval in &intervals[2..] {
        latency.delivery_ns.add(&interval.delivery);
        latency.first_ns.add(&interval.completion);
        latency.median_ns.add(&interval.completion);
        latency.completion_ns.add(&interval.completion);
        latency.spread_ns.add(&interval.spread);
        latency.ack_ns.add(&interval.ack);
    }
    latency
}

fn second(phase: PhaseName, start_ns: u64, base_ns: u64, random: &mut fastrand::Rng) -> Interval {
    let mut interval = Interval {
        phase,
        start_ns,
        length_ns: 1_000_000_000,
        planned: RATE,
        sent: RATE,
        completed: RATE,
        delivered: RATE * SUBSCRIBERS,
        acknowledged: RATE,
        open: SUBSCRIBERS + 1,
        open_wanted: SUBSCRIBERS + 1,
        cpu_share: 0.12,
        ..Interval::default()
    };
    interval.publish_lag.record(60_000);
    for _ in 0..RATE {
        let first = base_ns + random.u64(..base_ns / 2);
        let mut last = first;
        for _ in 0..SUBSCRIBERS {
            let time = first + random.u64(..base_ns);
            match phase {
                PhaseName::WarmUp => interval.warmup.record(time),
                _ => interval.delivery.record(time),
            }
            last = last.max(time);
        }
        if phase == PhaseName::Measure {
            interval.ack.record(base_ns);
            interval.completion.record(last);
            interval.spread.record(last - first);
        }
    }
    interval
}
