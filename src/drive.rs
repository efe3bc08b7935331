//! A shard on a ring: the only place where a shard's thread waits, reads the clock, and makes
//! system calls.

mod accepts;
mod diary;
mod farewell;
pub(crate) mod keys;
mod wall;

use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use self::accepts::Accepts;
use self::farewell::Farewell;
use self::keys::KeysEnd;
use self::wall::Wall;
use crate::id::SessionKey;
use crate::listener::{Listener, Role};
use crate::mesh::ShardEnd;
use crate::ring::{BUFFERS, Completion, Op, Outgoing, Ring, Token};
use crate::shard::clock::{Clock, earlier};
use crate::shard::drive::{Driver, turn};
use crate::shard::{Action, FlushBatch, Measured, Received, Report, STARVED_PER_TURN_MAX, Shard};
use crate::socket;
use crate::talk::{Letter, ToShard, ToWeb};

/// Sends between two reaps: a room of a thousand leaves in one submission, which costs a tenth less than in
/// four (docs/PROFILE.md); more brings nothing and keeps others waiting.
const FLUSH_SENDS_MAX: usize = 1024;

/// Whoever found no receive buffer gets one when its turn has come: more of them would find none again.
const _: () = assert!(STARVED_PER_TURN_MAX == BUFFERS as usize);

/// Messages taken from each mesh ring in a turn.
const MESH_MESSAGES_MAX: usize = 256;

/// How often parked messages are tried again while nothing else happens.
const UNPARK_INTERVAL: Duration = Duration::from_millis(1);

/// A shard, its ring, its listeners and its end of the mesh.
pub(crate) struct EventLoop {
    shard: Shard,
    batch: FlushBatch,
    driver: RingDriver,
}

/// What is around the shard.
struct RingDriver {
    ring: Ring,
    mesh: ShardEnd<ToShard, ToWeb>,
    keys: KeysEnd,
    accepts: Accepts,
    started: Instant,
    clock: Clock,
    wall: Wall,
    /// The time of this turn.
    now: Duration,
    completions: Vec<Completion>,
    timer: Timer,
    farewell: Farewell,
}

/// The one timeout that matters; earlier ones that it replaced may still run out, to no effect.
#[derive(Debug, Default)]
struct Timer {
    at: Option<Duration>,
    generation: u32,
}

impl EventLoop {
    /// Nothing is armed yet.
    pub(crate) fn new(
        ring: Ring,
        shard: Shard,
        mesh: ShardEnd<ToShard, ToWeb>,
        keys: KeysEnd,
        listeners: Vec<Listener>,
    ) -> Self {
        Self {
            shard,
            batch: FlushBatch::new(FLUSH_SENDS_MAX),
            driver: RingDriver {
                ring,
                mesh,
                keys,
                accepts: Accepts::new(listeners),
                started: Instant::now(),
                clock: Clock::default(),
                wall: Wall::default(),
                now: Duration::ZERO,
                completions: Vec::new(),
                timer: Timer::default(),
                farewell: Farewell::default(),
            },
        }
    }

    /// Runs until the server was told to stop and every connection has ended.
    ///
    /// # Errors
    /// Only when the ring is of no more use.
    pub(crate) fn run(self) -> io::Result<()> {
        let Self {
            mut shard,
            mut batch,
            mut driver,
        } = self;
        driver.accepts.arm(&mut driver.ring);
        driver.arm_doorbell();
        loop {
            turn(&mut shard, &mut batch, &mut driver)?;
            if shard.is_stopping() && driver.is_stopped(&mut shard) {
                return Ok(());
            }
        }
    }
}

impl Driver for RingDriver {
    type Error = io::Error;

