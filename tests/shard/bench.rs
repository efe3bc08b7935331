//! Shards driven by hand: made-up sockets, no ring, and messages passed one by one.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use fanring::config::{Config, LOG_BYTES_MIN};
use fanring::id::{SessionKey, ShardId, ThreadId};
use fanring::metrics::ShardMetrics;
use fanring::room::homes::Homes;
use fanring::shard::{Action, FlushBatch, Measured, Received, Shard, ShardSetup};
use fanring::talk::{Handover, Letter, ToShard};
use fanring::wire::frame::{OpCode, Role, append_masked_frame, decode_header};
use fanring::wire::http::head_end;

/// A ping of Centrifugo's protocol in JSON, as it is sent.
const PING: &[u8] = b"\x81\x02{}";

/// A client and what it was sent.
#[derive(Debug)]
struct Client {
    shard: usize,
    fd: RawFd,
    key: Option<SessionKey>,
    receiving: bool,
    polling: bool,
    /// Whether its receive has missed the end, and no shutdown wakes it.
    stuck: bool,
    /// How many bytes its socket takes of a send.
    takes: usize,
    /// Whether it answers each ping of Centrifugo's protocol as soon as that is sent.
    answers: bool,
    /// What the kernel says of its socket.
    measured: Measured,
    wire: Vec<u8>,
}

/// How a receive goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// It takes one buffer and is over.
    Once,
    /// It takes buffers for as long as there are bytes.
    On,
}

/// Shards and the clients on them.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) shards: Vec<Shard>,
    pub(crate) metrics: Arc<[ShardMetrics]>,
    clients: Vec<Client>,
    /// Receives that were begun since the last look.
    begun: Vec<(usize, Reads)>,
    /// A shard whose messages do not reach the others yet, and those that wait.
    held_mail: Option<(usize, Vec<Letter>)>,
}

impl Bench {
    /// So many shards with the smallest log.
    pub(crate) fn new(shards: u16) -> Self {
        Self::with(Config {
            shards: NonZeroUsize::new(usize::from(shards)).unwrap(),
            log_bytes: LOG_BYTES_MIN,
            lag_bytes_max: LOG_BYTES_MIN / 2,
            descriptors_max: 200,
            ..Config::default()
        })
    }

    /// As many shards as the configuration says.
    pub(crate) fn with(config: Config) -> Self {
        let config = Arc::new(config);
        let shards = u16::try_from(config.shards.get()).unwrap();
        let metrics: Arc<[ShardMetrics]> = (0..shards).map(|_| ShardMetrics::default()).collect();
        let make = |number| {
            Shard::new(ShardSetup {
                number,
                homes: homes(shards),
                config: Arc::clone(&config),
                metrics: Arc::clone(&metrics),
                seed: u64::from(number.number()),
            })
        };
        Self {
            shards: ShardId::all(shards)
                .map(|number| make(number).unwrap())
                .collect(),
            metrics,
            clients: Vec::new(),
            begun: Vec::new(),
            held_mail: None,
        }
    }

    /// A client connects to a shard of its choice and has sent nothing yet.
    pub(crate) fn connect(&mut self, shard: usize) -> usize {
        let socket = self.socket(shard);
        self.shards[shard].handle_accepted(socket);
        self.settle();
        self.clients.len() - 1
    }

    fn socket(&mut self, shard: usize) -> OwnedFd {
        let socket: OwnedFd = File::open("/dev/null").unwrap().into();
        self.clients.push(Client {
            shard,
            fd: socket.as_raw_fd(),
            key: None,
            receiving: false,
            polling: false,
            stuck: false,
            takes: usize::MAX,
            answers: false,
            measured: Measured::default(),
            wire: Vec::new(),
        });
        socket
    }

    /// A client joins the room that `target` names, on a shard of its choice.
    pub(crate) fn join(&mut self, shard: usize, target: &str) -> usize {
        let client = self.ask(shard, target);
        self.settle();
        assert!(self.clients[client].receiving, "it has joined");
        let wire = &mut self.clients[client].wire;
        let end = head_end(wire, 0).expect("its handshake was answered");
        wire.drain(..end);
        client
    }

