//! A broadcast server of a few threads that can be told to misbehave in one exact way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fanring::wire::frame::{OpCode, append_frame};
use fanring::wire::handshake::{Policy, Route, accept_response, route};
use fanring::wire::http::{head_end, parse_head};
use fanring::wire::message::{Event, Kind, Reader, Role, Rules};

/// Time that a slow server makes up for when its sleeps were too long.
const CATCH_UP_MAX: Duration = Duration::from_millis(50);

/// What goes wrong, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One member does not get the message with this number.
    Drop(u64),
    /// Every member misses one message in 100, each another one.
    DropHundredth,
    /// Every member gets one message in ten twice, each another one.
    RepeatTenth,
    /// One delivery in 1,000 comes this much later than the others.
    Delay(Duration),
    /// The member with this number gets everything this much later than the others.
    Late(usize, Duration),
    /// Upgrades are answered with 503 while so many connections are open.
    Full(usize),
    /// When the message with this number arrives, nothing is delivered to anybody for so long.
    Stall(u64, Duration),
    /// Every message takes so long before it is delivered.
    Slow(Duration),
    /// Everyone gets their own messages too.
    Echo,
    /// Everyone gets their own messages and no others.
    EchoAlone,
    /// Nobody gets anything before having said so: `join ROOM`. Then, what the room gets.
    Join,
    /// As above, and with manners: a welcome, a word that somebody has joined, and a question how they are
    /// that wants an answer, all as messages.
    Polite,
    /// Upgrades are answered with a page.
    Page,
    /// One member gets it twice.
    Repeat(u64),
    /// One member gets it after the one that follows.
    Swap(u64),
    /// One member gets it with one byte changed.
    Damage(u64),
    /// One member gets it as a binary message, if it was text.
    OtherType(u64),
    /// Everyone gets it in two fragments, a ping in between, one byte at a time.
    Dribble(u64),
    /// All connections are dropped when it arrives.
    Die(u64),
    /// One member is closed with 4001 when it arrives.
    Close(u64),
    /// Everyone is closed with 4001 in one piece with the answer to the handshake.
    CloseAtOnce,
    /// Upgrades are answered with a head that does not end.
    LongHead,
    /// Upgrades are answered with 503.
    Refuse,
    /// Upgrades are not answered at all.
    Silence,
    /// Connections are ended instead of an answer.
    HangUp,
}

struct Room {
    /// With their numbers in the order they connected: subscribers come first.
    members: Vec<(usize, TcpStream)>,
    messages: u64,
    held: Option<Vec<u8>>,
    deliveries: u64,
    /// Deliveries that were dropped, repeated or delayed.
    faults: u64,
    pongs: usize,
    /// Messages that are no payloads, in the order they came.
    heard: Vec<String>,
    peers: Vec<String>,
    /// Connections that count for a server that may be full.
    open: usize,
    /// When a slow server is through with what it took so far.
    busy_until: Instant,
}

/// A server on a port of its own; its threads end with the connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    room: Arc<Mutex<Room>>,
}

impl Server {
    /// Starts one.
    pub(crate) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let room = Room {
            members: Vec::new(),
            messages: 0,
            held: None,
            deliveries: 0,
            faults: 0,
            pongs: 0,
            heard: Vec::new(),
            peers: Vec::new(),
            open: 0,
            busy_until: Instant::now(),
        };
        let room = Arc::new(Mutex::new(room));
        let shared = Arc::clone(&room);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (stream, room) = (stream.unwrap(), Arc::clone(&shared));
                thread::spawn(move || serve(number, stream, &room, fault));
            }
        });
        Self { address, room }
    }

    /// Deliveries that were dropped, repeated or delayed.
    pub(crate) fn faults(&self) -> u64 {
        self.room.lock().unwrap().faults
    }

    /// Messages that are no payloads, in the order they came.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.room.lock().unwrap().heard.clone()
    }

    /// The addresses connections came from.
    pub(crate) fn peers(&self) -> Vec<String> {
        self.room.lock().unwrap().peers.clone()
    }

    /// Pongs received from all members.
    pub(crate) fn pongs(&self) -> usize {
        self.room.lock().unwrap().pongs
    }
}