    /// Submits what was queued and one chunk of sends, each range as late as its entry is written;
    /// sleeps when there is nothing else to do. A turn is one system call.
    fn send(&mut self, shard: &mut Shard, batch: &FlushBatch) -> io::Result<()> {
        let idle = !shard.has_work() && self.mesh.is_quiet() && self.keys.is_quiet();
        if idle {
            self.mesh.bell.doorbell().announce_sleep();
        }
        let want = u32::from(idle && self.mesh.is_quiet() && self.keys.is_quiet());
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
            self.mesh.bell.doorbell().awake();
        }
        waited?;
        self.ring.reap(&mut self.completions);
        for completion in &self.completions {
            if matches!(completion.token.op, Op::Send | Op::QuietSend) {
                let sent = match completion.result {
                    Ok(bytes) => Some(bytes),
                    Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Some(0),
                    Err(_) => None,
                };
                shard.handle_sent(batch, completion.token.slot as usize, sent);
            }
        }
        Ok(())
    }

    /// The time by the clock that leaves out stalls; read once a turn.
    fn now(&mut self) -> Duration {
        self.now = self.clock.read(self.started.elapsed());
        self.now
    }

    fn unix_time(&mut self) -> Duration {
        self.wall.unix_time(self.now)
    }

    fn tell_events(&mut self, shard: &mut Shard) {
        let mut completions = std::mem::take(&mut self.completions);
        for completion in completions.drain(..) {
            self.dispatch(shard, completion);
        }
        self.completions = completions;
    }

    fn tell_messages(&mut self, shard: &mut Shard) {
        (self.mesh.inbox).receive(MESH_MESSAGES_MAX, |message| shard.handle_message(message));
        if self.mesh.bell.take_stop() {
            shard.handle_stop();
        }
        while let Some(news) = self.keys.take() {
            shard.handle_keys(&news);
        }
        self.mesh.unpark();
        shard.handle_web_waiting(self.mesh.web.waiting());
        shard.publish_overflows(self.ring.overflows());
    }

    fn post(&mut self, shard: &Shard, letter: Letter) {
        let parked = match letter {
            Letter::Shard(to, message) => {
                let lane = self.mesh.to_shard(to);
                lane.send(message);
                lane.is_congested()
            }
            Letter::Keeper(section, key_id) => {
                self.keys.ask(section, &key_id);
                false
            }
            Letter::Web(message) => {
                self.mesh.web.send(message);
                self.mesh.web.is_congested()
            }
        };
        if parked {
            shard.message_parked();
        }
    }

    fn report(&mut self, shard: &Shard, report: Report) {
        diary::write(shard, &report);
    }

    fn reports_left_out(&mut self, count: u64) {
        diary::leave_out(count);
    }

    fn act(&mut self, shard: &mut Shard, action: Action) {
        match action {
            Action::ReceiveOnce(key, fd) => self.ring.recv_once(fd, token(Op::Recv, key)),
            Action::Receive(key, fd) => self.ring.recv_multishot(fd, token(Op::Recv, key)),
            Action::CancelReceive(key) => {
                (self.ring).cancel(token(Op::Recv, key), token(Op::Cancel, key));
            }
            Action::Measure(key) => measure(shard, key),
            // It fails only when the connection has.
            Action::HoldLittle(key) => {
                let _ = shard.socket(key).map(socket::hold_little);
            }
            Action::PollWritable(key, fd) => {
                self.ring.poll_writable(fd, token(Op::Writable, key));
            }
            // Shutting down fails only when the peer has reset the connection already.
            Action::ShutdownWrite(key) => {
                let _ = shard.socket(key).map(socket::shutdown_write);
            }
            Action::Shutdown(key) => {
                let _ = shard.socket(key).map(socket::shutdown_both);
            }
            Action::Close(socket) => socket::close(socket),
            Action::Abort(socket) => {
                let _ = socket::reset_on_close(&socket);
                socket::close(socket);
            }
        }
    }

    /// Arms the timeout for whatever is due next, and does what is due here.
    fn rest(&mut self, shard: &Shard, deadline: Option<Duration>) {
        let now = self.now;
        if self.accepts.is_due(now) {
            self.accepts.arm(&mut self.ring);
        }
        let unpark = self.mesh.is_congested().then(|| now + UNPARK_INTERVAL);
        let of_others = earlier(self.accepts.deadline(), self.farewell.deadline());
        let next = earlier(deadline, earlier(of_others, unpark));
        match shard.has_work() {
            true => self.clock.await_turn(),
            false => self.clock.await_deadline(next),
        }
        if let Some(next) = next
            && self.timer.at.is_none_or(|at| next < at)
        {
            self.timer.generation = self.timer.generation.wrapping_add(1);
            self.timer.at = Some(next);
            let after = next.saturating_sub(now);
            (self.ring).timeout(after, Token::new(Op::Timer, 0, self.timer.generation));
        }
    }
}

