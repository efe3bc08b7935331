//! Runs a shard on a ring: the only place where a shard's thread waits, reads the clock, and makes
//! system calls.

mod diary;

use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::clock::Clock;
use super::{Action, FlushBatch, Measured, Message, Received, Shard};
use crate::id::SessionKey;
use crate::listener::{Listener, Role};
use crate::mesh::{Endpoint, ThreadId};
use crate::ring::{Completion, Op, Outgoing, Ring, Token};
use crate::socket;

/// Sends between two reaps: a room of a thousand leaves in one submission, which costs a tenth less than in
/// four (docs/PROFILE.md); more brings nothing and keeps others waiting.
const FLUSH_SENDS_MAX: usize = 1024;

/// Messages taken from each mesh ring in a turn.
const MESH_MESSAGES_MAX: usize = 256;

/// Pause before connections are accepted again after a limit was met.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// How often parked messages are tried again while nothing else happens.
const UNPARK_INTERVAL: Duration = Duration::from_millis(1);

/// How much longer than it may take the web thread is waited for, should it be stuck.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// How long those are waited for who came last, and were refused.
const LAST_REFUSAL: Duration = Duration::from_secs(1);

/// How long goodbyes may take in all.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// A shard, its ring, its listeners and its end of the mesh.
pub(crate) struct EventLoop {
    ring: Ring,
    shard: Shard,
    mesh: Endpoint<Message>,
    listeners: Vec<Listener>,
    started: Instant,
    clock: Clock,
    completions: Vec<Completion>,
    batch: FlushBatch,
    timer: Timer,
    /// When to accept again after a limit was met.
    accept_at: Option<Duration>,
    /// Listeners whose accept has ended.
    not_accepting: Vec<u32>,
    stop_at: Option<Duration>,
    stopping_since: Option<Duration>,
    /// When the web thread's word that HTTP is done is waited for no longer.
    drained_at: Option<Duration>,
}

/// The one timeout that matters; earlier ones that it replaced may still run out, to no effect.
#[derive(Debug, Default)]
struct Timer {
    at: Option<Duration>,
    generation: u32,
}

impl EventLoop {
    /// Everything but the accepts is armed.
    pub(crate) fn new(
        ring: Ring,
        shard: Shard,
        mesh: Endpoint<Message>,
        listeners: Vec<Listener>,
    ) -> Self {
        let not_accepting = (0u32..).zip(&listeners).map(|(number, _)| number).collect();
        Self {
            ring,
            shard,
            mesh,
            listeners,
            started: Instant::now(),
            clock: Clock::default(),
            completions: Vec::new(),
            batch: FlushBatch::default(),
            timer: Timer::default(),
            accept_at: None,
            not_accepting,
            stop_at: None,
            stopping_since: None,
            drained_at: None,
        }
    }

    /// Runs until the server was told to stop and every connection has ended.
    ///
    /// # Errors
    /// Only when the ring is of no more use.
    pub(crate) fn run(mut self) -> io::Result<()> {
        self.accept_again();
        self.arm_doorbell();
        loop {
            self.flush_and_wait()?;
            self.reap();
            self.take_messages();
            // Only now: after a stall, what has arrived in time is heard before anybody is judged.
            let now = self.now();
            self.shard.handle_time(now);
            self.shard.handle_turn();
            // Before the flush, so that the other shards of a room flush at the same time.
            self.tell_others();
            diary::write(&mut self.shard);
            self.perform();
            self.keep_time();
            if self.shard.is_stopping() && self.is_stopped() {
                return Ok(());
            }
        }
    }

    /// The time by the clock that leaves out stalls.
    fn now(&mut self) -> Duration {
        self.clock.read(self.started.elapsed())
    }

    /// Submits what was queued and one chunk of sends, each range as late as its entry is written;
    /// sleeps when there is nothing else to do. A turn is one system call.
    fn flush_and_wait(&mut self) -> io::Result<()> {
        self.shard.poll_flush(FLUSH_SENDS_MAX, &mut self.batch);
        let idle = !self.shard.has_work() && self.mesh.is_quiet();
        if idle {
            self.mesh.doorbell().announce_sleep();
        }
        let want = u32::from(idle && self.mesh.is_quiet());
        let (shard, batch) = (&self.shard, &self.batch);
        let sends = (0u32..).zip(&batch.sends).map(|(place, send)| {
            let op = if send.is_quiet() {
                Op::QuietSend
            } else {
                Op::Send
            };
            Outgoing {
                fd: send.fd,
                token: Token::new(op, place, 0),
                slices: shard.slices(batch, send),
            }
        });
        let waited = self.ring.send_batch_and_wait(sends, want);
        if idle {
            self.mesh.doorbell().awake();
        }
        waited
    }

