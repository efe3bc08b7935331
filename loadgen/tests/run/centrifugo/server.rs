//! A server of Centrifugo's client protocol with one channel's worth of everything, which can be told to misbehave in one
//! exact way.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fanring::wire::frame::{OpCode, append_frame};
use fanring::wire::handshake::accept_response;
use fanring::wire::message::{Event, Reader, Role, Rules};

use super::wire::{Command, Encoding, Position, Publication, Push, Reply, Subscribed};
use crate::server::{judge, read_head};

/// The subprotocol of those who speak Protobuf.
const PROTOBUF: &str = "centrifuge-protobuf";

/// What is peculiar about it. Publishes are counted from 0, over all channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    None,
    /// Acknowledges so much later than it delivers.
    AcknowledgeLate(Duration),
    /// Delivers the publish with this number and never answers it.
    Unanswered(u64),
    /// Does not take the publish with this number.
    Busy(u64),
    /// Has no history when somebody comes back.
    Forgetful,
    /// Says it gave back all, and leaves out the second message that was missed, to everybody.
    Liar,
    /// Gives back one message more than was missed: the last that one had.
    Repeater,
    /// Says it gave back all, and does so in pushes that follow.
    ByPush,
    /// Takes the channel away from everybody who only listens when the publish with this number came, and lets them come
    /// back: "insufficient state".
    Evict(u64),
}

/// A member of a channel.
struct Member {
    number: usize,
    stream: TcpStream,
    encoding: Encoding,
    wants_notices: bool,
    publishes: bool,
}

#[derive(Default)]
struct Channel {
    history: Vec<Publication>,
    members: Vec<Member>,
}

#[derive(Default)]
struct Rooms {
    channels: HashMap<String, Channel>,
    published: u64,
    /// What those who came back asked for.
    asked: Vec<Position>,
}

struct House {
    habit: Habit,
    rooms: Mutex<Rooms>,
}

/// A server on a port of its own; its threads end with the connections.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    house: Arc<House>,
}

/// A connection.
struct Guest {
    number: usize,
    stream: TcpStream,
    encoding: Encoding,
}