/// Does what faulty servers do instead of an upgrade; `None` if this one does.
fn refuse(stream: &mut TcpStream, fault: Fault) -> Option<()> {
    let answer: &[u8] = match fault {
        Fault::Refuse => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        Fault::LongHead => &[&b"HTTP/1.1 101 Fine\r\nX: "[..], &[b'x'; 20_000]].concat(),
        Fault::Page => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        Fault::Silence => {
            let _ = stream.read(&mut [0]);
            return None;
        }
        Fault::HangUp => return None,
        _ => return Some(()),
    };
    let _ = stream.write_all(answer);
    None
}

fn serve(number: usize, mut stream: TcpStream, room: &Mutex<Room>, fault: Fault) -> Option<()> {
    let mut head = Vec::new();
    let mut chunk = vec![0; 65_536];
    let end = loop {
        if let Some(end) = head_end(&head, 0) {
            break end;
        }
        let count = stream.read(&mut chunk).ok().filter(|&count| count > 0)?;
        head.extend_from_slice(&chunk[..count]);
    };
    refuse(&mut stream, fault)?;
    if let Fault::Full(most) = fault {
        let mut room = room.lock().unwrap();
        if room.open >= most {
            return refuse(&mut stream, Fault::Refuse);
        }
        room.open += 1;
    }
    let parsed = parse_head(&head[..end]).unwrap();
    let Route::WebSocket(upgrade) = route(
        &parsed,
        &Policy {
            allow_origin: &[],
            echo: false,
            ..Policy::default()
        },
    ) else {
        panic!("not an upgrade");
    };
    let mut response = Vec::new();
    accept_response(&upgrade, &mut response);
    if fault == Fault::CloseAtOnce {
        append_frame(&mut response, OpCode::Close, &4001u16.to_be_bytes());
    }
    let member = stream.try_clone().ok()?;
    {
        // Whoever has the answer is a member already: nothing is missed, and nothing comes first.
        let mut room = room.lock().unwrap();
        room.peers.push(stream.peer_addr().ok()?.ip().to_string());
        stream.write_all(&response).ok()?;
        if !matches!(fault, Fault::Join | Fault::Polite) {
            room.members.push((number, member.try_clone().ok()?));
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
            match event {
                Event::Message { kind, payload } if is_published(payload) => {
                    let message = (kind, payload);
                    broadcast(&mut room.lock().unwrap(), number, message, fault);
                }
                Event::Message { payload, .. } => {
                    let text = String::from_utf8(payload.to_vec()).unwrap();
                    let mut room = room.lock().unwrap();
                    if text.starts_with("join ") {
                        room.members.push((number, member.try_clone().ok()?));
                        if fault == Fault::Polite {
                            say(&mut stream, "joined, how are you?");
                        }
                    }
                    room.heard.push(text);
                }
                Event::Ping(_) => panic!("nobody pings here"),
                Event::Pong(_) => room.lock().unwrap().pongs += 1,
                Event::Close(code, _) => {
                    // Before the answer: whoever has it may come again.
                    let mut room = room.lock().unwrap();
                    room.open = room.open.saturating_sub(1);
                    drop(room);
                    let code = code.unwrap().get().to_be_bytes();
                    let mut frame = Vec::new();
                    append_frame(&mut frame, OpCode::Close, &code);
                    let _ = stream.write_all(&frame);
                    let _ = stream.shutdown(Shutdown::Both);
                    return None;
                }
            }
        }
    }
    let mut room = room.lock().unwrap();
    room.open = room.open.saturating_sub(1);
    None
}

/// Whether somebody publishes with it.
fn is_published(message: &[u8]) -> bool {
    message.windows(4).any(|part| part == b"FNLD")
}

fn say(stream: &mut TcpStream, text: &str) {
    let mut frame = Vec::new();
    append_frame(&mut frame, OpCode::Text, text.as_bytes());
    let _ = stream.write_all(&frame);
}

