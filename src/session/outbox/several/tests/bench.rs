//! A session in some of many rooms, driven by hand, and all that it was sent.

use crate::id::{MemberId, MembershipId, RoomId, ShardId};
use crate::room::index::{Index, Piece};
use crate::room::log::Log;
use crate::room::rendition::Rendition;
use crate::session::Session;
use crate::session::membership::{Membership, Streams};
use crate::session::send::{Nothing, PIECES_MAX, Plan, Progress};
use crate::session::tests::open;
use crate::wire::frame::{OpCode, append_frame, frame_bytes};

pub(super) const ME: MemberId = MemberId {
    shard: ShardId::new(0),
    slot: 0,
    generation: 0,
};

/// One room of many, and what the session is to be sent of it, in order.
#[derive(Default)]
pub(super) struct Room {
    index: Index,
    due: Vec<Vec<u8>>,
}

/// All rooms.
pub(super) struct Rooms(Vec<Room>);

impl Streams for Rooms {
    fn stream(&self, room: RoomId, _: Rendition) -> &Index {
        &self.0[room.index()].index
    }
}

/// A session in some of many rooms, and all it was sent.
pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) rooms: Rooms,
    pub(super) log: Log,
    pub(super) wire: Vec<u8>,
    replies: Vec<Vec<u8>>,
    frames: u16,
    /// The room whose cut frame was rescued last, and how many frames were whole on the wire then.
    rescued: (usize, usize),
}

impl Bench {
    pub(super) fn new(rooms: usize, log_bytes: usize) -> Self {
        Self {
            session: open(),
            rooms: Rooms((0..rooms).map(|_| Room::default()).collect()),
            log: Log::new(log_bytes).unwrap(),
            wire: Vec::new(),
            replies: Vec::new(),
            frames: 0,
            rescued: (usize::MAX, 0),
        }
    }

    /// A session that is in all of so many rooms.
    pub(super) fn in_all(rooms: usize, log_bytes: usize) -> Self {
        let mut bench = Self::new(rooms, log_bytes);
        (0..rooms).for_each(|room| bench.join(room));
        bench
    }

    pub(super) fn membership(&self, room: usize) -> Option<MembershipId> {
        self.session.membership_in(RoomId::at(room))
    }

    pub(super) fn join(&mut self, room: usize) {
        if self.membership(room).is_some() {
            return;
        }
        let id = (self.session).add_membership(RoomId::at(room), Rendition::PLAIN);
        let id = id.expect("there is room");
        self.check();
        self.session.enter(id, 7, self.rooms.0[room].index.head());
    }

    /// Leaves a room: nothing of it is sent any more but the rest of a cut frame.
    pub(super) fn leave(&mut self, room: usize) {
        let Some(id) = self.membership(room) else {
            return;
        };
        self.pass_by(room);
        let left = self.session.remove_membership(id).expect("it was there");
        assert_eq!(left.room(), RoomId::at(room));
    }

    /// Skips to a room's head.
    pub(super) fn pass_by(&mut self, room: usize) {
        let Some(id) = self.membership(room) else {
            return;
        };
        let whole = self.frames().count();
        if self.is_cut(id) {
            self.rescued = (room, whole);
        }
        let begun = self.frames_of(room).len() + usize::from(self.rescued == (room, whole));
        assert!((self.session).rescue_cut_frame(id, ME, &self.rooms, &self.log));
        let Room { index, due } = &mut self.rooms.0[room];
        self.session.skip_to(id, index.head());
        due.truncate(begun);
    }

    pub(super) fn is_cut(&self, id: MembershipId) -> bool {
        (self.session.membership(id)).is_some_and(Membership::is_mid_frame)
    }

    pub(super) fn publish(&mut self, room: usize, filling: usize, own: bool) {
        let mut payload = vec![u8::try_from(room).unwrap()];
        payload.extend(self.frames.to_be_bytes());
        payload.resize(3 + filling, 0);
        self.frames += 1;
        let mut frame = Vec::new();
        append_frame(&mut frame, OpCode::Binary, &payload);
        let position = self.log.append(&frame);
        let membership = self.membership(room);
        let here = &mut self.rooms.0[room];
        let start = here
            .index
            .push(position, u32::try_from(frame.len()).unwrap(), None);
        let Some(id) = membership else {
            return;
        };
        if own {
            let end = start + frame.len() as u64;
            if (self.session).note_own(RoomId::at(room), Rendition::PLAIN, start, end) {
                here.index.push_own(ME, start);
            }
        } else {
            here.due.push(frame);
        }
        self.session.mark_due(id);
    }

