//! Flags. What they mean together is checked in [`settings`].

pub(crate) mod agents;
mod crowd;
pub(crate) mod dialogue;
pub(crate) mod over;
pub(crate) mod pace;
pub(crate) mod presets;
mod reach;
pub(crate) mod redact;
pub(crate) mod settings;
pub(crate) mod slo;
pub(crate) mod target;

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::agents::{AgentArgs, CrewArgs};
use self::dialogue::DialogueArgs;
use self::over::Over;
use self::reach::ReachArgs;
use crate::load::plan::Arrivals;
use crate::load::span::{milliseconds, seconds};
use crate::load::stages::Stages;
use crate::load::think::Think;
use crate::results::compare::CompareArgs;
use crate::results::files::OutputArgs;

/// Drives a WebSocket broadcast server and measures its fan-out.
///
/// Opens all sessions, publishes on a fixed plan, and checks that every subscriber gets every message
/// exactly once and in order. Latency runs from the time a message was due, so that a
/// stall of the server counts for all messages it holds up.
///
/// Ctrl-C ends a run early and still writes what was measured; a second one ends the program.
///
/// Exit codes: 0 all well; 1 the run could not be made; 2 the generator, not the server, was the
/// limit or the run was interrupted, so the figures mean nothing; 3 messages were lost, too late, repeated, out of order or
/// damaged, or sessions could not be opened or were closed; 99 the objective (--slo) was missed.
#[derive(Debug, Parser)]
#[command(
    name = "fanload",
    version,
    verbatim_doc_comment,
    args_conflicts_with_subcommands = true,
    args_override_self = true,
    allow_negative_numbers = true,
    after_help = presets::help()
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What to do besides a plain run.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find the highest --rate, or the most --subscribers or --rooms, with which --slo holds.
    ///
    /// Begins with what is given and doubles it until the objective is missed, then halves the gap until
    /// it is as narrow as --precision asks for. Near the edge, what two of at most three runs agree on
    /// counts. Each run is told of in a line, and in the end which of them decided. If files are asked for
    /// (--json and so on), what was found is run once more to write them.
    ///
    /// Exit codes: 0 found; 1 a run could not be made; 2 the generator or --max was the limit, so the
    /// server's may be higher; 99 nothing holds.
    #[command(args_override_self = true, allow_negative_numbers = true, after_help = presets::help())]
    FindMax(Box<FindMaxArgs>),
    Compare(CompareArgs),
    Agent(AgentArgs),
}

/// A search for the most that holds. Files are written by one more run, with what was found.
#[derive(Debug, Args)]
pub(crate) struct FindMaxArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// What is looked for. With rooms, each has --members, and --rate grows with their number.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) over: Over,
    /// Value above which the search does not go. [default: 1000000 messages a second, or as many sessions
    /// as this process may open, or all of --processes together; of agents nobody knows here]
    #[arg(long, value_name = "N", alias = "rate-max")]
    pub(crate) max: Option<f64>,
    /// How close the answer must be, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    pub(crate) precision: f64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What the sessions do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Publishers of their own, and subscribers, in one room or several.
    #[default]
    Fanout,
    /// Many rooms of --members, each with a publisher.
    Rooms,
    /// Every subscriber publishes too.
    Chat,
    /// Sessions are opened and held; nothing is published.
    Idle,
    /// Everybody is dropped and reconnects at once; then fan-out.
    Storm,
    /// Sessions join and leave during fan-out.
    Churn,
    /// Some of the subscribers stop reading.
    Slow,
    /// Everybody is alone in a room and gets what it says back (--in-flight).
    Echo,
}

