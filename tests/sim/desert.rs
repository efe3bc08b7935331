//! Rooms that everybody leaves while they are held, and that others come to afterwards.

use crate::roles::{Leave, Role, Stage};
use crate::world::{Deserted, World};

/// One in so many chances that a room is left, each step that it is held.
const STEPS_HELD: u32 = 8;

impl World {
    /// At times everybody leaves a room that is held.
    pub(crate) fn desert_rooms(&mut self) {
        for room in 0..self.names.len() {
            let may_be_left = self.held[room] && self.deserted[room].is_none();
            if may_be_left && !self.has_witness(room) && self.rng.u32(..STEPS_HELD) == 0 {
                self.desert(room);
                self.deserted[room] = Some(Deserted::Leaving);
            }
        }
    }

    /// Looks at the homes of all rooms.
    pub(crate) fn watch_rooms(&mut self) {
        for room in 0..self.names.len() {
            let home = self.homes.of(&self.names[room]).index();
            let figures = self.shards[home].room_figures(&self.names[room]);
            self.held[room] = (figures.as_ref()).is_some_and(|room| room.held);
            self.deserted[room] = match self.deserted[room] {
                Some(Deserted::Leaving) if figures.is_none() => {
                    self.counts.left_while_held += 1;
                    Some(Deserted::Gone)
                }
                Some(Deserted::Gone) if figures.is_some() => {
                    self.counts.come_back += 1;
                    None
                }
                as_before => as_before,
            };
        }
    }

    fn has_witness(&self, room: usize) -> bool {
        (self.clients.iter()).any(|client| client.role == Role::Witness && client.room == room)
    }

    /// Those who came for the room leave now, in any way; roamers do when they have their turn.
    fn desert(&mut self, room: usize) {
        for client in self.clients.iter_mut().filter(|client| client.room == room) {
            if !matches!(client.stage, Stage::Absent | Stage::Ended) {
                client.leave(Leave::ALL[self.rng.usize(..3)], &mut self.kernel);
            }
        }
    }
}
