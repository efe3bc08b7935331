//! What becomes of a published message, as the fault will have it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::mem;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use fanring::wire::frame::{OpCode, append_frame};
use fanring::wire::message::Kind;

use super::fault::Fault;

/// Time that a slow server makes up for when its sleeps were too long.
const CATCH_UP_MAX: Duration = Duration::from_millis(50);

/// How long a delivery takes that is not to be there at once.
const MOMENT: Duration = Duration::from_millis(20);

/// How old a message is that is history: nobody takes as long to join.
const HISTORY_AGE: Duration = Duration::from_millis(300);

/// How many of them there are.
const HISTORY_MESSAGES: usize = 10;

/// The one room of a server.
pub(crate) struct Room {
    /// With their numbers in the order they connected: subscribers come first.
    pub(crate) members: Vec<(usize, TcpStream)>,
    pub(crate) messages: u64,
    /// Connections that count for a server that may be full.
    pub(crate) open: usize,
    /// What one member has not got yet.
    pub(crate) held: Option<Vec<u8>>,
    /// Messages that are to be delivered as one.
    bundle: Vec<Vec<u8>>,
    /// The first messages, and when they came.
    history: Vec<(Instant, Vec<u8>)>,
    /// Who delivers to which member what is to come late, and how much of that waits.
    late: HashMap<usize, mpsc::Sender<(Instant, Vec<u8>)>>,
    waiting: Arc<AtomicUsize>,
    /// The most that waited at once when a slow start was over, and when the first message came.
    pub(crate) most_waiting: usize,
    first: Option<Instant>,
    deliveries: u64,
    /// How often what is wrong with the server happened.
    pub(crate) faults: u64,
    /// When a slow server is through with what it took so far.
    busy_until: Instant,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            members: Vec::new(),
            messages: 0,
            open: 0,
            held: None,
            bundle: Vec::new(),
            history: Vec::new(),
            late: HashMap::new(),
            waiting: Arc::default(),
            most_waiting: 0,
            first: None,
            deliveries: 0,
            faults: 0,
            busy_until: Instant::now(),
        }
    }

    /// Sends what there was before to somebody who joins.
    pub(crate) fn replay(&mut self, member: &mut TcpStream) -> io::Result<()> {
        let old = self
            .history
            .iter()
            .filter(|(at, _)| at.elapsed() > HISTORY_AGE);
        for (_, frame) in old {
            self.faults += 1;
            member.write_all(frame)?;
        }
        Ok(())
    }

    /// A message that somebody published.
    pub(crate) fn broadcast(
        &mut self,
        sender: usize,
        (kind, payload): (Kind, &[u8]),
        fault: Fault,
    ) {
        let number = self.messages;
        self.messages += 1;
        // Members that are gone take no more part.
        let mut members = mem::take(&mut self.members);
        members.retain(|(_, stream)| stream.peer_addr().is_ok());
        self.wait(number, fault);
        let message = Message {
            number,
            payload,
            frame: frame(kind.opcode(), payload),
        };
        if fault == Fault::History && self.history.len() < HISTORY_MESSAGES {
            self.history.push((Instant::now(), message.frame.clone()));
        }
        if let Fault::Bundle(size) = fault {
            self.bundle(payload, size, &mut members);
        } else {
            for (index, member) in &mut members {
                let is_for = match fault {
                    Fault::Echo => true,
                    Fault::EchoAlone => *index == sender,
                    _ => *index != sender,
                };
                if is_for {
                    // Whoever is gone is found out by the thread that reads.
                    let _ = self.deliver(&message, *index, member, fault);
                }
            }
        }
        for (index, stream) in &mut members {
            let is_publisher = *index == sender;
            let _ = match fault {
                Fault::Die(at) if at == number => stream.shutdown(Shutdown::Both),
                Fault::ClosePublisher(at) if at == number && is_publisher => {
                    stream.write_all(&goodbye(Some(4002)))
                }
                _ => Ok(()),
            };
        }
        self.members = members;
    }

    /// Takes its time.
    fn wait(&mut self, number: u64, fault: Fault) {
        match fault {
            Fault::Stall(at, span) if at == number => thread::sleep(span),
            Fault::Slow(span) => {
                // By the clock and not by sleeps, which a busy machine makes longer: what they were too long
                // by is made up for.
                let now = Instant::now();
                self.busy_until = self.busy_until.max(now - CATCH_UP_MAX) + span;
                thread::sleep(self.busy_until.saturating_duration_since(now));
            }
            _ => {}
        }
    }

    /// Delivers messages when there are enough of them.
    fn bundle(&mut self, payload: &[u8], size: usize, members: &mut [(usize, TcpStream)]) {
        self.bundle.push(payload.to_vec());
        if self.bundle.len() == size {
            let joined = mem::take(&mut self.bundle).join(&b"\",\""[..]);
            let text = [b"[\"", &joined[..], b"\"]"].concat();
            for (_, member) in members {
                let _ = member.write_all(&frame(OpCode::Text, &text));
            }
        }
    }

    /// Has a message delivered to a member at a time, after all that it is to get before.
    fn deliver_at(&mut self, at: Instant, index: usize, member: &TcpStream, frame: &[u8]) {
        let waiting = &self.waiting;
        waiting.fetch_add(1, Ordering::AcqRel);
        let late = self.late.entry(index);
        let late = late.or_insert_with(|| deliver_late(member, Arc::clone(waiting)));
        let _ = late.send((at, frame.to_vec()));
    }

    /// Sends one message to one member, or does what the fault says instead.
    fn deliver(
        &mut self,
        message: &Message<'_>,
        index: usize,
        member: &mut TcpStream,
        fault: Fault,
    ) -> io::Result<()> {
        let (number, frame) = (message.number, &message.frame);
        self.deliveries += 1;
        let is_victim = index == 0;
        let place = number + index as u64;
        match fault {
            Fault::DropHundredth if place % 100 == 42 => self.faults += 1,
            Fault::RepeatTenth if place % 10 == 4 => {
                self.faults += 1;
                member.write_all(&[&frame[..], frame].concat())?;
            }
            Fault::Delay(span) if self.deliveries % 1_000 == 500 => {
                self.faults += 1;
                let (mut late, frame) = (member.try_clone()?, frame.clone());
                thread::spawn(move || {
                    thread::sleep(span);
                    let _ = late.write_all(&frame);
                });
            }
            Fault::Late(late, span) if late == index => {
                self.deliver_at(Instant::now() + span, index, member, frame);
            }
            Fault::Staggered(least, step) => {
                let number = u32::try_from(index).unwrap();
                let at = Instant::now() + least + step * number;
                self.deliver_at(at, index, member, frame);
            }
            Fault::SlowStart(span) => {
                let start = *self.first.get_or_insert_with(Instant::now) + span;
                let now = Instant::now();
                self.deliver_at(start.max(now + MOMENT), index, member, frame);
                match now < start {
                    true => self.faults += 1,
                    false => {
                        let waiting = self.waiting.load(Ordering::Acquire);
                        self.most_waiting = self.most_waiting.max(waiting);
                    }
                }
            }
            Fault::Swap(at) | Fault::AtGoodbye(at) if is_victim && at == number => {
                self.held = Some(frame.clone());
            }
            Fault::Swap(at) if is_victim && at + 1 == number => {
                let held = self.held.take().unwrap();
                member.write_all(&[&frame[..], &held].concat())?;
            }
            Fault::Mute(from) if index >= from => self.faults += 1,
            Fault::Overtaken(at, _) if is_victim && at == number => {
                self.held = Some(frame.clone());
            }
            Fault::Overtaken(at, by) if is_victim && at + by == number => {
                let held = self.held.take().unwrap();
                member.write_all(&[&frame[..], &held].concat())?;
            }
            Fault::HangUpAt(at) if is_victim && at == number => member.shutdown(Shutdown::Both)?,
            Fault::Dribble(at) if at == number => dribble(member, message.payload)?,
            _ if is_victim => member.write_all(&message.altered(fault))?,
            _ => member.write_all(frame)?,
        }
        Ok(())
    }
}

