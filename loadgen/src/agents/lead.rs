//! Runs over several processes: reaches the agents, or starts processes here, and makes one result of what all found.

use std::ffi::OsString;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use socket2::Socket;

use super::agent::{GREETING_TIME, Within};
use super::frame::{self, GREETING_BYTES_MAX};
use super::link::Link;
use super::member::{Hub, Joined, Member, Offset};
use super::orders::{Greeting, Order, Report};
use super::token::{Side, Token, nonce};
use crate::books::done::Joiner;
use crate::books::run::RunBooks;
use crate::cli::settings::Settings;
use crate::cli::{Workload, presets};
use crate::load::crew::Crew;
use crate::results::interval::Observer;
use crate::results::model::Results;
use crate::results::model::agents::Machines;
use crate::run::engine::{self, conduct};
use crate::run::interrupt::Interrupt;
use crate::run::machine::sessions_max;
use crate::run::summary::summarize;
use crate::shared::post::{Post, random_run};
use crate::shared::{Shared, lock};

/// The most processes of a run.
const PROCESSES_MAX: u64 = 64;

/// Makes a run, in this process or with others as the settings want it. Those others are told the flags of this
/// program, and `flags` behind them, which make the settings what they are if they differ.
///
/// # Errors
/// One sentence, when the run can't be made.
pub(crate) fn measure(
    settings: &Settings,
    flags: &[String],
    interrupt: &Interrupt,
    observer: &mut dyn Observer,
) -> anyhow::Result<Results> {
    let processes = processes(settings)?;
    if processes == 1 && settings.crew.agents.is_empty() {
        return engine::measure(settings, interrupt, observer);
    }
    ensure!(
        processes == 1 || settings.closed.is_none() || settings.workload == Workload::Echo,
        "--closed is for one process: with several, what was complete would be known too late; use --rate"
    );
    let arguments = presets::expand(std::env::args_os().collect()).map_err(|why| anyhow!(why))?;
    let arguments = [texts(arguments)?, flags.to_vec()].concat();
    let mut members = match settings.crew.agents.is_empty() {
        true => (0..processes)
            .map(|process| start(process, settings.crew.silence_max))
            .collect::<anyhow::Result<Vec<_>>>()?,
        false => gather(settings)?,
    };
    let offsets = compare_clocks(&mut members)?;
    let crew = Crew {
        process: 0,
        processes,
        workers: settings.workers,
    };
    let post = Post {
        crew,
        hands: processes,
        follows: false,
        run: random_run(),
        ahead_ns: Vec::new(),
    };
    let shared = Shared::new(settings, post).context("setting up the run")?;
    let joiner = Joiner::new(&shared.layout, &crew);
    let hub = Hub {
        shared: &shared,
        arguments,
        offsets,
        joined: Mutex::new(Joined {
            joiner,
            books: RunBooks::default(),
        }),
    };
    let members: Vec<_> = members.into_iter().map(Mutex::new).collect();
    let work = |process: u32| Ok(lock(&members[process as usize]).lead(&hub));
    let mut facts = conduct(&shared, interrupt, observer, &work)?;
    facts.joined = std::mem::take(&mut lock(&hub.joined).books);
    let told = members.iter().map(|member| lock(member).told()).collect();
    facts.machines = Some(Machines::new(told));
    Ok(summarize(facts))
}

/// How many processes share the sessions.
fn processes(settings: &Settings) -> anyhow::Result<u32> {
    let agents = settings.crew.agents.len() as u64;
    ensure!(
        agents <= PROCESSES_MAX,
        "--agents: {agents} are too many: at most {PROCESSES_MAX}"
    );
    let sessions = u64::from(settings.layout().sessions());
    let fitting = sessions.div_ceil(sessions_max(settings.workers)?.max(1));
    let processes = match (agents, settings.crew.processes) {
        (0, Some(given)) => given.into(),
        // With too many, the one that is told is how many descriptors this process lacks.
        (0, None) if fitting > PROCESSES_MAX => 1,
        (0, None) => fitting,
        (agents, _) => agents,
    };
    Ok(u32::try_from(processes.max(1)).expect("64 at most"))
}

fn texts(arguments: Vec<OsString>) -> anyhow::Result<Vec<String>> {
    let texts = arguments.into_iter().map(OsString::into_string);
    let texts = texts.collect::<Result<_, _>>();
    texts.map_err(|argument| anyhow!("{}: other processes take text only", argument.display()))
}

