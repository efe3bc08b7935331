//! A broadcast server of a few threads that can be told to misbehave in one exact way.

mod delivery;
mod fault;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use fanring::wire::frame::OpCode;
use fanring::wire::handshake::{Policy, Route, Upgrade, accept_response, route};
use fanring::wire::http::{head_end, parse_head};
use fanring::wire::message::{Event, Reader, Role, Rules};

use self::delivery::{Room, frame, goodbye};
pub(crate) use self::fault::Fault;

/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was heard besides published messages.
#[derive(Default)]
struct Heard {
    pongs: usize,
    /// Messages that are no payloads, in the order they came.
    words: Vec<String>,
    peers: Vec<String>,
    /// What the server was called.
    hosts: Vec<String>,
    /// Codes of goodbyes; 1005 for one without.
    goodbyes: Vec<u16>,
}

/// What the threads of a server share.
struct House {
    fault: Fault,
    room: Mutex<Room>,
    heard: Mutex<Heard>,
}

/// A server on a port of its own; its threads end with the connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    house: Arc<House>,
}

impl Server {
    /// Starts one.
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let house = Arc::new(House {
            fault,
            room: Mutex::new(Room::new()),
            heard: Mutex::default(),
        });
        let shared = Arc::clone(&house);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (stream, house) = (stream.unwrap(), Arc::clone(&shared));
                thread::spawn(move || house.serve(number, stream));
            }
        });
        Self { address, house }
    }

    /// How often what is wrong with it happened: deliveries that were dropped, repeated, delayed or sent
    /// as history, and handshakes that were refused or not answered.
    pub(crate) fn faults(&self) -> u64 {
        self.house.room().faults
    }

    /// The most deliveries that waited at once, after a slow start was over.
    pub(crate) fn most_waiting(&self) -> usize {
        self.house.room().most_waiting
    }

    /// Messages that are no payloads, in the order they came.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.house.heard().words.clone()
    }

    /// The addresses connections came from.
    pub(crate) fn peers(&self) -> Vec<String> {
        self.house.heard().peers.clone()
    }

    /// What each connection that was upgraded called the server.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.house.heard().hosts.clone()
    }

    /// Codes of goodbyes, in the order they came; 1005 for one without.
    pub(crate) fn goodbyes(&self) -> Vec<u16> {
        self.house.heard().goodbyes.clone()
    }

    /// Pongs received from all members.
    pub(crate) fn pongs(&self) -> usize {
        self.house.heard().pongs
    }

    /// Waits until so many members have joined and so many messages were published.
    pub(crate) fn wait_for(&self, members: usize, messages: u64) {
        let started = Instant::now();
        loop {
            let room = self.house.room();
            if room.members.len() >= members && room.messages >= messages {
                return;
            }
            drop(room);
            assert!(started.elapsed() < PATIENCE, "they did not come");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl House {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }

    /// Takes a place for a connection if there is one.
    fn has_room(&self, most: usize) -> bool {
        let mut room = self.room();
        let is_free = room.open < most;
        room.open += usize::from(is_free);
        is_free
    }

    /// Gives the place of a connection to others.
    fn leave_room(&self) {
        let mut room = self.room();
        room.open = room.open.saturating_sub(1);
    }

    /// Does what faulty servers do instead of an upgrade; `None` if this one does.
    fn refuse(&self, number: usize, head: &[u8], stream: &mut TcpStream) -> Option<()> {
        let answer: &[u8] = match self.fault {
            Fault::Parrot(from) if number < from => return Some(()),
            Fault::Parrot(_) => {
                let head = String::from_utf8_lossy(head);
                let asked = head.split(' ').nth(1).unwrap();
                let shown = head.split("Authorization: ").nth(1);
                let shown = shown.and_then(|rest| rest.lines().next()).unwrap();
                let body = format!("no {asked} with {shown}");
                let length = body.len();
                &format!("HTTP/1.1 403 No\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
            }
            Fault::RefuseSome(from, count) if !(from..from + count).contains(&number) => {
                return Some(());
            }
            Fault::Full(most) if self.has_room(most) => return Some(()),
            Fault::Refuse | Fault::RefuseSome(..) | Fault::Full(_) => {
                self.room().faults += 1;
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 8\r\n\r\nwe\nsleep"
            }
            Fault::Redirect => b"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/ws\r\n\r\n",
            Fault::LongHead => &[&b"HTTP/1.1 101 Fine\r\nX: "[..], &[b'x'; 20_000]].concat(),
            Fault::Page => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            Fault::SilenceFrom(from) if number < from => return Some(()),
            Fault::Silence | Fault::SilenceFrom(_) => {
                self.room().faults += 1;
                let _ = stream.read(&mut [0]);
                return None;
            }
            Fault::HangUp => return None,
            _ => return Some(()),
        };
        let _ = stream.write_all(answer);
        if self.fault == Fault::Redirect {
            let _ = stream.read(&mut [0]);
        }
        None
    }

    fn serve(&self, number: usize, mut stream: TcpStream) -> Option<()> {
        let fault = self.fault;
        let head = read_head(&mut stream)?;
        self.refuse(number, &head, &mut stream)?;
        let upgrade = judge(&head, &[]);
        let mut chunk = vec![0; 65_536];
        let mut response = Vec::new();
        accept_response(&upgrade, &mut response);
        if fault == Fault::CloseAtOnce {
            response.extend(goodbye(Some(4001)));
        }
        let number = number_of(&head).unwrap_or(number);
        let peer = stream.peer_addr().ok()?.ip().to_string();
        {
            let head = String::from_utf8_lossy(&head);
            let host = head.lines().find_map(|line| line.strip_prefix("Host: "));
            let mut heard = self.heard();
            heard.peers.push(peer);
            heard.hosts.extend(host.map(str::to_owned));
        }
        {
            // Whoever has the answer is a member already: nothing is missed, and nothing comes first.
            let mut room = self.room();
            if let Fault::SlowUpgrade(span) = fault {
                thread::sleep(span);
            }
            stream.write_all(&response).ok()?;
            if !matches!(fault, Fault::Join | Fault::Polite) {
                room.replay(&mut stream).ok()?;
                room.members.push((number, stream.try_clone().ok()?));
            }
        }
        if fault == Fault::Polite {
            say(&mut stream, "welcome, who are you?");
        }
        let rules = Rules {
            role: Role::Server,
            message_bytes_max: 1 << 20,
        };
        let mut reader = Reader::default();
        while let Some(count) = stream.read(&mut chunk).ok().filter(|&count| count > 0) {
            let mut bytes = &mut chunk[..count];
            while let Some(event) = reader.next(&mut bytes, &rules).unwrap() {
                self.take(number, &mut stream, event)?;
            }
        }
        self.leave_room();
        None
    }

    /// Deals with what a member says; `None` when it has gone.
    fn take(&self, number: usize, stream: &mut TcpStream, event: Event<'_>) -> Option<()> {
        match event {
            Event::Message { payload, .. } if self.fault == Fault::Reject => {
                say(stream, answer_as_phoenix(payload));
            }
            Event::Message { kind, payload } if is_published(payload) => {
                if let Fault::Deaf(at, span) = self.fault
                    && self.room().messages == at
                {
                    thread::sleep(span);
                }
                self.room().broadcast(number, (kind, payload), self.fault);
            }
            Event::Message { payload, .. } => {
                let text = String::from_utf8(payload.to_vec()).unwrap();
                if text.starts_with("join ") {
                    let mut room = self.room();
                    room.members.push((number, stream.try_clone().ok()?));
                    if self.fault == Fault::Polite {
                        say(stream, "joined, how are you?");
                    }
                }
                self.heard().words.push(text);
            }
            Event::Ping(_) => panic!("nobody pings here"),
            Event::Pong(_) => self.heard().pongs += 1,
            Event::Close(code, _) => {
                // Before the answer: whoever has it may come again.
                self.leave_room();
                let told = code.map_or(1005, |code| code.get());
                self.heard().goodbyes.push(told);
                let held = match self.fault {
                    Fault::AtGoodbye(_) if number == 0 => self.room().held.take(),
                    _ => None,
                };
                let last = [
                    held.unwrap_or_default(),
                    goodbye(code.map(|code| code.get())),
                ];
                let _ = stream.write_all(&last.concat());
                let _ = stream.shutdown(Shutdown::Both);
                return None;
            }
        }
        Some(())
    }
}

/// The head of a request; nobody sends more before it is answered.
pub(crate) fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut head, mut chunk) = (Vec::new(), [0; 4096]);
    while head_end(&head, 0).is_none() {
        let count = stream.read(&mut chunk).ok().filter(|&count| count > 0)?;
        head.extend_from_slice(&chunk[..count]);
    }
    Some(head)
}

/// What a request for an upgrade asks for, by a server that speaks these subprotocols.
pub(crate) fn judge(head: &[u8], subprotocols: &[String]) -> Upgrade {
    let parsed = parse_head(head).unwrap();
    let policy = Policy {
        allow_origin: &[],
        echo: false,
        subprotocols,
        ..Policy::default()
    };
    match route(&parsed, &policy) {
        Route::WebSocket(upgrade) => upgrade,
        _ => panic!("not an upgrade"),
    }
}

/// The number that a request's path says its session has.
fn number_of(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head);
    let (_, rest) = head.split_once("&i=")?;
    rest.split(' ').next()?.parse().ok()
}

/// Whether somebody publishes with it.
fn is_published(message: &[u8]) -> bool {
    message.windows(4).any(|part| part == b"FNLD")
}

/// Lets everybody join, and nobody publish.
fn answer_as_phoenix(message: &[u8]) -> &'static str {
    match is_published(message) {
        true => {
            "[\"1\",\"2\",\"room:0\",\"phx_reply\",{\"status\":\"error\",\"response\":{\"reason\":\"full\"}}]"
        }
        false => "[\"1\",\"1\",\"room:0\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]",
    }
}

fn say(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(&frame(OpCode::Text, text.as_bytes()));
}