impl Server {
    pub(super) fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let house = Arc::new(House {
            habit,
            rooms: Mutex::default(),
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

    /// Where those who came back had stood.
    pub(super) fn asked(&self) -> Vec<Position> {
        self.house.rooms.lock().unwrap().asked.clone()
    }
}

fn send(stream: &mut TcpStream, encoding: Encoding, message: &[u8]) {
    let kind = match encoding {
        Encoding::Json => OpCode::Text,
        Encoding::Protobuf => OpCode::Binary,
    };
    let mut bytes = Vec::new();
    append_frame(&mut bytes, kind, message);
    // Whoever is gone is found out by the thread that reads.
    let _ = stream.write_all(&bytes);
}

impl House {
    fn serve(&self, number: usize, mut stream: TcpStream) -> Option<()> {
        // Replies follow pushes at once.
        stream.set_nodelay(true).ok()?;
        let upgrade = judge(&read_head(&mut stream)?, &[PROTOBUF.to_owned()]);
        let encoding = match upgrade.subprotocol.as_deref() {
            Some(PROTOBUF) => Encoding::Protobuf,
            _ => Encoding::Json,
        };
        let mut response = Vec::new();
        accept_response(&upgrade, &mut response);
        stream.write_all(&response).ok()?;
        let mut guest = Guest {
            number,
            stream,
            encoding,
        };
        self.hear(&mut guest);
        let mut rooms = self.rooms.lock().unwrap();
        for (name, channel) in &mut rooms.channels {
            let before = channel.members.len();
            channel.members.retain(|member| member.number != number);
            if channel.members.len() < before {
                tell(channel, name, &Push::Left);
            }
        }
        None
    }

    fn hear(&self, guest: &mut Guest) -> Option<()> {
        let rules = Rules {
            role: Role::Server,
            message_bytes_max: 1 << 20,
        };
        let (mut reader, mut chunk) = (Reader::default(), vec![0; 65_536]);
        while let Some(count) = guest
            .stream
            .read(&mut chunk)
            .ok()
            .filter(|&count| count > 0)
        {
            let mut bytes = &mut chunk[..count];
            while let Some(event) = reader.next(&mut bytes, &rules).unwrap() {
                match event {
                    Event::Message { payload, .. } => {
                        for (id, command) in guest.encoding.commands(payload) {
                            self.obey(guest, id, command);
                        }
                    }
                    Event::Close(..) => return None,
                    _ => {}
                }
            }
        }
        Some(())
    }

    fn obey(&self, guest: &mut Guest, id: u32, command: Command) {
        match command {
            Command::Pong => {}
            Command::Connect => {
                guest.reply(id, &Reply::Connected);
                let ping = guest.encoding.ping();
                send(&mut guest.stream, guest.encoding, &ping);
            }
            Command::Subscribe { .. } => self.subscribe(guest, id, command),
            Command::Publish { channel, data } => self.publish(guest, id, &channel, data),
        }
    }

    fn subscribe(&self, guest: &mut Guest, id: u32, command: Command) {
        let Command::Subscribe {
            channel: name,
            is_recoverable,
            wants_notices,
            since,
        } = command
        else {
            return;
        };
        let mut rooms = self.rooms.lock().unwrap();
        let Rooms {
            channels, asked, ..
        } = &mut *rooms;
        asked.extend(since.clone());
        let channel = channels.entry(name.clone()).or_default();
        let mut subscribed = Subscribed {
            is_recoverable,
            epoch: "E".to_owned(),
            offset: channel.history.len() as u64,
            was_recovering: since.is_some(),
            ..Subscribed::default()
        };
        let mut pushed = Vec::new();
        if let Some(since) =
            since.filter(|since| self.habit != Habit::Forgetful && since.epoch == "E")
        {
            let seen = usize::try_from(since.offset).unwrap();
            let mut missed = channel.history[seen..].to_vec();
            match self.habit {
                Habit::Liar if missed.len() > 1 => _ = missed.remove(1),
                Habit::Repeater if seen > 0 => missed.insert(0, channel.history[seen - 1].clone()),
                Habit::ByPush => pushed = std::mem::take(&mut missed),
                _ => {}
            }
            subscribed.offset = since.offset;
            subscribed.recovered = true;
            subscribed.publications = missed;
        }
        guest.reply(id, &Reply::Subscribed(&subscribed));
        for publication in &pushed {
            let push = guest.encoding.push(&name, &Push::Published(publication));
            send(&mut guest.stream, guest.encoding, &push);
        }
        let publishes = channel
            .members
            .iter()
            .any(|member| member.number == guest.number && member.publishes);
        channel
            .members
            .retain(|member| member.number != guest.number);
        channel.members.push(Member {
            number: guest.number,
            stream: guest.stream.try_clone().unwrap(),
            encoding: guest.encoding,
            wants_notices,
            publishes,
        });
        tell(channel, &name, &Push::Joined);
    }

    fn publish(&self, guest: &mut Guest, id: u32, name: &str, data: Vec<u8>) {
        let mut rooms = self.rooms.lock().unwrap();
        let number = rooms.published;
        rooms.published += 1;
        if self.habit == Habit::Busy(number) {
            let refusal = Reply::Refused {
                code: 111,
                message: "too many requests",
            };
            return guest.reply(id, &refusal);
        }
        let channel = rooms.channels.entry(name.to_owned()).or_default();
        channel
            .history
            .push((channel.history.len() as u64 + 1, data));
        let publication = channel.history.last().unwrap().clone();
        for member in &mut channel.members {
            member.publishes |= member.number == guest.number;
        }
        if self.habit == Habit::Evict(number) {
            let (stay, go): (Vec<_>, Vec<_>) = std::mem::take(&mut channel.members)
                .into_iter()
                .partition(|member| member.publishes);
            channel.members = stay;
            let push = Push::Unsubscribed {
                code: 2500,
                reason: "insufficient state",
            };
            for mut member in go {
                let push = member.encoding.push(name, &push);
                send(&mut member.stream, member.encoding, &push);
            }
        }
        for member in &mut channel.members {
            let push = member.encoding.push(name, &Push::Published(&publication));
            send(&mut member.stream, member.encoding, &push);
        }
        match self.habit {
            Habit::Unanswered(at) if at == number => {}
            Habit::AcknowledgeLate(span) => {
                let (mut stream, encoding) = (guest.stream.try_clone().unwrap(), guest.encoding);
                thread::spawn(move || {
                    thread::sleep(span);
                    send(
                        &mut stream,
                        encoding,
                        &encoding.reply(id, &Reply::Published),
                    );
                });
            }
            _ => guest.reply(id, &Reply::Published),
        }
    }
}

impl Guest {
    fn reply(&mut self, id: u32, reply: &Reply<'_>) {
        let message = self.encoding.reply(id, reply);
        send(&mut self.stream, self.encoding, &message);
    }
}

/// Tells all who asked for it that somebody came or went.
fn tell(channel: &mut Channel, name: &str, push: &Push<'_>) {
    for member in channel
        .members
        .iter_mut()
        .filter(|member| member.wants_notices)
    {
        let push = member.encoding.push(name, push);
        send(&mut member.stream, member.encoding, &push);
    }
}
