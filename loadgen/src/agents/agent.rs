//! An agent: listens for somebody who has the token, and drives sessions for them, one run at a time.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::system::uname;
use socket2::Socket;

use super::follow::follow;
use super::frame::{self, GREETING_BYTES_MAX};
use super::link::Link;
use super::orders::{Greeting, Order, Report};
use super::rules::Rules;
use super::token::{Side, Token, nonce};
use crate::cli::agents::AgentArgs;
use crate::own;

/// How long somebody has for showing a token.
pub(super) const GREETING_TIME: Duration = Duration::from_secs(5);

/// How long a run may take for being put away, so that the next may begin; less than [`GREETING_TIME`].
const CHANGE_OVER: Duration = Duration::from_secs(2);

/// How many may be doing that at once.
const GREETINGS_MAX: u32 = 16;

/// How long to wait when a connection could not be taken, such as for want of descriptors.
const RETRY: Duration = Duration::from_millis(50);

struct Agent {
    token: Token,
    rules: Rules,
    silence_max: Duration,
    is_busy: AtomicBool,
    greetings: AtomicU32,
}

/// Serves until it is ended from outside; a child of the process that leads makes one run.
///
/// # Errors
/// One sentence: no token, a target that is none, an address that can't be listened on.
pub(crate) fn serve(args: &AgentArgs) -> anyhow::Result<u8> {
    if args.child {
        let socket = io::stdin().as_fd().try_clone_to_owned();
        let socket = Socket::from(socket.context("standard input")?);
        // What went wrong has been told to the one that leads, who tells it.
        let made = follow(link(socket, args.silence_max)?, None);
        return Ok(u8::from(made.is_err()));
    }
    let agent = Arc::new(Agent {
        token: Token::read(args.token_file.as_deref())?,
        rules: Rules::new(args)?,
        silence_max: args.silence_max,
        is_busy: AtomicBool::new(false),
        greetings: AtomicU32::new(0),
    });
    if !args.allow_files {
        own::deny();
    }
    let listener = TcpListener::bind(&args.listen);
    let listener =
        listener.with_context(|| format!("--listen {}: can't listen there", args.listen))?;
    tell(&format!("agent listens on {}", listener.local_addr()?));
    loop {
        let Ok((stream, peer)) = listener.accept() else {
            thread::sleep(RETRY);
            continue;
        };
        // Whoever comes while there are too many finds the connection ended.
        if agent.greetings.load(Ordering::Acquire) < GREETINGS_MAX {
            let agent = Arc::clone(&agent);
            agent.greetings.fetch_add(1, Ordering::AcqRel);
            thread::spawn(move || {
                if let Err(why) = agent.meet(stream) {
                    tell(&format!("{peer}: {why:#}"));
                }
            });
        }
    }
}

impl Agent {
    fn meet(&self, stream: TcpStream) -> anyhow::Result<()> {
        let greeted = self.greet(&stream);
        self.greetings.fetch_sub(1, Ordering::AcqRel);
        greeted?;
        let link = link(Socket::from(stream), self.silence_max);
        let done = link.and_then(|link| follow(link, Some(&self.rules)));
        self.is_busy.store(false, Ordering::Release);
        done
    }

    /// Finds out whether somebody has the token, and takes the place of the one run if they have.
    fn greet(&self, stream: &TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(GREETING_TIME))?;
        let own = nonce()?;
        let challenge = Greeting::Challenge {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: uname().nodename().to_string_lossy().into_owned(),
            nonce: own.clone(),
        };
        frame::write(stream, &challenge)?;
        let Greeting::Answer { nonce, proof } =
            frame::read(Within::new(stream), GREETING_BYTES_MAX)?
        else {
            bail!("it did not answer");
        };
        let refuse = |why: &str| {
            let why = why.to_owned();
            frame::write(stream, &Greeting::Refused { why })
        };
        if !self.token.is_proof(&proof, Side::Leader, &nonce, &own) {
            refuse("it has another token")?;
            bail!("it has another token");
        }
        // The run before of a search may not be put away yet.
        let until = Instant::now() + CHANGE_OVER;
        while self.is_busy.swap(true, Ordering::AcqRel) {
            if Instant::now() > until {
                refuse("it makes another run: wait until that has ended")?;
                bail!("another run is made");
            }
            thread::sleep(RETRY);
        }
        let proof = self.token.proof(Side::Agent, &nonce, &own);
        let welcomed = frame::write(stream, &Greeting::Welcome { proof });
        if welcomed.is_err() {
            self.is_busy.store(false, Ordering::Release);
        }
        Ok(welcomed?)
    }
}

/// A connection on which the time is told at once.
fn link(socket: Socket, silence_max: Duration) -> anyhow::Result<Link<Order>> {
    let answer = |order: &Order, at_ns| match order {
        Order::Ping => Some(Report::Pong { at_ns }),
        _ => None,
    };
    Ok(Link::new(socket, silence_max, answer)?)
}

/// Reads from a connection up to a time, however little comes at once.
pub(super) struct Within<'a> {
    stream: &'a TcpStream,
    until: Instant,
}

impl<'a> Within<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self {
            stream,
            until: Instant::now() + GREETING_TIME,
        }
    }
}

impl Read for Within<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

/// Tells whoever started the agent.
pub(super) fn tell(what: &str) {
    // Nobody may be there.
    let _ = writeln!(io::stderr(), "fanload: {what}");
}