fn link(socket: Socket, silence_max: Duration) -> anyhow::Result<Link<Report>> {
    // Nothing is answered by itself here.
    Ok(Link::new(socket, silence_max, |_, _| None::<Order>)?)
}

/// Starts a process here.
fn start(process: u32, silence_max: Duration) -> anyhow::Result<Member> {
    let (own, theirs) = UnixStream::pair().context("starting another process")?;
    let child = spawn(theirs, silence_max).context("starting another process")?;
    let name = format!("process {process}");
    let link = link(Socket::from(OwnedFd::from(own)), silence_max)?;
    Ok(Member::new(
        process,
        (name, String::new()),
        link,
        Some(child),
    ))
}

fn spawn(socket: UnixStream, silence_max: Duration) -> std::io::Result<Child> {
    // The program that runs, whatever has become of its file. In a group of its own it does not hear Ctrl-C: how a
    // run ends is for this process to say.
    Command::new("/proc/self/exe")
        .arg0("fanload")
        .args(["agent", "--child", "--silence-max"])
        .arg(format!("{}ms", silence_max.as_millis()))
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
}

/// Reaches all agents at once.
fn gather(settings: &Settings) -> anyhow::Result<Vec<Member>> {
    let token = Token::read(settings.crew.token_file.as_deref())?;
    let token = &token;
    thread::scope(|scope| {
        let numbered = (0..).zip(&settings.crew.agents);
        let reached = numbered.map(|(process, address)| {
            scope.spawn(move || {
                let reached = greet(address, token).with_context(|| format!("agent {address}"));
                let (socket, host) = reached?;
                let name = (address.clone(), host);
                let link = link(socket, settings.crew.silence_max)?;
                Ok(Member::new(process, name, link, None))
            })
        });
        let reached: Vec<_> = reached.collect();
        let members = reached.into_iter().map(|one| match one.join() {
            Ok(member) => member,
            Err(_) => bail!("reaching an agent panicked"),
        });
        members.collect()
    })
}

/// Connects to an agent; each shows the other that it has the token.
fn greet(address: &str, token: &Token) -> anyhow::Result<(Socket, String)> {
    let found = address.to_socket_addrs();
    let found = found.context("--agents: want HOST:PORT of a `fanload agent`")?;
    let mut reached = Err(anyhow!("no such host"));
    for address in found {
        reached = TcpStream::connect_timeout(&address, GREETING_TIME).context("can't connect");
        if reached.is_ok() {
            break;
        }
    }
    let stream = reached?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(GREETING_TIME))?;
    let hear = || -> anyhow::Result<Greeting> {
        let heard = frame::read(Within::new(&stream), GREETING_BYTES_MAX);
        heard.context("it is no agent, or takes no more connections")
    };
    let Greeting::Challenge {
        version,
        host,
        nonce: theirs,
    } = hear()?
    else {
        bail!("it is no agent");
    };
    let own_version = env!("CARGO_PKG_VERSION");
    ensure!(
        version == own_version,
        "it is of version {version}: want {own_version}, as this one"
    );
    let own = nonce()?;
    let answer = Greeting::Answer {
        proof: token.proof(Side::Leader, &own, &theirs),
        nonce: own.clone(),
    };
    frame::write(&stream, &answer)?;
    match hear()? {
        Greeting::Welcome { proof } => {
            ensure!(
                token.is_proof(&proof, Side::Agent, &own, &theirs),
                "it has another token"
            );
            Ok((Socket::from(stream), host))
        }
        Greeting::Refused { why } => bail!(why),
        Greeting::Challenge { .. } | Greeting::Answer { .. } => bail!("it is no agent"),
    }
}

/// Compares all clocks with the one here, at once.
fn compare_clocks(members: &mut [Member]) -> anyhow::Result<Vec<Offset>> {
    thread::scope(|scope| {
        let compared = members.iter_mut().map(|member| {
            scope.spawn(|| {
                let offset = member.compare_clocks();
                offset.map_err(|why| anyhow!("agent {}: {why}", member.name))
            })
        });
        let compared: Vec<_> = compared.collect();
        let offsets = compared.into_iter().map(|one| match one.join() {
            Ok(offset) => offset,
            Err(_) => bail!("comparing clocks panicked"),
        });
        offsets.collect()
    })
}