    /// A client asks to join the room that `target` names, and its shard does not act on that yet.
    pub(crate) fn ask(&mut self, shard: usize, target: &str) -> usize {
        self.adopt(
            shard,
            &format!(
                "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ),
        )
    }

    /// A client's first request reaches a shard, which does not act on anything else yet.
    pub(crate) fn adopt(&mut self, shard: usize, head: &str) -> usize {
        let socket = self.socket(shard);
        let client = self.clients.len() - 1;
        let adopt = ToShard::Adopt {
            from: ThreadId::Web,
            connection: Handover {
                socket,
                bytes: head.as_bytes().to_vec(),
            },
            placed: true,
        };
        self.shards[shard].handle_message(adopt);
        client
    }

    /// A client that has not joined yet sends a piece of its request.
    pub(crate) fn request(&mut self, client: usize, piece: &[u8]) {
        self.send_once(client, &mut piece.to_vec());
        self.settle();
    }

    /// What a client was sent since the last look, which are no frames.
    pub(crate) fn answered(&mut self, client: usize) -> String {
        String::from_utf8(std::mem::take(&mut self.clients[client].wire)).unwrap()
    }

    /// Which shard a client has connected to.
    pub(crate) fn shard(&self, client: usize) -> usize {
        self.clients[client].shard
    }

    /// Which session of its shard a client has.
    pub(crate) fn key(&self, client: usize) -> SessionKey {
        self.clients[client].key.expect("it has joined")
    }

    /// From now on the client answers pings of Centrifugo's protocol, and keeps them for itself.
    pub(crate) fn answer(&mut self, client: usize) {
        self.clients[client].answers = true;
    }

    /// The client's bytes reach its shard, which does not act on anything else yet.
    pub(crate) fn say(&mut self, client: usize, opcode: OpCode, payload: &[u8]) {
        let mut frame = Vec::new();
        append_masked_frame(&mut frame, opcode, true, payload, [1, 2, 3, 4]);
        let (key, shard) = (self.key(client), self.clients[client].shard);
        self.shards[shard].handle_received(key, Received::Data(&mut frame), true);
    }

    /// Any bytes of the client reach its shard, which does not act on anything else yet.
    pub(crate) fn send(&mut self, client: usize, bytes: &mut [u8]) {
        let (key, shard) = (self.key(client), self.clients[client].shard);
        self.shards[shard].handle_received(key, Received::Data(bytes), true);
    }

    /// There was no buffer for what the client has sent; its shard does not act on that yet.
    pub(crate) fn starve(&mut self, client: usize) {
        self.last_received(client, Received::NoBuffers);
    }

    /// The client's bytes reach its shard, which receives no more of them by itself; nor does it act on them yet.
    pub(crate) fn send_once(&mut self, client: usize, bytes: &mut [u8]) {
        self.last_received(client, Received::Data(bytes));
    }

    /// The client's receive is over with that.
    fn last_received(&mut self, client: usize, received: Received<'_>) {
        let (key, shard) = (self.key(client), self.clients[client].shard);
        self.clients[client].receiving = false;
        self.shards[shard].handle_received(key, received, false);
    }

    /// Whom a shard has begun to receive from since the last look, in its order.
    pub(crate) fn begun(&mut self) -> Vec<(usize, Reads)> {
        std::mem::take(&mut self.begun)
    }

    /// The client's connection breaks.
    pub(crate) fn fail(&mut self, client: usize) {
        self.last_received(client, Received::Failed);
    }

    /// The client ends its side of the connection.
    pub(crate) fn end(&mut self, client: usize) {
        self.last_received(client, Received::End);
    }

    /// The client's receive goes on whatever happens to the connection.
    pub(crate) fn stick(&mut self, client: usize) {
        self.clients[client].stuck = true;
    }

    /// The client's socket takes no more bytes.
    pub(crate) fn block(&mut self, client: usize) {
        self.clients[client].takes = 0;
    }

    /// The client's socket takes only so many bytes of each send.
    pub(crate) fn crawl(&mut self, client: usize, bytes: usize) {
        self.clients[client].takes = bytes;
    }

    /// What the kernel says of the client's socket from now on.
    pub(crate) fn measure(&mut self, client: usize, measured: Measured) {
        self.clients[client].measured = measured;
    }

    /// What the client was sent since it joined or since the last look.
    pub(crate) fn wire(&mut self, client: usize) -> Vec<u8> {
        std::mem::take(&mut self.clients[client].wire)
    }

    /// The client's socket takes bytes again, and its shard is told.
    pub(crate) fn unblock(&mut self, client: usize) {
        self.clients[client].takes = usize::MAX;
        self.wake(client);
    }

    /// The client's socket has room, and its shard is told if it asked.
    pub(crate) fn wake(&mut self, client: usize) {
        if std::mem::take(&mut self.clients[client].polling) {
            let (key, shard) = (self.key(client), self.clients[client].shard);
            self.shards[shard].handle_writable(key);
        }
    }

    /// Whether the client is read from.
    pub(crate) fn is_read(&self, client: usize) -> bool {
        self.clients[client].receiving
    }

    /// Does to sockets what a shard asks for.
    pub(crate) fn act(&mut self, shard: usize) {
        while let Some(action) = self.shards[shard].poll_action() {
            match action {
                Action::ReceiveOnce(key, fd) => self.receive(shard, key, fd, Reads::Once),
                Action::Receive(key, fd) => self.receive(shard, key, fd, Reads::On),
                Action::Measure(key) => {
                    let measured = self.client(shard, key).measured;
                    self.shards[shard].handle_measured(key, measured);
                }
                Action::PollWritable(key, _) => self.client(shard, key).polling = true,
                Action::CancelReceive(key) => {
                    // It may have ended by itself in the meantime.
                    if std::mem::take(&mut self.client(shard, key).receiving) {
                        self.shards[shard].handle_received(key, Received::Cancelled, false);
                    }
                }
                Action::Shutdown(key) => {
                    let client = self.client(shard, key);
                    let receiving = !client.stuck && std::mem::take(&mut client.receiving);
                    if std::mem::take(&mut client.polling) {
                        self.shards[shard].handle_writable(key);
                    }
                    if receiving {
                        self.shards[shard].handle_received(key, Received::End, false);
                    }
                }
                Action::ShutdownWrite(_) | Action::HoldLittle(_) => {}
                Action::Close(socket) | Action::Abort(socket) => drop(socket),
            }
        }
    }

    fn receive(&mut self, shard: usize, key: SessionKey, fd: RawFd, reads: Reads) {
        let number = self.by_socket(shard, fd);
        let client = &mut self.clients[number];
        client.key = Some(key);
        client.receiving = true;
        self.begun.push((number, reads));
    }

    /// Which client has that socket now: descriptors come back.
    fn by_socket(&self, shard: usize, fd: RawFd) -> usize {
        let by_fd = |client: &Client| client.shard == shard && client.fd == fd;
        let number = self.clients.iter().rposition(by_fd);
        number.expect("a client's socket")
    }

    fn client(&mut self, shard: usize, key: SessionKey) -> &mut Client {
        let here = (self.clients.iter_mut())
            .find(|client| client.shard == shard && client.key == Some(key));
        here.expect("a client's session")
    }

    /// At most `sends_max` sends of a shard's flush, each taken as far as its client's socket does.
    pub(crate) fn flush(&mut self, shard: usize, sends_max: usize) -> Vec<usize> {
        let mut batch = FlushBatch::new(sends_max);
        self.shards[shard].poll_flush(&mut batch);
        let (mut reached, mut answers, mut pinged) = (Vec::new(), Vec::new(), Vec::new());
        for (place, send) in batch.sends.iter().enumerate() {
            let slices = self.shards[shard].slices(&batch, send);
            let bytes = slices.collect::<Vec<_>>().concat();
            // The first send of a session answers its handshake, before it is received from.
            let number = self.by_socket(shard, send.fd);
            let client = &mut self.clients[number];
            client.key = Some(send.key);
            let sent = bytes.len().min(client.takes);
            let begun = client.wire.len().saturating_sub(PING.len() - 1);
            client.wire.extend_from_slice(&bytes[..sent]);
            let news = &client.wire[begun..];
            if client.answers && news.windows(PING.len()).any(|frame| frame == PING) {
                pinged.push(number);
            }
            if sent < bytes.len() || !send.is_quiet() {
                answers.push((place, u32::try_from(sent).ok()));
            }
            reached.push(number);
        }
        for (place, sent) in answers {
            self.shards[shard].handle_sent(&batch, place, sent);
        }
        self.shards[shard].handle_flushed();
        for client in pinged {
            self.say(client, OpCode::Text, b"{}");
        }
        reached
    }

    /// Passes on what a shard has to say to others; true when that was something.
    fn pass_messages(&mut self, shard: usize) -> bool {
        let mut any = false;
        while let Some(letter) = self.shards[shard].poll_letter() {
            any = true;
            match &mut self.held_mail {
                Some((held, mail)) if *held == shard => mail.push(letter),
                _ => self.hand_out(letter),
            }
        }
        any
    }

    /// It is `now` on a shard, and all that has arrived by now was handled.
    pub(crate) fn pass_time(&mut self, shard: usize, now: Duration) {
        self.shards[shard].handle_clock(now);
        self.shards[shard].handle_time();
    }

    /// A message arrives; there is no web thread.
    pub(crate) fn hand_out(&mut self, letter: Letter) {
        if let Letter::Shard(to, message) = letter {
            self.shards[to.index()].handle_message(message);
        }
    }

    /// From now on what `shard` tells others waits.
    pub(crate) fn hold_mail(&mut self, shard: usize) {
        self.held_mail = Some((shard, Vec::new()));
    }

    /// What waits arrives, and nothing waits any more.
    pub(crate) fn deliver_mail(&mut self) {
        let (_, mail) = self.held_mail.take().expect("mail is held");
        for letter in mail {
            self.hand_out(letter);
        }
    }

    /// Turns until nobody has anything left to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut busy = false;
            for shard in 0..self.shards.len() {
                self.act(shard);
                busy |= self.shards[shard].has_work();
                self.shards[shard].handle_turn();
                self.shards[shard].publish_gauges();
                (self.shards[shard].check_invariants()).unwrap_or_else(|broken| panic!("{broken}"));
                self.flush(shard, 256);
                self.act(shard);
                busy |= self.pass_messages(shard);
            }
            if !busy && !self.shards.iter().any(Shard::has_work) {
                self.check_seats();
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// At rest every connection that is counted is there, and the other way round.
    fn check_seats(&self) {
        let seats = self.shards.iter().map(Shard::seats);
        let (taken, seated) = seats.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let is_known = self.held_mail.is_none();
        assert!(
            !is_known || taken == seated,
            "{seated} have seats, {taken} are taken"
        );
    }

    /// The payloads of the frames a client was sent since it joined or since the last look, with
    /// a close as its code.
    pub(crate) fn heard(&mut self, client: usize) -> Vec<String> {
        let (wire, answers) = (self.wire(client), self.clients[client].answers);
        let (mut rest, mut heard) = (&wire[..], Vec::new());
        while !rest.is_empty() {
            let header = decode_header(rest, Role::Client).unwrap().unwrap();
            let end = header.bytes + usize::try_from(header.payload_bytes).unwrap();
            let payload = &rest[header.bytes..end];
            if answers && rest[..end] == *PING {
                rest = &rest[end..];
                continue;
            }
            heard.push(match header.opcode {
                OpCode::Close => format!("close {}", u16::from_be_bytes([payload[0], payload[1]])),
                _ => String::from_utf8_lossy(payload).into_owned(),
            });
            rest = &rest[end..];
        }
        heard
    }
}

/// Where rooms have their homes in every run.
fn homes(shards: u16) -> Homes {
    Homes::new(shards, 0)
}

/// The names of rooms whose home is shard `home` of `shards`.
pub(crate) fn rooms_at(home: u16, shards: u16) -> impl Iterator<Item = String> {
    names_at("room", home, shards)
}

/// The same of those whose names have this beginning.
pub(crate) fn names_at(beginning: &str, home: u16, shards: u16) -> impl Iterator<Item = String> {
    (0..)
        .map(move |number| format!("{beginning}{number}"))
        .filter(move |name| homes(shards).of(name) == ShardId::new(home))
}

/// The first of them.
pub(crate) fn room_at(home: u16, shards: u16) -> String {
    rooms_at(home, shards)
        .next()
        .expect("names spread over all shards")
}
