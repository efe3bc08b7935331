//! What was asked of a run: its load, and what it must hold.

use serde::{Deserialize, Serialize};

/// What was asked of a run. All of it has to be equal for a fair comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    /// `fanout`, `rooms`, `chat`, `idle`, `storm`, `churn` or `slow`.
    pub(crate) workload: String,
    /// Sessions that receive and are checked.
    pub(crate) subscribers: u32,
    /// Sessions that publish.
    pub(crate) publishers: u32,
    /// Rooms the sessions are spread over.
    pub(crate) rooms: u32,
    /// Messages a second over all publishers, or with stages before the first; none if closed loop.
    pub(crate) rate: Option<f64>,
    /// Stages of the rate; empty if it stays.
    pub(crate) stages: Vec<Stage>,
    /// Stages of the subscribers that come and go; empty if there are none.
    pub(crate) session_stages: Vec<Stage>,
    /// Messages kept outstanding, if closed loop.
    pub(crate) closed: Option<u32>,
    /// The shortest and the longest pause of a publisher in a closed loop; empty if there is none.
    pub(crate) think_seconds: Vec<f64>,
    /// `uniform` or `poisson`.
    pub(crate) arrivals: String,
    /// Sizes of messages that take turns, in bytes.
    pub(crate) sizes_bytes: Vec<u32>,
    /// Whether messages are binary rather than text.
    pub(crate) binary: bool,
    /// Seconds that are measured.
    pub(crate) duration_seconds: f64,
    /// Seconds of the same load before that.
    pub(crate) warmup_seconds: f64,
    /// Seconds between the last handshake and the first message.
    pub(crate) settle_seconds: f64,
    /// Seconds that the last deliveries are waited for.
    pub(crate) drain_seconds: f64,
    /// Connections opened a second; none if as fast as they go.
    pub(crate) connect_rate: Option<f64>,
    /// Connections that may be on their way to being open at once.
    pub(crate) connect_in_flight: u32,
    /// Joins and leaves a second (`churn`).
    pub(crate) churn_rate: Option<f64>,
    /// Messages in each room that all subscribers missed (`storm`).
    #[serde(default)]
    pub(crate) missed: u32,
    /// Percent of the subscribers that stop reading (`slow`).
    pub(crate) slow_percent: Option<f64>,
    /// Whether publishers are expected to get their own messages.
    pub(crate) self_delivery: bool,
    /// Percent of the sessions that were allowed to fail to open.
    #[serde(default)]
    pub(crate) allow_failures_percent: f64,
    /// How messages are published.
    pub(crate) protocol: String,
    /// What is said besides payloads: those flags as they were given, in their order. Without headers, which
    /// may hold secrets.
    pub(crate) dialogue: Vec<String>,
    /// Threads that drive the sessions.
    pub(crate) workers: u32,
    /// Processors they run on, in turns; empty if the system decides.
    pub(crate) pin: Vec<u64>,
}

/// A straight line to a target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stage {
    /// How long it takes.
    pub(crate) seconds: f64,
    /// What it leads to: messages a second, or sessions.
    pub(crate) target: f64,
}

/// A demand and its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slo {
    /// The demand as it was given, such as `p99=10ms,loss=0`.
    pub(crate) demand: String,
    /// Whether it held.
    pub(crate) held: bool,
    /// One sentence for each part that did not.
    pub(crate) misses: Vec<String>,
    /// Each part of it.
    pub(crate) parts: Vec<SloPart>,
}

/// One part of a demand and its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SloPart {
    /// The part as it was given, such as `p99=10ms`.
    pub(crate) demand: String,
    /// Whether it held.
    pub(crate) held: bool,
    /// What came of it, such as `it was 12.3ms`.
    pub(crate) was: String,
}