/// A run.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// Named set of flags, listed at the end; flags that are given as well take precedence.
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Vec<String>,
    /// Server to connect to, as HOST:PORT or as a URL: ws://HOST:PORT/PATH, wss://HOST/PATH. May be given several times,
    /// for servers that are separate: rooms take turns over them, and idle sessions.
    #[arg(long, value_name = "TARGET", default_value = "127.0.0.1:9001")]
    pub(crate) target: Vec<String>,
    /// Path and query of the upgrade request; {room} and {i} stand for the numbers of room and
    /// session, and {run} for what no other run has. A path in the URL of --target counts more. [default: /ws?presence=0, or
    /// /ws/{room}?presence=0 with several rooms, and / with a URL]
    #[arg(long)]
    pub(crate) path: Option<String>,
    /// What the sessions do.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) workload: Workload,
    /// Sessions that receive and are checked. [default: 1000, or --rooms times --members]
    #[arg(long, value_name = "N")]
    pub(crate) subscribers: Option<u32>,
    /// Further sessions that publish. [default: one for each room]
    #[arg(long, value_name = "N")]
    pub(crate) publishers: Option<u32>,
    /// Rooms the sessions are spread over. [default: 1, or 100 with --workload rooms]
    #[arg(long, value_name = "N")]
    pub(crate) rooms: Option<u32>,
    /// Subscribers of each room, with --workload rooms.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) members: u32,
    /// Messages a second, over all publishers together. [default: 60, or 0 to begin --stages with; echoes
    /// keep --in-flight instead]
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<f64>,
    /// How they are spread over time.
    #[arg(long, value_enum, default_value_t = Arrivals::Uniform)]
    pub(crate) arrivals: Arrivals,
    /// How the rate changes while it is measured, in straight lines from one target to the next, such as
    /// 30s:100,2m:1000,30s:0. It begins at --rate, or at 0 if that is not given, which is also the rate of
    /// the warm-up. Instead of --duration.
    #[arg(long, value_name = "TIME:RATE,...", conflicts_with = "duration")]
    pub(crate) stages: Option<Stages>,
    /// Further subscribers that come and go: how many of them there are while it is measured, as --stages
    /// has it, from none on. The first to come are the last to go.
    #[arg(long, value_name = "TIME:SESSIONS,...")]
    pub(crate) session_stages: Option<Stages>,
    /// Instead of a rate: keep this many messages outstanding, shared by the publishers.
    #[arg(long, value_name = "N")]
    pub(crate) closed: Option<u32>,
    /// With --closed, the pause of a publisher between the completion of one message and the next, such as
    /// 1s..3s or 2s; the first message comes after one, too.
    #[arg(long, value_name = "TIME[..TIME]")]
    pub(crate) think: Option<Think>,
    /// Messages that each session keeps outstanding, with --workload echo. [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) in_flight: Option<u32>,
    /// Payload of each message, in bytes; several sizes, with commas, take turns.
    #[arg(long, value_name = "BYTES", default_value = "64")]
    pub(crate) size: List<u32>,
    /// Publish binary messages instead of text.
    #[arg(long)]
    pub(crate) binary: bool,
    /// Time that is measured. All times take us, ms, s, m and h; a plain number is seconds. [default: 10s,
    /// or what stages take]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
    /// Time of the same load before that; checked, but not measured.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = seconds)]
    pub(crate) warmup: Duration,
    /// Time between the last handshake and the first message.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = seconds)]
    pub(crate) settle: Duration,
    /// Time to wait for the last deliveries; what has not come then is outstanding.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = seconds)]
    pub(crate) drain: Duration,
    /// Connections to open each second; as fast as they go if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connect_rate: Option<u32>,
    /// Connections that may be on their way to being open at once.
    #[arg(long, value_name = "N", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connect_in_flight: u32,
    /// Time in which all sessions must be open.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = seconds)]
    pub(crate) connect_timeout: Duration,
    /// Sessions that join, and leave, each second, with --workload churn.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) churn_rate: u32,
    /// Messages that are published in each room while all subscribers are away, with --workload storm: whoever comes back is
    /// to be given them. For protocols that do so (--protocol centrifugo --set recover=yes).
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) missed: u32,
    /// Percent of the subscribers that stop reading, with --workload slow.
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    pub(crate) slow_percent: f64,
    /// Instead of a load: open this many sessions that stay idle (--workload idle).
    #[arg(long, value_name = "N")]
    pub(crate) idle: Option<u32>,
    /// Time for which idle sessions are held before the memory is read.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = seconds)]
    pub(crate) hold: Duration,
    /// The server sends a message to its publisher too.
    #[arg(long)]
    pub(crate) self_delivery: bool,
    /// Address to connect from; several take turns. On loopback, addresses of 127.0.0.0/8 do.
    #[arg(long, value_name = "IP")]
    pub(crate) source_ip: Vec<IpAddr>,
    /// Threads that drive the sessions.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) workers: u32,
    /// Processors to run on, with commas; workers take turns.
    #[arg(long, value_name = "CPU")]
    pub(crate) pin: Option<List<usize>>,
    /// What publishing may lag (99th percentile) before the run is invalid; a plain number is milliseconds.
    #[arg(long, value_name = "TIME", default_value = "5ms", value_parser = milliseconds)]
    pub(crate) lag_max: Duration,
    /// What the run must hold, such as p99=10ms,loss=0; see docs/LOADGEN.md.
    #[arg(long, value_name = "DEMAND")]
    pub(crate) slo: Option<String>,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
    #[command(flatten)]
    pub(crate) dialogue: DialogueArgs,
    #[command(flatten)]
    pub(crate) crew: CrewArgs,
}

/// Numbers with commas between them.
#[derive(Clone, Debug)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T: FromStr> FromStr for List<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split(',').map(str::parse).collect::<Result<_, _>>();
        let wrong = |_| "want a number, or several with commas".to_owned();
        numbers.map(Self).map_err(wrong)
    }
}
