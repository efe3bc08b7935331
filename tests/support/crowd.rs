//! Many sessions driven from one thread by epoll: it reads and parses what comes, answers pings
//! and close frames, and hands every data frame to the test.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::client::Client;
use super::frame::{self, CLOSE, Outgoing, PING, PONG, View};

/// Bytes read from one session before the next one's turn.
const READ_BYTES: usize = 256 << 10;

/// One session of a crowd.
#[derive(Debug)]
pub(crate) struct Seat {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    output_start: usize,
    paused: bool,
    watched: epoll::EventFlags,
    /// Whether the server closed the connection, or reset it.
    pub(crate) ended: bool,
    /// Code and reason of the server's close frame.
    pub(crate) close: Option<(u16, String)>,
    /// Writes that found the socket full.
    pub(crate) writes_blocked: u64,
}

/// The sessions.
pub(crate) struct Crowd {
    epoll: OwnedFd,
    seats: Vec<Option<Seat>>,
    /// Sessions taken over with bytes that were read behind their handshake.
    unheard: Vec<usize>,
    scratch: Vec<u8>,
    events: Vec<epoll::Event>,
}

impl Crowd {
    /// Nobody yet.
    pub(crate) fn new() -> Self {
        Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll instance"),
            seats: Vec::new(),
            unheard: Vec::new(),
            scratch: vec![0; READ_BYTES],
            events: Vec::with_capacity(512),
        }
    }

    /// Opens a session at `target` and returns its index.
    #[track_caller]
    pub(crate) fn connect(&mut self, address: SocketAddr, target: &str) -> usize {
        self.sit(Client::connect(address, target))
    }

    /// Takes over an open session.
    #[track_caller]
    pub(crate) fn sit(&mut self, client: Client) -> usize {
        let input = client.wire.bytes().to_vec();
        let stream = client.wire.stream;
        stream.set_nonblocking(true).expect("O_NONBLOCK");
        let index = self.seats.len();
        if !input.is_empty() {
            self.unheard.push(index);
        }
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN).expect("EPOLL_CTL_ADD");
        self.seats.push(Some(Seat {
            stream,
            input,
            output: Vec::new(),
            output_start: 0,
            paused: false,
            watched: epoll::EventFlags::IN,
            ended: false,
            close: None,
            writes_blocked: 0,
        }));
        index
    }

    /// The session at `index`; panics when it was removed.
    #[track_caller]
    pub(crate) fn seat(&self, index: usize) -> &Seat {
        self.seats[index]
            .as_ref()
            .expect("a session that was not removed")
    }

    /// Drops the connection of `index` as it is.
    pub(crate) fn remove(&mut self, index: usize) {
        self.seats[index] = None;
    }

    /// Queues `bytes` for `index` and writes what the socket takes.
    pub(crate) fn send(&mut self, index: usize, bytes: &[u8]) {
        let seat = self.seats[index]
            .as_mut()
            .expect("a session that was not removed");
        seat.output.extend_from_slice(bytes);
        seat.flush();
        self.watch(index);
    }

    /// Stops reading from `index`, so that TCP's window closes.
    pub(crate) fn pause(&mut self, index: usize) {
        self.set_paused(index, Paused::Yes);
    }

    /// Reads from `index` again.
    pub(crate) fn resume(&mut self, index: usize) {
        self.set_paused(index, Paused::No);
    }

    fn set_paused(&mut self, index: usize, paused: Paused) {
        let seat = self.seats[index]
            .as_mut()
            .expect("a session that was not removed");
        seat.paused = paused == Paused::Yes;
        self.watch(index);
    }

    /// Waits at most `wait` for anything to happen, once, and hands every data frame that came,
    /// and every pong, to `heard` with the index of its session.
    #[track_caller]
    pub(crate) fn turn(&mut self, wait: Duration, heard: &mut impl FnMut(usize, View<'_>)) {
        for index in std::mem::take(&mut self.unheard) {
            let Some(seat) = &mut self.seats[index] else {
                continue;
            };
            let mut input = std::mem::take(&mut seat.input);
            let taken = seat.handle(&input, &mut |view| heard(index, view));
            input.drain(..taken);
            seat.input = input;
            seat.flush();
            self.watch(index);
        }
        self.events.clear();
        let timeout = Timespec::try_from(wait).expect("a short wait");
        match epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            Some(&timeout),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("epoll_wait: {error}"),
        }
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            let index = usize::try_from(event.data.u64()).expect("an index");
            let Some(seat) = &mut self.seats[index] else {
                continue;
            };
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::OUT) {
                seat.flush();
            }
            if !seat.paused {
                seat.read(&mut self.scratch, &mut |view| heard(index, view));
                seat.flush();
            }
            self.watch(index);
        }
        self.events = events;
    }

    /// Tells epoll what `index` waits for now.
    fn watch(&mut self, index: usize) {
        let Some(seat) = &mut self.seats[index] else {
            return;
        };
        let mut flags = epoll::EventFlags::empty();
        if !seat.paused && !seat.ended {
            flags |= epoll::EventFlags::IN;
        }
        if seat.pending_bytes() > 0 && !seat.ended {
            flags |= epoll::EventFlags::OUT;
        }
        if flags.is_empty() {
            // EPOLLHUP cannot be masked: one that is not read must not spin the loop with it.
            flags |= epoll::EventFlags::ONESHOT;
        }
        if flags == seat.watched {
            return;
        }
        seat.watched = flags;
        let data = epoll::EventData::new_u64(index as u64);
        epoll::modify(&self.epoll, &seat.stream, data, flags).expect("EPOLL_CTL_MOD");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Paused {
    Yes,
    No,
}

impl Seat {
    /// Bytes queued that the socket has not taken yet.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.output.len() - self.output_start
    }

    fn flush(&mut self) {
        while self.output_start < self.output.len() && !self.ended {
            match self.stream.write(&self.output[self.output_start..]) {
                Ok(count) => self.output_start += count,
                Err(error) => {
                    match error.kind() {
                        ErrorKind::WouldBlock => self.writes_blocked += 1,
                        ErrorKind::Interrupted => continue,
                        // The end, or its reason, is found by the next read.
                        _ => self.output_start = self.output.len(),
                    }
                    break;
                }
            }
        }
        if self.output_start == self.output.len() {
            self.output.clear();
            self.output_start = 0;
        }
    }

    #[track_caller]
    fn read(&mut self, scratch: &mut [u8], heard: &mut impl FnMut(View<'_>)) {
        if self.ended {
            return;
        }
        match self.stream.read(scratch) {
            Ok(0) => {
                assert!(self.input.is_empty(), "the stream ended inside a frame");
                self.ended = true;
            }
            Ok(count) if self.input.is_empty() => {
                let taken = self.handle(&scratch[..count], heard);
                self.input.extend_from_slice(&scratch[taken..count]);
            }
            Ok(count) => {
                let mut input = std::mem::take(&mut self.input);
                input.extend_from_slice(&scratch[..count]);
                let taken = self.handle(&input, heard);
                input.drain(..taken);
                self.input = input;
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
                _ => self.ended = true,
            },
        }
    }

    /// Handles the complete frames in `bytes` and returns how many bytes they are.
    #[track_caller]
    fn handle(&mut self, bytes: &[u8], heard: &mut impl FnMut(View<'_>)) -> usize {
        let mut taken = 0;
        loop {
            let (view, size) = match frame::parse(&bytes[taken..]) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => return taken,
                Err(fault) => panic!("the server sent {fault}"),
            };
            taken += size;
            assert!(
                self.close.is_none(),
                "a frame after the close frame: {view:.200?}"
            );
            match view.opcode {
                PING => self
                    .output
                    .extend(Outgoing::new(PONG, view.payload).bytes()),
                CLOSE => {
                    let close = frame::close_payload(view.payload).expect("a right close frame");
                    let close = close.unwrap_or((1005, String::new()));
                    self.output
                        .extend(Outgoing::new(CLOSE, view.payload).bytes());
                    self.close = Some(close);
                }
                _ => heard(view),
            }
        }
    }
}
