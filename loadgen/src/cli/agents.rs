//! Flags for runs over several processes and machines.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::load::span::seconds;

/// The shortest silence that means something: each side is asked every second.
const SILENCE_MIN: Duration = Duration::from_secs(2);

/// Flags of whoever leads.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Several machines")]
pub(crate) struct CrewArgs {
    /// Agents that drive the sessions instead of this process, as HOST:PORT with commas; sessions take turns over them.
    /// Each is a `fanload agent`.
    #[arg(long, value_name = "HOST:PORT,...", value_delimiter = ',')]
    pub(crate) agents: Vec<String>,
    /// File with the token that the agents have too, of 16 characters at least; else FANLOAD_TOKEN of the environment.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Processes on this machine that share the sessions. [default: as many as the limit on descriptors asks for]
    #[arg(long, value_name = "N", conflicts_with = "agents",
          value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) processes: Option<u32>,
    /// How long an agent may say nothing before it counts as lost.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = silence)]
    pub(crate) silence_max: Duration,
}

/// Drive sessions for a run that is led by another `fanload` with --agents.
///
/// Whoever leads must have the same token. The two prove it to each other; what they say afterwards is not encrypted,
/// so that a network that others use is to be crossed in a tunnel. One run is made at a time; it ends when its leader
/// has gone.
#[derive(Args, Clone, Debug)]
#[command(args_override_self = true)]
pub(crate) struct AgentArgs {
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9500")]
    pub(crate) listen: String,
    /// Server that may be driven, as --target names it. May be given several times; all others are refused.
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "child")]
    pub(crate) allow_target: Vec<String>,
    /// File with the token, of 16 characters at least; else FANLOAD_TOKEN of the environment.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The most sessions of a run that are driven here. [default: as many as the limit on descriptors allows]
    #[arg(long, value_name = "N")]
    pub(crate) sessions_max: Option<u32>,
    /// The longest that a run may take, with all its phases.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    pub(crate) duration_max: Duration,
    /// How long the leader of a run may say nothing before it counts as gone.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = silence)]
    pub(crate) silence_max: Duration,
    /// Runs may read this machine's files and environment: --vars, --ca, @FILE and {env:NAME}.
    #[arg(long)]
    pub(crate) allow_files: bool,
    /// Serve the process that started this one over standard input.
    #[arg(long, hide = true)]
    pub(crate) child: bool,
}

/// Reads how long somebody may be silent.
fn silence(text: &str) -> Result<Duration, String> {
    let silence = seconds(text)?;
    match silence >= SILENCE_MIN {
        true => Ok(silence),
        false => Err(format!(
            "want at least {SILENCE_MIN:?}, since each side is asked every second"
        )),
    }
}
