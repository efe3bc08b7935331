//! Runs a shard on epoll, turn by turn as the server does on a ring.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use fanring::id::SessionKey;
use fanring::shard::clock::Clock;
use fanring::shard::drive::{Driver, turn};
use fanring::shard::{Action, FlushBatch, Measured, Received, Shard};
use fanring::socket;
use fanring::talk::Letter;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, accept_with, recv, send, sendmsg,
};

use crate::interest::{Interests, Receive};

/// As in Fanring's event loop.
const FLUSH_SENDS_MAX: usize = 1024;

/// Bytes received at once.
const RECEIVE_BYTES: usize = 64 << 10;

/// Slices of one send.
const SLICES_MAX: usize = 16;

/// What epoll says of the listener; sockets go by their descriptor.
const LISTENER: u64 = u64::MAX;

pub(crate) struct EventLoop {
    shard: Shard,
    batch: FlushBatch,
    driver: EpollDriver,
}

/// What is around the shard.
struct EpollDriver {
    listener: OwnedFd,
    interests: Interests,
    started: Instant,
    clock: Clock,
    /// When the shard has something to do, if nothing happens before.
    deadline: Option<Duration>,
    events: Vec<Event>,
    /// What became of the sends that the shard is to hear of, by their places in the batch.
    answers: Vec<(usize, Option<u32>)>,
    received: Vec<u8>,
}

impl EventLoop {
    pub(crate) fn new(shard: Shard, listener: OwnedFd) -> anyhow::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let data = EventData::new_u64(LISTENER);
        epoll::add(&epoll, &listener, data, EventFlags::IN)?;
        Ok(Self {
            shard,
            batch: FlushBatch::new(FLUSH_SENDS_MAX),
            driver: EpollDriver {
                listener,
                interests: Interests::new(epoll),
                started: Instant::now(),
                clock: Clock::default(),
                deadline: None,
                events: Vec::with_capacity(1024),
                answers: Vec::new(),
                received: vec![0; RECEIVE_BYTES],
            },
        })
    }

    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        loop {
            turn(&mut self.shard, &mut self.batch, &mut self.driver)?;
        }
    }
}

impl Driver for EpollDriver {
    type Error = anyhow::Error;

    fn send(&mut self, shard: &mut Shard, batch: &FlushBatch) -> anyhow::Result<()> {
        self.make_sends(shard, batch);
        for (place, sent) in self.answers.drain(..) {
            shard.handle_sent(batch, place, sent);
        }
        let wait = match shard.has_work() {
            true => Some(Duration::ZERO),
            false => {
                (self.deadline).map(|at| at.saturating_sub(self.clock.read(self.started.elapsed())))
            }
        };
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(self.interests.epoll(), spare, wait.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn now(&mut self) -> Duration {
        self.clock.read(self.started.elapsed())
    }

    fn tell_events(&mut self, shard: &mut Shard) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => self.accept(shard),
                fd => self.ready(shard, RawFd::try_from(fd).expect("a socket"), event.flags),
            }
        }
        self.events = events;
    }

    /// There is nobody else.
    fn tell_messages(&mut self, _shard: &mut Shard) {}

    /// With one shard, only requests for the web thread: dropped, and so closed.
    fn post(&mut self, _shard: &Shard, letter: Letter) {
        drop(letter);
    }

    fn act(&mut self, shard: &mut Shard, action: Action) {
        match action {
            Action::ReceiveOnce(key, fd) => self.arm(shard, key, fd, Receive::Once),
            Action::Receive(key, fd) => self.arm(shard, key, fd, Receive::Multishot),
            Action::CancelReceive(key) => {
                let fd = shard.socket(key).map(|socket| socket.as_raw_fd());
                let Some(fd) = fd else { return };
                if self.interests.at(fd).receive != Receive::None {
                    self.interests.at(fd).receive = Receive::None;
                    shard.handle_received(key, Received::Cancelled, false);
                }
            }
            Action::Measure(key) => {
                let measured = (shard.socket(key)).map(socket::measure);
                let progress = measured.and_then(Result::ok).unwrap_or_default();
                let measured = Measured {
                    acknowledged: progress.acknowledged,
                    outstanding: progress.outstanding,
                    unsent: progress.unsent,
                    unread: progress.unread,
                };
                shard.handle_measured(key, measured);
            }
            Action::HoldLittle(key) => {
                let _ = shard.socket(key).map(socket::hold_little);
            }
            Action::PollWritable(key, fd) => {
                let waiting = self.interests.at(fd);
                (waiting.key, waiting.writable) = (key, true);
                if let Some(socket) = shard.socket(key) {
                    self.interests.extend(socket, fd);
                }
            }
            Action::ShutdownWrite(key) => {
                let _ = shard.socket(key).map(socket::shutdown_write);
            }
            Action::Shutdown(key) => {
                let _ = shard.socket(key).map(socket::shutdown_both);
            }
            Action::Close(socket) => {
                self.interests.forget(socket.as_raw_fd());
                socket::close(socket);
            }
            Action::Abort(socket) => {
                self.interests.forget(socket.as_raw_fd());
                let _ = socket::reset_on_close(&socket);
                socket::close(socket);
            }
        }
    }

    fn rest(&mut self, shard: &Shard, deadline: Option<Duration>) {
        self.deadline = deadline;
        match shard.has_work() {
            true => self.clock.await_turn(),
            false => self.clock.await_deadline(deadline),
        }
    }
}

