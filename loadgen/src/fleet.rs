//! All connections on one ring: connecting, receiving and sending for them.
//!
//! Knows no plan and makes no judgement; messages go to a [`Tally`] as they come.

use crate::cli::Settings;
use crate::clock::now_ns;
use crate::connection::{Connection, Ending};
use crate::verify::Tally;
use anyhow::{Context, bail};
use fanring::ring::{Completion, Op, Outgoing, Ring, RingConfig, Token};
use rustix::io::Errno;
use std::mem;
use std::time::Duration;

/// Connections that may be on their way to being open at once.
const CONNECTS_MAX: usize = 256;

/// Sends in one submission.
const SENDS_MAX: usize = 256;

/// Receive buffers, and the bounds of their size.
const BUFFERS: u16 = 256;
const BUFFER_BYTES_MIN: usize = 4096;
const BUFFER_BYTES_MAX: usize = 65_536;

/// How long saying goodbye to all connections may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// The connections: first the subscribers, then the publishers.
pub(crate) struct Fleet {
    ring: Ring,
    connections: Vec<Connection>,
    /// Connections before this one are subscribers.
    subscribers: usize,
    host: String,
    path: String,
    completions: Vec<Completion>,
    /// Connections with something to send, each once.
    dirty: Vec<u32>,
    /// The earliest time a timer is set for.
    timer_ns: Option<u64>,
    open: usize,
    pending: usize,
    ended: usize,
    first_ending: Option<Ending>,
    pub(crate) tally: Tally,
}

impl Fleet {
    /// Opens all sessions.
    ///
    /// # Errors
    /// One sentence, when one of them can't be opened or not all are open in time.
    pub(crate) fn connect(settings: &Settings) -> anyhow::Result<Self> {
        let mut fleet = Self::new(settings)?;
        let sessions = settings.sessions() as usize;
        let start = now_ns();
        let deadline = start + nanoseconds(settings.connect_timeout);
        let due = |count: usize| match settings.connect_rate {
            Some(rate) => start + count as u64 * 1_000_000_000 / u64::from(rate),
            None => start,
        };
        let mut now = start;
        while fleet.open < sessions {
            while fleet.connections.len() < sessions
                && fleet.pending < CONNECTS_MAX
                && due(fleet.connections.len()) <= now
            {
                let failed = |ending: Ending| anyhow::anyhow!("{}: {ending}", settings.host);
                fleet.start(settings).map_err(failed)?;
            }
            let next = due(fleet.connections.len());
            now = fleet.turn(if next > now {
                next.min(deadline)
            } else {
                deadline
            })?;
            if let Some(ending) = &fleet.first_ending {
                bail!("{}{}: {ending}", settings.host, settings.path);
            }
            if now >= deadline && fleet.open < sessions {
                bail!(
                    "{}: only {} of {sessions} sessions were open after {} s; \
                     --connect-timeout gives it longer",
                    settings.host,
                    fleet.open,
                    settings.connect_timeout.as_secs_f64()
                );
            }
        }
        Ok(fleet)
    }

    fn new(settings: &Settings) -> anyhow::Result<Self> {
        let buffer_bytes = (settings.size * 2).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
        let config = RingConfig {
            buffers: BUFFERS,
            buffer_bytes: u32::try_from(buffer_bytes)?,
            ..RingConfig::default()
        };
        let (subscribers, publishers) = (settings.subscribers, settings.publishers);
        Ok(Self {
            ring: Ring::new(&config)?,
            connections: Vec::with_capacity(settings.sessions() as usize),
            subscribers: subscribers as usize,
            host: settings.host.clone(),
            path: settings.path.clone(),
            completions: Vec::new(),
            dirty: Vec::new(),
            timer_ns: None,
            open: 0,
            pending: 0,
            ended: 0,
            first_ending: None,
            tally: Tally::new(subscribers as usize, publishers as usize, settings.size),
        })
    }

    fn start(&mut self, settings: &Settings) -> Result<(), Ending> {
        let connection = Connection::start(settings.target)?;
        let slot = u32::try_from(self.connections.len()).unwrap_or(u32::MAX);
        if let Some(fd) = connection.fd() {
            self.ring
                .poll_writable(fd, Token::new(Op::Writable, slot, 0));
        }
        self.connections.push(connection);
        self.pending += 1;
        Ok(())
    }

    /// Sessions that were open and are not any more.
    pub(crate) fn ended(&self) -> usize {
        self.ended
    }

    /// Why the first of them ended.
    pub(crate) fn first_ending(&self) -> Option<&Ending> {
        self.first_ending.as_ref()
    }

    /// Whether there is still somebody to publish and somebody to receive.
    pub(crate) fn is_useful(&self) -> bool {
        let (subscribers, publishers) = self.connections.split_at(self.subscribers);
        (self.ended == 0)
            || (subscribers.iter().any(Connection::is_open)
                && publishers.iter().all(Connection::is_open))
    }

    /// Queues a message of a publisher. Returns how many bytes now wait to be sent for it.
    pub(crate) fn publish(&mut self, publisher: u32, payload: &[u8]) -> usize {
        let index = self.subscribers + publisher as usize;
        let connection = &mut self.connections[index];
        connection.queue_message(payload);
        let unsent = connection.unsent().len();
        self.mark(index);
        unsent
    }

    /// Gives up on a run because a publisher's messages are not read.
    pub(crate) fn stall(&mut self) {
        self.first_ending.get_or_insert(Ending::Stalled);
    }