    pub(super) fn reply(&mut self, bytes: usize) {
        let mut frame = Vec::new();
        append_frame(&mut frame, OpCode::Pong, &vec![1; bytes]);
        self.session.private_mut().extend_from_slice(&frame);
        self.replies.push(frame);
    }

    /// One send, of which the kernel takes at most `most` bytes.
    pub(super) fn send(&mut self, most: usize) -> Result<Progress, Nothing> {
        let mut plan = Plan::default();
        let undo = (self.session).plan_send(ME, &self.rooms, &self.log, &mut plan)?;
        self.check();
        assert!(plan.before <= 1 && plan.pieces.len() - plan.before <= PIECES_MAX);
        let read = |piece: &Piece| {
            let length = usize::try_from(piece.bytes).unwrap();
            self.log.slice(piece.position, length).to_vec()
        };
        let (before, after) = plan.pieces.split_at(plan.before);
        let mut bytes: Vec<u8> = before.iter().flat_map(read).collect();
        bytes.extend_from_slice(&self.session.unsent()[..plan.private as usize]);
        bytes.extend(after.iter().flat_map(read));
        let all = bytes.len();
        bytes.truncate(most);
        self.wire.extend_from_slice(&bytes);
        let sent = u32::try_from(bytes.len()).unwrap();
        if let Some(undo) = undo {
            if bytes.len() == all {
                self.session.replies_sent();
                return Ok(Progress::All);
            }
            self.session.not_sent(undo);
        }
        let progress = (self.session).sent(ME, &self.rooms, &self.log, sent);
        assert_eq!(progress == Progress::All, bytes.len() == all);
        self.check();
        Ok(progress)
    }

    /// Sends all there is, in so many sends.
    pub(super) fn drain(&mut self) -> usize {
        let mut sends = 0;
        loop {
            let output = self.session.has_output(&self.rooms);
            match self.send(usize::MAX) {
                Ok(_) => assert!(output, "a send that nobody would have asked for"),
                Err(nothing) => {
                    assert_eq!(nothing, Nothing::ToSend);
                    assert!(!self.session.has_output(&self.rooms));
                    return sends;
                }
            }
            sends += 1;
        }
    }

    /// The whole frames on the wire.
    pub(super) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.frames_from(0)
    }

    /// Those behind so many bytes.
    pub(super) fn frames_from(&self, bytes: usize) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.wire[bytes..];
        std::iter::from_fn(move || {
            let bytes = frame_bytes(rest).filter(|&bytes| bytes <= rest.len())?;
            let (frame, after) = rest.split_at(bytes);
            rest = after;
            Some(frame)
        })
    }

    /// Those of a room.
    pub(super) fn frames_of(&self, room: usize) -> Vec<&[u8]> {
        let room = u8::try_from(room).unwrap();
        let is_of_room = |frame: &&[u8]| frame[0] == 0x82 && payload(frame)[0] == room;
        self.frames().filter(is_of_room).collect()
    }

    pub(super) fn check(&self) {
        self.session.check_invariants().unwrap();
    }

    /// The wire holds whole frames, of each room and of the replies all and in order, and no others.
    pub(super) fn check_complete(&self) {
        let whole: usize = self.frames().map(<[u8]>::len).sum();
        assert_eq!(whole, self.wire.len(), "a frame is torn");
        let mut count = self.replies.len();
        for (room, Room { due, .. }) in self.rooms.0.iter().enumerate() {
            assert!(self.frames_of(room) == *due, "room {room}");
            count += due.len();
        }
        let replies: Vec<&[u8]> = self.frames().filter(|frame| frame[0] == 0x8a).collect();
        assert!(replies == self.replies);
        assert_eq!(self.frames().count(), count);
    }
}

pub(super) fn payload(frame: &[u8]) -> &[u8] {
    match frame[1] {
        127 => &frame[10..],
        126 => &frame[4..],
        _ => &frame[2..],
    }
}
