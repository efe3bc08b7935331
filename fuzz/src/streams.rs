//! The log, two rooms in it and their readers against a model that keeps every byte for ever.
//!
//! Knows nothing of sockets: what a reader is sent goes straight to the check.

use std::fs::File;

use fanring::id::{LogPosition, MemberId, ShardId, StreamPosition};
use fanring::room::index::Index;
use fanring::room::log::Log;
use fanring::session::outbox::{Nothing, Plan, Progress};
use fanring::session::tick::Tick;
use fanring::session::{Flags, Place, Session};
use fanring::wire::frame::{OpCode, append_frame, frame_bytes};
use uuid::Uuid;

/// Small, so that it wraps around often.
const LOG_BYTES: usize = 16 << 10;
/// A quarter of the log, as in the server.
const PAYLOAD_BYTES_MAX: usize = LOG_BYTES / 4 - 14;
const ROOMS: usize = 2;
/// The room of each reader.
const READERS: [usize; 3] = [0, 0, 1];

/// One frame of a room, as the model remembers it.
struct Frame {
    /// Where it begins in the stream and in the log.
    start: StreamPosition,
    position: LogPosition,
    bytes: u64,
}

#[derive(Default)]
struct Room {
    index: Index,
    frames: Vec<Frame>,
}

impl Room {
    /// Whether the log no longer has the byte at `cursor`, which is not the head.
    fn is_overwritten(&self, cursor: StreamPosition, log: &Log) -> bool {
        let frame = (self.frames.iter()).find(|frame| cursor < frame.start + frame.bytes);
        frame.is_some_and(|frame| frame.position + (cursor - frame.start) < log.tail())
    }
}

/// A session, and what it is to be sent and was sent.
struct Reader {
    session: Session,
    member: MemberId,
    room: usize,
    plan: Plan,
    /// Bytes of the send in flight, read when it was planned.
    in_flight: Vec<u8>,
    /// The cursor when it was planned.
    planned_at: StreamPosition,
    room_due: Vec<Vec<u8>>,
    room_got: usize,
    private_due: Vec<Vec<u8>>,
    private_got: usize,
    /// The beginning of a frame that has not arrived whole.
    rest: Vec<u8>,
}

impl Reader {
    fn new(number: usize, generation: u32, index: &Index) -> Self {
        let socket = File::open("/dev/null").expect("it is always there");
        let mut session = Session::new(socket.into(), Uuid::nil(), Tick(0), Tick(0));
        session.join(Place::Echo, Flags::default(), b"");
        session.open(Tick(0));
        session.skip_to(index.head());
        Self {
            session,
            member: member(number, generation),
            room: READERS[number],
            plan: Plan::default(),
            in_flight: Vec::new(),
            planned_at: StreamPosition::default(),
            room_due: Vec::new(),
            room_got: 0,
            private_due: Vec::new(),
            private_got: 0,
            rest: Vec::new(),
        }
    }

    /// Bytes arrive: every frame must be the next one due of its kind, already at its first byte.
    fn receive(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(&first) = self.rest.first() {
            let (due, got) = if first == 0x82 {
                (&self.room_due, &mut self.room_got)
            } else {
                (&self.private_due, &mut self.private_got)
            };
            let next = due.get(*got).expect("a frame that was not due");
            let whole = frame_bytes(&self.rest).filter(|&bytes| bytes <= self.rest.len());
            let Some(bytes) = whole else {
                assert!(next.starts_with(&self.rest), "a frame is torn");
                return;
            };
            assert_eq!(self.rest[..bytes], next[..]);
            *got += 1;
            self.rest.drain(..bytes);
        }
    }

    /// Frames of the room of which at least one byte has arrived.
    fn room_begun(&self) -> usize {
        self.room_got + usize::from(self.rest.first() == Some(&0x82))
    }

    fn check_complete(&self) {
        assert!(self.rest.is_empty());
        assert_eq!(self.room_got, self.room_due.len());
        assert_eq!(self.private_got, self.private_due.len());
    }
}

fn member(slot: usize, generation: u32) -> MemberId {
    MemberId {
        shard: ShardId::new(0),
        slot: u32::try_from(slot).expect("few"),
        generation,
    }
}