/// A message on its way to the members.
struct Message<'a> {
    number: u64,
    payload: &'a [u8],
    frame: Vec<u8>,
}

impl Message<'_> {
    /// What one member gets instead of it.
    fn altered(&self, fault: Fault) -> Vec<u8> {
        let (number, payload) = (self.number, self.payload);
        let as_text = |bytes: &[u8]| frame(OpCode::Text, bytes);
        match fault {
            Fault::Drop(at) if at == number => Vec::new(),
            Fault::Repeat(at) if at == number => [&self.frame[..], &self.frame].concat(),
            Fault::Damage(at) if at == number => {
                let mut damaged = self.frame.clone();
                *damaged.last_mut().unwrap() ^= 1;
                damaged
            }
            Fault::Truncate(at) if at == number => as_text(&payload[..payload.len() - 1]),
            Fault::Lengthen(at) if at == number => as_text(&[payload, b"A"].concat()),
            Fault::OtherType(at) if at == number => frame(OpCode::Binary, payload),
            Fault::Notice(at) if at == number => {
                [as_text(b"{\"event\":\"notice\"}"), self.frame.clone()].concat()
            }
            Fault::Close(at, code) if at == number => goodbye(code),
            // Operation codes from 3 on are reserved (RFC 6455 section 5.2).
            Fault::Break(at) if at == number => vec![0x83, 0],
            _ => self.frame.clone(),
        }
    }
}

/// A frame of its own.
pub(crate) fn frame(kind: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_frame(&mut bytes, kind, payload);
    bytes
}

/// A close frame.
pub(crate) fn goodbye(code: Option<u16>) -> Vec<u8> {
    let code = code.map(u16::to_be_bytes);
    frame(
        OpCode::Close,
        code.as_ref().map_or(&[][..], |code| &code[..]),
    )
}

/// A thread that delivers to one member what is to come late, in order; it waits until it is sent.
fn deliver_late(member: &TcpStream, waiting: Arc<AtomicUsize>) -> mpsc::Sender<(Instant, Vec<u8>)> {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    let mut member = member.try_clone().unwrap();
    thread::spawn(move || {
        for (at, frame) in receiver {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            // Before it is there: whoever has it may answer.
            waiting.fetch_sub(1, Ordering::AcqRel);
            let _ = member.write_all(&frame);
        }
    });
    sender
}

fn dribble(member: &mut TcpStream, payload: &[u8]) -> io::Result<()> {
    let (first, second) = payload.split_at(payload.len() / 2);
    let mut bytes = frame(OpCode::Text, first);
    bytes[0] &= 0x7f;
    append_frame(&mut bytes, OpCode::Ping, b"still there?");
    append_frame(&mut bytes, OpCode::Continuation, second);
    member.set_nodelay(true)?;
    bytes.chunks(1).try_for_each(|byte| member.write_all(byte))
}