    /// What became of the sends comes first: until then the shard takes quiet ones for taken.
    fn reap(&mut self) {
        let mut completions = std::mem::take(&mut self.completions);
        self.ring.reap(&mut completions);
        for completion in &completions {
            if matches!(completion.token.op, Op::Send | Op::QuietSend) {
                let sent = match completion.result {
                    Ok(bytes) => Some(bytes),
                    Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Some(0),
                    Err(_) => None,
                };
                let place = completion.token.slot as usize;
                self.shard.handle_sent(&self.batch, place, sent);
            }
        }
        let now = self.now();
        self.shard.handle_clock(now);
        for completion in completions.drain(..) {
            self.dispatch(completion);
        }
        self.completions = completions;
    }

    fn dispatch(&mut self, completion: Completion) {
        let Token {
            op,
            slot,
            generation,
        } = completion.token;
        let key = SessionKey { slot, generation };
        match op {
            Op::Accept => self.accepted(slot, completion),
            Op::Recv => self.received(key, completion),
            Op::Writable => self.shard.handle_writable(key),
            Op::Doorbell => self.arm_doorbell(),
            Op::Timer if generation == self.timer.generation => self.timer.at = None,
            Op::Timer | Op::Cancel | Op::Send | Op::QuietSend => {}
        }
    }

    fn received(&mut self, key: SessionKey, completion: Completion) {
        let received = match (completion.result, completion.buffer) {
            (Ok(_), Some(mut buffer)) => {
                let bytes = Received::Data(self.ring.bytes(&mut buffer));
                self.shard.handle_received(key, bytes, completion.more);
                return self.ring.recycle(buffer);
            }
            (Ok(_), None) => Received::End,
            (Err(Errno::NOBUFS), _) => Received::NoBuffers,
            (Err(Errno::CANCELED | Errno::INTR | Errno::AGAIN), _) => Received::Cancelled,
            (Err(_), _) => Received::Failed,
        };
        self.shard.handle_received(key, received, completion.more);
    }