struct World {
    log: Log,
    /// Every byte that was ever appended.
    bytes: Vec<u8>,
    rooms: [Room; ROOMS],
    readers: Vec<Reader>,
    generation: u32,
}

impl World {
    fn new() -> Self {
        let rooms = <[Room; ROOMS]>::default();
        let readers = (0..READERS.len()).map(|number| Reader::new(number, 0, &Index::default()));
        Self {
            log: Log::new(LOG_BYTES).expect("a small mapping"),
            bytes: Vec::new(),
            readers: readers.collect(),
            rooms,
            generation: 0,
        }
    }

    /// Appends frames in one go, all for one room; of slot `origin`, if a reader has that.
    fn publish(&mut self, room: usize, origin: usize, count: usize, payload_bytes: usize) {
        let payload_bytes = payload_bytes.min(PAYLOAD_BYTES_MAX / count);
        let fill = self.rooms[room].frames.len() as u8;
        let (mut batch, mut frames) = (Vec::new(), Vec::new());
        for number in 0..count {
            let mut frame = Vec::new();
            let payload = vec![fill.wrapping_add(number as u8); payload_bytes];
            append_frame(&mut frame, OpCode::Binary, &payload);
            batch.extend_from_slice(&frame);
            frames.push(frame);
        }
        let mut position = self.log.append(&batch);
        self.bytes.extend_from_slice(&batch);
        let here = &mut self.rooms[room];
        for frame in frames {
            let bytes = frame.len() as u64;
            let start = here.index.push(position, bytes, 1);
            here.frames.push(Frame {
                start,
                position,
                bytes,
            });
            position += bytes;
            let author = (self.readers.get(origin)).filter(|reader| reader.room == room);
            if let Some(author) = author {
                here.index.push_own(author.member, start, start + bytes);
            }
            for (number, reader) in self.readers.iter_mut().enumerate() {
                if reader.room != room {
                    continue;
                }
                if number == origin {
                    reader.session.note_own(start, start + bytes);
                } else {
                    reader.room_due.push(frame.clone());
                }
            }
        }
        let members = (self.readers.iter()).filter(|reader| reader.room == room);
        if here.index.wants_pruning(members.count()) {
            self.prune(room);
        }
    }

    fn reply(&mut self, number: usize, payload_bytes: usize) {
        let reader = &mut self.readers[number];
        let mut frame = Vec::new();
        append_frame(&mut frame, OpCode::Pong, &vec![0x70; payload_bytes % 126]);
        reader.session.private_mut().extend_from_slice(&frame);
        reader.private_due.push(frame);
    }

    fn prune(&mut self, room: usize) {
        let members = (self.readers.iter()).filter(|reader| reader.room == room);
        let oldest = members.map(|reader| reader.session.cursor()).min();
        let index = &mut self.rooms[room].index;
        index.prune(oldest.unwrap_or(index.head()), self.log.tail());
    }

    /// Plans a send and reads its bytes, unless one is in flight.
    fn plan(&mut self, number: usize) {
        let reader = &mut self.readers[number];
        if reader.session.is_sending() {
            return;
        }
        let room = &self.rooms[reader.room];
        let (index, plan) = (Some(&room.index), &mut reader.plan);
        let planned = reader
            .session
            .plan_send(reader.member, index, &self.log, plan);
        match planned {
            Err(Nothing::ToSend) => return reader.check_complete(),
            Err(Nothing::Left) => {
                assert!(room.is_overwritten(reader.session.cursor(), &self.log));
                return self.replace(number);
            }
            Ok(()) => reader.planned_at = reader.session.cursor(),
        }
        let (before, after) = plan.pieces.split_at(plan.before);
        for piece in before {
            reader.in_flight.extend_from_slice(read(
                &self.log,
                &self.bytes,
                piece.position,
                piece.bytes,
            ));
        }
        let private = &reader.session.unsent()[..plan.private as usize];
        reader.in_flight.extend_from_slice(private);
        for piece in after {
            reader.in_flight.extend_from_slice(read(
                &self.log,
                &self.bytes,
                piece.position,
                piece.bytes,
            ));
        }
        assert!(!reader.in_flight.is_empty());
    }

