//! Where the next offset of a room comes from: here, one after the other.

use super::history::Position;
use crate::id::{Epoch, Offset};

/// The order of a room's messages.
#[derive(Debug)]
pub(crate) struct Order {
    epoch: Epoch,
    next: Offset,
}

impl Order {
    /// That of a room of which nothing was ever said.
    pub(crate) const fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            next: Offset::FIRST,
        }
    }

    /// That of a room whose order had come to `position` before it was gone.
    pub(crate) fn resume(position: Position) -> Self {
        let mut order = Self::new(position.epoch);
        if let Some(top) = Offset::new(position.top) {
            order.next = top.following();
        }
        order
    }

    /// Which incarnation of the room its offsets belong to.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How far it has come.
    pub(crate) const fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            // The first offset is 1.
            top: self.next.number() - 1,
        }
    }

    /// The offset of the next message.
    pub(crate) fn next(&mut self) -> Offset {
        let offset = self.next;
        self.next = offset.following();
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::{Order, Position};
    use crate::id::Epoch;

    /// Goal: offsets begin at 1 and have no gaps.
    #[test]
    fn offsets_follow_one_another() {
        let mut order = Order::new(Epoch::new(9));
        let offsets: Vec<u64> = (0..4).map(|_| order.next().number()).collect();
        assert_eq!(offsets, [1, 2, 3, 4]);
        assert_eq!(order.epoch(), Epoch::new(9));
    }

    /// Goal: an order goes on where it had come to, also when that was nowhere yet.
    #[test]
    fn an_order_is_resumed() {
        for top in [0, 1, 77] {
            let epoch = Epoch::new(5);
            let position = Position { epoch, top };
            let mut order = Order::resume(position);
            assert_eq!(order.position(), position);
            assert_eq!(order.next().number(), top + 1);
        }
    }
}