    /// Sends what is queued, waits for something to happen, at the latest until `until_ns`, and
    /// deals with it. Returns the time at which it was all known: no byte came later than that.
    pub(crate) fn turn(&mut self, until_ns: u64) -> anyhow::Result<u64> {
        self.flush();
        self.arm(until_ns);
        let want = u32::from(self.completions.is_empty());
        self.ring
            .submit_and_wait(want)
            .context("waiting on the ring")?;
        let mut completions = mem::take(&mut self.completions);
        self.ring.reap(&mut completions);
        let now = now_ns();
        for completion in completions.drain(..) {
            self.handle(completion, now);
        }
        // Keeps the allocation, and whatever `handle` may have put there.
        completions.append(&mut self.completions);
        self.completions = completions;
        Ok(now)
    }

    /// Says goodbye to all sessions and waits a little for the answers, so that the server sees
    /// closes and not resets.
    pub(crate) fn close(&mut self) -> anyhow::Result<()> {
        let ended = self.ended;
        for index in 0..self.connections.len() {
            if self.connections[index].is_open() {
                self.connections[index].queue_close();
                self.mark(index);
            }
        }
        self.settle(now_ns() + nanoseconds(GOODBYE))?;
        self.ended = ended;
        Ok(())
    }

    /// Goes on until no session is open any more, at the latest until `until_ns`.
    pub(crate) fn settle(&mut self, until_ns: u64) -> anyhow::Result<()> {
        while self.open > 0 && self.turn(until_ns)? < until_ns {}
        Ok(())
    }

    fn mark(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if !connection.sending && !connection.unsent().is_empty() {
            connection.sending = true;
            self.dirty.push(u32::try_from(index).unwrap_or(u32::MAX));
        }
    }

    fn flush(&mut self) {
        let dirty = mem::take(&mut self.dirty);
        for chunk in dirty.chunks(SENDS_MAX) {
            let connections = &self.connections;
            self.ring.send_batch(chunk.iter().filter_map(|&slot| {
                let connection = &connections[slot as usize];
                let mut outgoing = Outgoing::new(connection.fd()?, Token::new(Op::Send, slot, 0));
                let _ = outgoing.push(connection.unsent());
                Some(outgoing)
            }));
            self.ring.reap(&mut self.completions);
        }
        self.dirty = dirty;
        self.dirty.clear();
    }

    /// Makes sure that a timer fires at a time or before.
    fn arm(&mut self, at_ns: u64) {
        if self.timer_ns.is_some_and(|armed| armed <= at_ns) {
            return;
        }
        let after = Duration::from_nanos(at_ns.saturating_sub(now_ns()));
        self.ring.timeout(after, Token::new(Op::Timer, 0, 0));
        self.timer_ns = Some(at_ns);
    }

    fn handle(&mut self, completion: Completion, now: u64) {
        let index = completion.token.slot as usize;
        match completion.token.op {
            Op::Recv => self.received(index, completion, now),
            Op::Send => match completion.result {
                Ok(bytes) => {
                    let connection = &mut self.connections[index];
                    connection.took(bytes as usize);
                    connection.sending = false;
                    self.mark(index);
                }
                Err(Errno::AGAIN) => {
                    if let Some(fd) = self.connections[index].fd() {
                        self.ring.poll_writable(
                            fd,
                            Token {
                                op: Op::Writable,
                                ..completion.token
                            },
                        );
                    }
                }
                Err(errno) => self.end(index, Ending::Failed(errno.into())),
            },
            Op::Writable => self.writable(index),
            // A timer that was overtaken by an earlier one fires as well; that only costs a turn.
            Op::Timer => self.timer_ns = None,
            Op::Accept | Op::Doorbell | Op::Cancel => {}
        }
    }

    fn writable(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        connection.sending = false;
        if connection.is_connecting() {
            if let Err(ending) = connection.connected(&self.host, &self.path) {
                return self.end(index, ending);
            }
            self.receive_more(index);
        }
        self.mark(index);
    }

    fn receive_more(&mut self, index: usize) {
        if let Some(fd) = self.connections[index].fd() {
            let slot = u32::try_from(index).unwrap_or(u32::MAX);
            self.ring.recv_multishot(fd, Token::new(Op::Recv, slot, 0));
        }
    }

    fn received(&mut self, index: usize, completion: Completion, now: u64) {
        let connection = &mut self.connections[index];
        let outcome = match (completion.result, completion.buffer) {
            (_, Some(mut buffer)) => {
                let tally = &mut self.tally;
                let is_subscriber = index < self.subscribers;
                let outcome = connection.receive(self.ring.bytes(&mut buffer), |payload| {
                    if is_subscriber {
                        tally.received(index, payload, now);
                    }
                });
                self.ring.recycle(buffer);
                outcome
            }
            (Err(Errno::NOBUFS), None) => Ok(false),
            (Err(errno), None) => Err(Ending::Failed(errno.into())),
            (Ok(_), None) => Err(connection.end_of_stream()),
        };
        match outcome {
            Ok(opened) => {
                if opened {
                    self.open += 1;
                    self.pending -= 1;
                }
                // Buffers of this turn are all back by the time this is submitted.
                if !completion.more {
                    self.receive_more(index);
                }
                self.mark(index);
            }
            Err(ending) => self.end(index, ending),
        }
    }

    fn end(&mut self, index: usize, ending: Ending) {
        let connection = &mut self.connections[index];
        if connection.fd().is_none() {
            return;
        }
        if connection.end() {
            self.open -= 1;
            self.ended += 1;
        } else {
            self.pending -= 1;
        }
        self.first_ending.get_or_insert(ending);
    }
}

pub(crate) fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