    fn accepted(&mut self, listener: u32, completion: Completion) {
        match completion.result {
            Ok(_) => {
                if let Some(socket) = completion.socket {
                    match self.listeners[listener as usize].role() {
                        Role::Public => self.shard.handle_accepted(socket),
                    }
                }
            }
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                self.shard.accept_backed_off();
                self.accept_at = Some(self.now() + ACCEPT_BACKOFF);
            }
            Err(_) => {}
        }
        if !completion.more {
            self.not_accepting.push(listener);
        }
    }

    fn accept_again(&mut self) {
        if self.not_accepting.is_empty() && self.accept_at.is_none() {
            return;
        }
        let now = self.now();
        if self.accept_at.is_some_and(|at| at > now) || self.shard.is_drained() {
            return;
        }
        self.accept_at = None;
        for number in self.not_accepting.drain(..) {
            if let Some(listener) = self.listeners[number as usize].fd() {
                self.ring
                    .accept_multishot(listener, Token::new(Op::Accept, number, 0));
            }
        }
    }

    fn arm_doorbell(&mut self) {
        let eventfd = self.mesh.doorbell().raw_fd();
        self.ring
            .read_doorbell(eventfd, Token::new(Op::Doorbell, 0, 0));
    }

    fn take_messages(&mut self) {
        let shard = &mut self.shard;
        self.mesh.receive(MESH_MESSAGES_MAX, |from, message| {
            shard.handle_message(from, message)
        });
        if self.mesh.take_stop() {
            shard.handle_stop();
        }
        self.mesh.unpark();
        let web = ThreadId(shard.shards());
        shard.handle_web_waiting(self.mesh.waiting(web));
    }

    fn tell_others(&mut self) {
        // First, so that what others read when they hear of this turn is no older than that.
        self.shard.publish_gauges();
        self.shard.publish_overflows(self.ring.overflows());
        while let Some((to, message)) = self.shard.poll_message() {
            self.mesh.send(to, message);
            if self.mesh.is_congested() {
                self.shard.message_parked();
            }
        }
    }

    fn perform(&mut self) {
        while let Some(action) = self.shard.poll_action() {
            match action {
                Action::ReceiveOnce(key, fd) => self.ring.recv_once(fd, token(Op::Recv, key)),
                Action::Receive(key, fd) => self.ring.recv_multishot(fd, token(Op::Recv, key)),
                Action::CancelReceive(key) => {
                    self.ring
                        .cancel(token(Op::Recv, key), token(Op::Cancel, key));
                }
                Action::Measure(key) => self.measure(key),
                Action::PollWritable(key, fd) => {
                    self.ring.poll_writable(fd, token(Op::Writable, key));
                }
                // Shutting down fails only when the peer has reset the connection already.
                Action::ShutdownWrite(key) => {
                    let _ = self.shard.socket(key).map(socket::shutdown_write);
                }
                Action::Shutdown(key) => {
                    let _ = self.shard.socket(key).map(socket::shutdown_both);
                }
                Action::Close(socket) => socket::close(socket),
                Action::Abort(socket) => {
                    let _ = socket::reset_on_close(&socket);
                    socket::close(socket);
                }
            }
        }
    }

    /// A socket that can't be measured has failed: it has nothing to say for itself.
    fn measure(&mut self, key: SessionKey) {
        let measured = (self.shard.socket(key)).map(socket::measure);
        let progress = measured.and_then(Result::ok).unwrap_or_default();
        self.shard.handle_measured(
            key,
            Measured {
                acknowledged: progress.acknowledged,
                outstanding: progress.outstanding,
                unsent: progress.unsent,
                unread: progress.unread,
            },
        );
    }

    /// Arms the timeout for whatever is due next, and does what is due here.
    fn keep_time(&mut self) {
        self.accept_again();
        let now = self.now();
        let unpark = self.mesh.is_congested().then(|| now + UNPARK_INTERVAL);
        let next = [
            self.shard.next_deadline(),
            self.accept_at,
            self.stop_at,
            self.drained_at,
            unpark,
        ]
        .into_iter()
        .flatten()
        .min();
        self.clock.await_deadline(next);
        if let Some(next) = next
            && self.timer.at.is_none_or(|at| next < at)
        {
            self.timer.generation = self.timer.generation.wrapping_add(1);
            self.timer.at = Some(next);
            let after = next.saturating_sub(now);
            self.ring
                .timeout(after, Token::new(Op::Timer, 0, self.timer.generation));
        }
    }

    /// Once the server stops: an end to waiting for peers, and no more accepts when the last pages
    /// were served.
    fn is_stopped(&mut self) -> bool {
        let now = self.now();
        match self.stop_at {
            None => {
                self.stopping_since = Some(now);
                self.stop_at = Some(now + STOP_TIMEOUT);
                self.drained_at = Some(now + self.shard.drain_timeout() + DRAIN_GRACE);
                self.keep_time();
            }
            Some(at) if at <= now => {
                self.shard.handle_stop_deadline();
                self.stop_at = Some(now + STOP_TIMEOUT);
            }
            Some(_) => {}
        }
        if self.drained_at.is_some_and(|at| at <= now) {
            self.shard.handle_drained();
        }
        if self.shard.is_drained() && self.drained_at.take().is_some() {
            self.stop_accepting();
            // Whoever was refused a moment ago may still read why.
            let goodbyes_over = self.stopping_since.map(|since| since + STOP_TIMEOUT);
            self.stop_at = self
                .stop_at
                .min(goodbyes_over.max(Some(now + LAST_REFUSAL)));
            self.keep_time();
        }
        self.shard.is_drained() && self.shard.is_empty() && !self.shard.has_work()
    }

    fn stop_accepting(&mut self) {
        for (number, listener) in (0u32..).zip(&mut self.listeners) {
            let accept = Token::new(Op::Accept, number, 0);
            self.ring.cancel(accept, Token::new(Op::Cancel, 0, 0));
            listener.close();
        }
    }
}

fn token(op: Op, key: SessionKey) -> Token {
    Token::new(op, key.slot, key.generation)
}
