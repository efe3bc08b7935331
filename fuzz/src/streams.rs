//! The log, two rooms in it and their readers, one of them in both, against a model that keeps every
//! byte for ever.
//!
//! Knows nothing of sockets: what a reader is sent goes straight to the check.

use std::fs::File;

use fanring::id::{LogPosition, MemberId, MembershipId, RoomId, ShardId, StreamPosition};
use fanring::room::index::Index;
use fanring::room::log::Log;
use fanring::room::rendition::Rendition;
use fanring::session::membership::Streams;
use fanring::session::send::{Nothing, Plan, Progress};
use fanring::session::tick::Tick;
use fanring::session::{Flags, Place, Session};
use fanring::wire::frame::{OpCode, append_frame, frame_bytes};
use uuid::Uuid;

/// Small, so that it wraps around often.
const LOG_BYTES: usize = 16 << 10;
/// A quarter of the log, as in the server.
const PAYLOAD_BYTES_MAX: usize = LOG_BYTES / 4 - 14;
const ROOMS: usize = 2;
/// The rooms of each reader.
const READERS: [&[usize]; 4] = [&[0], &[0], &[1], &[0, 1]];
/// What the first byte of a room's frame tells it by.
const OPCODES: [OpCode; ROOMS] = [OpCode::Binary, OpCode::Text];
const FIRST_BYTES: [u8; ROOMS] = [0x82, 0x81];

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

/// Both.
#[derive(Default)]
struct Rooms([Room; ROOMS]);

impl Streams for Rooms {
    fn stream(&self, room: RoomId, _: Rendition) -> &Index {
        let number = (0..ROOMS).find(|&number| RoomId::at(number) == room);
        &self.0[number.expect("there are no others")].index
    }
}

/// A session, and what it is to be sent and was sent.
struct Reader {
    session: Session,
    member: MemberId,
    plan: Plan,
    /// Bytes of the send in flight, read when it was planned.
    in_flight: Vec<u8>,
    /// Its cursors when it was planned.
    planned_at: [Option<StreamPosition>; ROOMS],
    /// Of each room, what was due and how much of that has come.
    room_due: [Vec<Vec<u8>>; ROOMS],
    room_got: [usize; ROOMS],
    private_due: Vec<Vec<u8>>,
    private_got: usize,
    /// The beginning of a frame that has not arrived whole.
    rest: Vec<u8>,
}

impl Reader {
    fn new(number: usize, generation: u32, rooms: &Rooms) -> Self {
        let socket = File::open("/dev/null").expect("it is always there");
        let mut session = Session::new(socket.into(), Uuid::nil(), Tick(0), Tick(0));
        session.join(Place::None, Flags::default(), b"");
        session.open(Tick(0));
        for &room in READERS[number] {
            let id = session.add_membership(RoomId::at(room), Rendition::PLAIN);
            session.enter(id.expect("it is in few"), 0, rooms.0[room].index.head());
        }
        Self {
            session,
            member: member(number, generation),
            plan: Plan::default(),
            in_flight: Vec::new(),
            planned_at: Default::default(),
            room_due: Default::default(),
            room_got: [0; ROOMS],
            private_due: Vec::new(),
            private_got: 0,
            rest: Vec::new(),
        }
    }

    fn membership(&self, room: usize) -> Option<MembershipId> {
        self.session.membership_in(RoomId::at(room))
    }

    fn cursor(&self, room: usize) -> Option<StreamPosition> {
        let membership = self.session.membership(self.membership(room)?)?;
        Some(membership.cursor())
    }