fn broadcast(room: &mut Room, sender: usize, (kind, payload): (Kind, &[u8]), fault: Fault) {
    let number = room.messages;
    room.messages += 1;
    let mut frame = Vec::new();
    append_frame(&mut frame, kind.opcode(), payload);
    // Members that are gone take no more part.
    let mut members = std::mem::take(&mut room.members);
    members.retain(|(_, stream)| stream.peer_addr().is_ok());
    if let Fault::Stall(at, span) = fault
        && at == number
    {
        thread::sleep(span);
    }
    if let Fault::Slow(span) = fault {
        // By the clock and not by sleeps, which a busy machine makes longer: what they were too long by is
        // made up for.
        let now = Instant::now();
        room.busy_until = room.busy_until.max(now - CATCH_UP_MAX) + span;
        thread::sleep(room.busy_until.saturating_duration_since(now));
    }
    for (index, member) in &mut members {
        let is_for = match fault {
            Fault::Echo => true,
            Fault::EchoAlone => *index == sender,
            _ => *index != sender,
        };
        if is_for {
            deliver(room, (*index, number), member, &frame, payload, fault);
        }
    }
    if fault == Fault::Die(number) {
        for (_, stream) in &members {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
    room.members = members;
}

/// Sends one message to one member, or does what the fault says instead.
fn deliver(
    room: &mut Room,
    (index, number): (usize, u64),
    member: &mut TcpStream,
    frame: &[u8],
    payload: &[u8],
    fault: Fault,
) {
    let victim = index == 0;
    let twice = || [frame, frame].concat();
    room.deliveries += 1;
    let _ = match fault {
        Fault::Drop(at) if victim && at == number => Ok(()),
        Fault::DropHundredth if (number + index as u64) % 100 == 42 => {
            room.faults += 1;
            Ok(())
        }
        Fault::RepeatTenth if (number + index as u64) % 10 == 4 => {
            room.faults += 1;
            member.write_all(&twice())
        }
        Fault::Delay(span) if room.deliveries % 1_000 == 500 => {
            room.faults += 1;
            let (mut late, frame) = (member.try_clone().unwrap(), frame.to_vec());
            thread::spawn(move || {
                thread::sleep(span);
                let _ = late.write_all(&frame);
            });
            Ok(())
        }
        Fault::Late(late, span) if late == index => {
            let (mut late, frame) = (member.try_clone().unwrap(), frame.to_vec());
            thread::spawn(move || {
                thread::sleep(span);
                let _ = late.write_all(&frame);
            });
            Ok(())
        }
        Fault::Repeat(at) if victim && at == number => member.write_all(&twice()),
        Fault::Swap(at) if victim && at == number => {
            room.held = Some(frame.to_vec());
            Ok(())
        }
        Fault::Swap(at) if victim && at + 1 == number => {
            let held = room.held.take().unwrap();
            member.write_all(&[frame, &held].concat())
        }
        Fault::Damage(at) if victim && at == number => {
            let mut damaged = frame.to_vec();
            *damaged.last_mut().unwrap() ^= 1;
            member.write_all(&damaged)
        }
        Fault::OtherType(at) if victim && at == number => {
            let mut other = Vec::new();
            append_frame(&mut other, OpCode::Binary, payload);
            member.write_all(&other)
        }
        Fault::Dribble(at) if at == number => dribble(member, payload),
        Fault::Close(at) if victim && at == number => {
            let mut goodbye = Vec::new();
            append_frame(&mut goodbye, OpCode::Close, &4001u16.to_be_bytes());
            member.write_all(&goodbye)
        }
        _ => member.write_all(frame),
    };
}

fn dribble(member: &mut TcpStream, payload: &[u8]) -> std::io::Result<()> {
    let (first, second) = payload.split_at(payload.len() / 2);
    let mut bytes = Vec::new();
    append_frame(&mut bytes, OpCode::Text, first);
    bytes[0] &= 0x7f;
    append_frame(&mut bytes, OpCode::Ping, b"still there?");
    append_frame(&mut bytes, OpCode::Continuation, second);
    member.set_nodelay(true)?;
    bytes.chunks(1).try_for_each(|byte| member.write_all(byte))
}