impl RingDriver {
    fn dispatch(&mut self, shard: &mut Shard, completion: Completion) {
        let Token {
            op,
            slot,
            generation,
        } = completion.token;
        let key = SessionKey { slot, generation };
        match op {
            Op::Accept => self.accepted(shard, slot, completion),
            Op::Recv => self.received(shard, key, completion),
            Op::Writable => shard.handle_writable(key),
            Op::Doorbell => self.arm_doorbell(),
            Op::Timer if generation == self.timer.generation => self.timer.at = None,
            Op::Timer | Op::Cancel | Op::Send | Op::QuietSend => {}
        }
    }

    fn received(&mut self, shard: &mut Shard, key: SessionKey, completion: Completion) {
        let received = match (completion.result, completion.buffer) {
            (Ok(_), Some(mut buffer)) => {
                let bytes = Received::Data(self.ring.bytes(&mut buffer));
                shard.handle_received(key, bytes, completion.more);
                return self.ring.recycle(buffer);
            }
            (Ok(_), None) => Received::End,
            (Err(Errno::NOBUFS), _) => Received::NoBuffers,
            (Err(Errno::CANCELED | Errno::INTR | Errno::AGAIN), _) => Received::Cancelled,
            (Err(_), _) => Received::Failed,
        };
        shard.handle_received(key, received, completion.more);
    }

    fn accepted(&mut self, shard: &mut Shard, listener: u32, completion: Completion) {
        match completion.result {
            Ok(_) => {
                if let Some(socket) = completion.socket {
                    match self.accepts.role(listener) {
                        Role::Public => shard.handle_accepted(socket),
                    }
                }
            }
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                shard.accept_backed_off();
                self.accepts.back_off(self.now);
            }
            Err(_) => {}
        }
        if !completion.more {
            self.accepts.ended(listener);
        }
    }

    fn arm_doorbell(&mut self) {
        let eventfd = self.mesh.bell.doorbell().raw_fd();
        (self.ring).read_doorbell(eventfd, Token::new(Op::Doorbell, 0, 0));
    }

    /// Whether the server's end is complete; once it has begun.
    fn is_stopped(&mut self, shard: &mut Shard) -> bool {
        let before = self.farewell.deadline();
        if self.farewell.proceed(shard, self.now) {
            self.accepts.stop(&mut self.ring);
        }
        if self.farewell.deadline() != before {
            self.rest(shard, shard.next_deadline());
        }
        shard.is_drained() && shard.is_empty() && !shard.has_work()
    }
}

/// A socket that can't be measured has failed: it has nothing to say for itself.
fn measure(shard: &mut Shard, key: SessionKey) {
    let measured = shard.socket(key).map(socket::measure);
    let progress = measured.and_then(Result::ok).unwrap_or_default();
    shard.handle_measured(
        key,
        Measured {
            acknowledged: progress.acknowledged,
            outstanding: progress.outstanding,
            unsent: progress.unsent,
            unread: progress.unread,
        },
    );
}

fn token(op: Op, key: SessionKey) -> Token {
    Token::new(op, key.slot, key.generation)
}