    /// The kernel took `part` of 255 parts of the send in flight, if there is one.
    fn sent(&mut self, number: usize, part: u8) {
        let reader = &mut self.readers[number];
        if !reader.session.is_sending() {
            return;
        }
        let mut bytes = std::mem::take(&mut reader.in_flight);
        let all = bytes.len();
        bytes.truncate(all * usize::from(part) / 255);
        reader.receive(&bytes);
        let room = &self.rooms[reader.room];
        let count = u32::try_from(bytes.len()).expect("a small log");
        let progress = (reader.session).sent(reader.member, Some(&room.index), &self.log, count);
        match progress {
            Progress::All => assert_eq!(bytes.len(), all),
            Progress::Blocked => assert!(bytes.len() < all),
            Progress::Lost => {
                assert!(room.is_overwritten(reader.planned_at, &self.log));
                self.replace(number);
            }
        }
    }

    /// Moves the reader to its room's head; or out of its room, when it `leaves`.
    fn part(&mut self, number: usize, leaves: bool) {
        let reader = &mut self.readers[number];
        if reader.session.is_sending() {
            return;
        }
        let room = &self.rooms[reader.room];
        let session = &mut reader.session;
        let cursor = session.cursor();
        if !session.rescue_cut_frame(reader.member, &room.index, &self.log) {
            assert!(room.is_overwritten(cursor, &self.log));
            return self.replace(number);
        }
        session.skip_to(room.index.head());
        reader.room_due.truncate(reader.room_begun());
        if leaves {
            self.drain(number);
            self.replace(number);
        }
    }

    /// The count of what a reader has yet to be sent is the model's.
    fn check_ahead(&self, number: usize) {
        let reader = &self.readers[number];
        let session = &reader.session;
        if session.is_mid_frame() || session.is_sending() {
            return;
        }
        let (room, reading) = (&self.rooms[reader.room], session.reading(reader.member));
        match room.index.frames_ahead(&self.log, &reading) {
            Some(ahead) => {
                assert_eq!(ahead, (reader.room_due.len() - reader.room_begun()) as u64);
            }
            None => assert!(room.is_overwritten(session.cursor(), &self.log)),
        }
    }

    /// Another session takes the slot, at the head of the room.
    fn replace(&mut self, number: usize) {
        self.generation += 1;
        let index = &self.rooms[READERS[number]].index;
        self.readers[number] = Reader::new(number, self.generation, index);
    }

    /// Sends all there is; a reader whose bytes are gone is replaced.
    fn drain(&mut self, number: usize) {
        self.sent(number, 255);
        loop {
            self.plan(number);
            if !self.readers[number].session.is_sending() {
                break;
            }
            self.sent(number, 255);
        }
        self.readers[number].check_complete();
    }
}

/// The bytes of a piece, which must be those that were once appended there.
fn read<'a>(log: &'a Log, all: &[u8], position: LogPosition, bytes: u64) -> &'a [u8] {
    let (start, length) = (position.bytes() as usize, bytes as usize);
    let slice = log.slice(position, length);
    assert_eq!(slice, &all[start..start + length]);
    slice
}

/// Does what `data` says, three bytes a step.
pub(crate) fn run(data: &[u8]) {
    let mut world = World::new();
    for step in data.chunks_exact(3) {
        let &[choice, size, part] = step else {
            unreachable!("chunks of three");
        };
        let number = usize::from(choice >> 3) % READERS.len();
        match choice & 7 {
            0 | 1 => {
                let (room, origin) = (usize::from(choice >> 3 & 1), usize::from(choice >> 4 & 3));
                let scale = if choice >> 6 == 0 { 16 } else { 1 };
                let payload_bytes = usize::from(size) * scale;
                world.publish(room, origin, usize::from(part & 3) + 1, payload_bytes);
            }
            2 => world.plan(number),
            3 => world.sent(number, part),
            4 | 5 => {
                world.plan(number);
                world.sent(number, if choice & 1 == 0 { 255 } else { part });
            }
            6 => world.reply(number, usize::from(size)),
            _ => match part & 3 {
                0 | 1 => world.prune(READERS[number]),
                parting => world.part(number, parting == 3),
            },
        }
        (0..READERS.len()).for_each(|number| world.check_ahead(number));
    }
    (0..READERS.len()).for_each(|number| world.drain(number));
}