    /// Bytes arrive: every frame must be the next one due of its kind, already at its first byte.
    fn receive(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(&first) = self.rest.first() {
            let (due, got) = match FIRST_BYTES.iter().position(|&byte| byte == first) {
                Some(room) => (&self.room_due[room], &mut self.room_got[room]),
                None => (&self.private_due, &mut self.private_got),
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
    fn begun(&self, room: usize) -> usize {
        self.room_got[room] + usize::from(self.rest.first() == Some(&FIRST_BYTES[room]))
    }

    fn check_complete(&self) {
        assert!(self.rest.is_empty());
        assert_eq!(self.room_got, self.room_due.each_ref().map(Vec::len));
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
    rooms: Rooms,
    readers: Vec<Reader>,
    generation: u32,
}

impl World {
    fn new() -> Self {
        let rooms = Rooms::default();
        let readers = (0..READERS.len()).map(|number| Reader::new(number, 0, &rooms));
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
        let fill = self.rooms.0[room].frames.len() as u8;
        let (mut batch, mut frames) = (Vec::new(), Vec::new());
        for number in 0..count {
            let mut frame = Vec::new();
            let payload = vec![fill.wrapping_add(number as u8); payload_bytes];
            append_frame(&mut frame, OPCODES[room], &payload);
            batch.extend_from_slice(&frame);
            frames.push(frame);
        }
        let mut position = self.log.append(&batch);
        self.bytes.extend_from_slice(&batch);
        let here = &mut self.rooms.0[room];
        for frame in frames {
            let bytes = frame.len() as u64;
            let start =
                here.index
                    .push(position, u32::try_from(bytes).expect("a short frame"), None);
            here.frames.push(Frame {
                start,
                position,
                bytes,
            });
            position += bytes;
            for (number, reader) in self.readers.iter_mut().enumerate() {
                let Some(id) = reader.membership(room) else {
                    continue;
                };
                if number == origin {
                    let (session, end) = (&mut reader.session, start + bytes);
                    // One that has been sent all that comes before passes by it at once.
                    if session.note_own(RoomId::at(room), Rendition::PLAIN, start, end) {
                        here.index.push_own(reader.member, start);
                    }
                } else {
                    reader.room_due[room].push(frame.clone());
                }
                reader.session.mark_due(id);
            }
        }
        let members = self.readers.iter().filter_map(|reader| reader.cursor(room));
        if here.index.wants_pruning(|| members.count()) {
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
        let oldest = (self.readers.iter())
            .filter_map(|reader| reader.cursor(room))
            .min();
        let index = &mut self.rooms.0[room].index;
        index.prune(oldest.unwrap_or(index.head()), self.log.tail());
    }

    /// Plans a send and reads its bytes, unless one is in flight.
    fn plan(&mut self, number: usize) {
        let reader = &mut self.readers[number];
        if reader.session.is_sending() {
            return;
        }
        let cursors = std::array::from_fn(|room| reader.cursor(room));
        let (session, plan) = (&mut reader.session, &mut reader.plan);
        match session.plan_send(reader.member, &self.rooms, &self.log, plan) {
            Err(Nothing::ToSend) => return reader.check_complete(),
            Err(Nothing::Left(id)) => {
                let room = (0..ROOMS).find(|&room| reader.membership(room) == Some(id));
                assert!(self.is_overwritten(number, room.expect("it is in there")));
                return self.replace(number);
            }
            Ok(undo) => {
                // Much happens before the answer here.
                undo.into_iter().for_each(|undo| session.not_sent(undo));
                reader.planned_at = cursors;
            }
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
        let count = u32::try_from(bytes.len()).expect("a small log");
        let progress = (reader.session).sent(reader.member, &self.rooms, &self.log, count);
        match progress {
            Progress::All => assert_eq!(bytes.len(), all),
            Progress::Blocked => assert!(bytes.len() < all),
            Progress::Lost => {
                let gone = (0..ROOMS).any(|room| {
                    let at = reader.planned_at[room];
                    at.is_some_and(|at| self.rooms.0[room].is_overwritten(at, &self.log))
                });
                assert!(gone);
                self.replace(number);
            }
        }
    }

    /// Moves the reader to a room's head; or out of that room, when it `leaves`.
    fn part(&mut self, number: usize, room: usize, leaves: bool) {
        let reader = &mut self.readers[number];
        let Some(id) = (reader.membership(room)).filter(|_| !reader.session.is_sending()) else {
            return;
        };
        let (session, member) = (&mut reader.session, reader.member);
        if !session.rescue_cut_frame(id, member, &self.rooms, &self.log) {
            assert!(self.is_overwritten(number, room));
            return self.replace(number);
        }
        session.skip_to(id, self.rooms.0[room].index.head());
        let begun = reader.begun(room);
        reader.room_due[room].truncate(begun);
        if leaves {
            let left = reader.session.remove_membership(id);
            assert!(left.is_some() && reader.cursor(room).is_none());
        }
    }

    /// Back into every room that the reader has left.
    fn come_back(&mut self, number: usize) {
        let reader = &mut self.readers[number];
        for &room in READERS[number] {
            if reader.session.is_sending() || reader.membership(room).is_some() {
                continue;
            }
            let id = (reader.session).add_membership(RoomId::at(room), Rendition::PLAIN);
            let head = self.rooms.0[room].index.head();
            (reader.session).enter(id.expect("it is in few"), 0, head);
        }
    }

    /// Whether the log no longer has what the reader is to be sent of a room.
    fn is_overwritten(&self, number: usize, room: usize) -> bool {
        let cursor = self.readers[number].cursor(room);
        cursor.is_some_and(|cursor| self.rooms.0[room].is_overwritten(cursor, &self.log))
    }

    /// The count of what a reader has yet to be sent is the model's.
    fn check_ahead(&self, number: usize) {
        let reader = &self.readers[number];
        let session = &reader.session;
        session
            .check_invariants()
            .expect("they hold after each step");
        if session.is_mid_frame() || session.is_sending() {
            return;
        }
        for &room in READERS[number] {
            let membership = (reader.membership(room)).and_then(|id| session.membership(id));
            let Some(membership) = membership else {
                continue;
            };
            let (here, reading) = (&self.rooms.0[room], membership.reading(reader.member));
            match here.index.frames_ahead(&self.log, &reading) {
                Some(ahead) => {
                    let due = reader.room_due[room].len();
                    assert_eq!(ahead, (due - reader.begun(room)) as u64);
                }
                None => assert!(here.is_overwritten(membership.cursor(), &self.log)),
            }
        }
    }

    /// Another session takes the slot, at the head of the room.
    fn replace(&mut self, number: usize) {
        self.generation += 1;
        self.readers[number] = Reader::new(number, self.generation, &self.rooms);
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
            _ => match (part & 3, usize::from(part >> 2) % ROOMS) {
                (0, room) => world.prune(room),
                (1, _) => world.come_back(number),
                (parting, room) => world.part(number, room, parting == 3),
            },
        }
        (0..READERS.len()).for_each(|number| world.check_ahead(number));
    }
    (0..READERS.len()).for_each(|number| world.drain(number));
}