impl EpollDriver {
    fn accept(&mut self, shard: &mut Shard) {
        while let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC) {
            shard.handle_accepted(socket);
        }
    }

    fn ready(&mut self, shard: &mut Shard, fd: RawFd, flags: EventFlags) {
        let waiting = *self.interests.at(fd);
        let ended = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        if waiting.writable && (ended || flags.contains(EventFlags::OUT)) {
            self.interests.at(fd).writable = false;
            shard.handle_writable(waiting.key);
        }
        if waiting.receive != Receive::None && (ended || flags.contains(EventFlags::IN)) {
            return self.receive(shard, fd, waiting.key);
        }
        // It fired in vain, or was served: from now on for what is still waited for.
        if let Some(socket) = shard.socket(waiting.key) {
            self.interests.restrict(socket, fd);
        }
    }

    fn receive(&mut self, shard: &mut Shard, fd: RawFd, key: SessionKey) {
        let Some(socket) = shard.socket(key) else {
            return;
        };
        let result =
            recv(socket, &mut self.received[..], RecvFlags::DONTWAIT).map(|(count, _)| count);
        let waiting = self.interests.at(fd);
        let more = waiting.receive == Receive::Multishot && matches!(result, Ok(1..));
        if !more && result != Err(Errno::AGAIN) {
            waiting.receive = Receive::None;
        }
        let received = match result {
            Ok(0) => Received::End,
            Ok(count) => Received::Data(&mut self.received[..count]),
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(_) => Received::Failed,
        };
        shard.handle_received(key, received, more);
    }

    fn make_sends(&mut self, shard: &Shard, batch: &FlushBatch) {
        for (place, planned) in batch.sends.iter().enumerate() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (place, slice) in slices.iter_mut().zip(shard.slices(batch, planned)) {
                *place = IoSlice::new(slice);
                count += 1;
            }
            let bytes: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            let sent =
                (shard.socket(planned.key)).and_then(|socket| send_bytes(socket, &slices[..count]));
            if !planned.is_quiet() || sent.is_none_or(|sent| (sent as usize) < bytes) {
                self.answers.push((place, sent));
            }
        }
    }

    fn arm(&mut self, shard: &Shard, key: SessionKey, fd: RawFd, receive: Receive) {
        let waiting = self.interests.at(fd);
        (waiting.key, waiting.receive) = (key, receive);
        if let Some(socket) = shard.socket(key) {
            self.interests.extend(socket, fd);
        }
    }
}

/// What the shard is to be told of the send: the bytes taken, 0 when the socket is full.
fn send_bytes(socket: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> Option<u32> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let sent = match slices {
        [slice] => send(socket, slice, flags),
        slices => sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), flags),
    };
    match sent {
        Ok(count) => u32::try_from(count).ok(),
        Err(Errno::AGAIN | Errno::NOBUFS | Errno::INTR) => Some(0),
        Err(_) => None,
    }
}
