//! Runs a shard on epoll, turn by turn as `fanring::shard::event_loop` does on a ring.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use fanring::id::SessionKey;
use fanring::shard::clock::Clock;
use fanring::shard::{Action, FlushBatch, Measured, Received, Shard};
use fanring::socket;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
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
    listener: OwnedFd,
    interests: Interests,
    started: Instant,
    clock: Clock,
    batch: FlushBatch,
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
            listener,
            interests: Interests::new(epoll),
            started: Instant::now(),
            clock: Clock::default(),
            batch: FlushBatch::default(),
            answers: Vec::new(),
            received: vec![0; RECEIVE_BYTES],
        })
    }

    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(1024);
        loop {
            let wait = self.wait();
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(self.interests.epoll(), spare, wait.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let now = self.clock.read(self.started.elapsed());
            self.shard.handle_clock(now);
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    fd => self.ready(RawFd::try_from(fd)?, event.flags),
                }
            }
            self.shard.handle_time(now);
            self.shard.handle_turn();
            self.flush();
            self.perform();
            self.shard.publish_gauges();
            // With one shard, only requests for the web thread: dropped, and so closed.
            while self.shard.poll_message().is_some() {}
        }
    }

    /// How long the next wait may take; for ever if nothing is due.
    fn wait(&mut self) -> Option<Timespec> {
        let deadline = self.shard.next_deadline();
        self.clock.await_deadline(deadline);
        let wait = match self.shard.has_work() {
            true => Duration::ZERO,
            false => deadline?.saturating_sub(self.clock.read(self.started.elapsed())),
        };
        Timespec::try_from(wait).ok()
    }

    fn accept(&mut self) {
        while let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC) {
            self.shard.handle_accepted(socket);
        }
    }

    fn ready(&mut self, fd: RawFd, flags: EventFlags) {
        let waiting = *self.interests.at(fd);
        let ended = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        if waiting.writable && (ended || flags.contains(EventFlags::OUT)) {
            self.interests.at(fd).writable = false;
            self.shard.handle_writable(waiting.key);
        }
        if waiting.receive != Receive::None && (ended || flags.contains(EventFlags::IN)) {
            return self.receive(fd, waiting.key);
        }
        // It fired in vain, or was served: from now on for what is still waited for.
        if let Some(socket) = self.shard.socket(waiting.key) {
            self.interests.restrict(socket, fd);
        }
    }

    fn receive(&mut self, fd: RawFd, key: SessionKey) {
        let Some(socket) = self.shard.socket(key) else {
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
        self.shard.handle_received(key, received, more);
    }

    fn flush(&mut self) {
        self.shard.poll_flush(FLUSH_SENDS_MAX, &mut self.batch);
        for (place, planned) in self.batch.sends.iter().enumerate() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (place, slice) in slices
                .iter_mut()
                .zip(self.shard.slices(&self.batch, planned))
            {
                *place = IoSlice::new(slice);
                count += 1;
            }
            let bytes: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            let sent = (self.shard.socket(planned.key))
                .and_then(|socket| send_bytes(socket, &slices[..count]));
            if !planned.is_quiet() || sent.is_none_or(|sent| (sent as usize) < bytes) {
                self.answers.push((place, sent));
            }
        }
        for (place, sent) in self.answers.drain(..) {
            self.shard.handle_sent(&self.batch, place, sent);
        }
    }

    fn perform(&mut self) {
        while let Some(action) = self.shard.poll_action() {
            match action {
                Action::ReceiveOnce(key, fd) => self.arm(key, fd, Receive::Once),
                Action::Receive(key, fd) => self.arm(key, fd, Receive::Multishot),
                Action::CancelReceive(key) => {
                    let fd = self.shard.socket(key).map(|socket| socket.as_raw_fd());
                    let Some(fd) = fd else { continue };
                    if self.interests.at(fd).receive != Receive::None {
                        self.interests.at(fd).receive = Receive::None;
                        self.shard.handle_received(key, Received::Cancelled, false);
                    }
                }
                Action::Measure(key) => {
                    let measured = (self.shard.socket(key)).map(socket::measure);
                    let progress = measured.and_then(Result::ok).unwrap_or_default();
                    let measured = Measured {
                        acknowledged: progress.acknowledged,
                        outstanding: progress.outstanding,
                        unsent: progress.unsent,
                        unread: progress.unread,
                    };
                    self.shard.handle_measured(key, measured);
                }
                Action::PollWritable(key, fd) => {
                    let waiting = self.interests.at(fd);
                    (waiting.key, waiting.writable) = (key, true);
                    if let Some(socket) = self.shard.socket(key) {
                        self.interests.extend(socket, fd);
                    }
                }
                Action::ShutdownWrite(key) => {
                    let _ = self.shard.socket(key).map(socket::shutdown_write);
                }
                Action::Shutdown(key) => {
                    let _ = self.shard.socket(key).map(socket::shutdown_both);
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
    }

    fn arm(&mut self, key: SessionKey, fd: RawFd, receive: Receive) {
        let waiting = self.interests.at(fd);
        (waiting.key, waiting.receive) = (key, receive);
        if let Some(socket) = self.shard.socket(key) {
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
