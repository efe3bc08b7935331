//! Where the next offset of a room comes from: here, one after the other.

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

    /// Which incarnation of the room its offsets belong to.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
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
    use super::Order;
    use crate::id::Epoch;

    /// Goal: offsets begin at 1 and have no gaps.
    #[test]
    fn offsets_follow_one_another() {
        let mut order = Order::new(Epoch::new(9));
        let offsets: Vec<u64> = (0..4).map(|_| order.next().number()).collect();
        assert_eq!(offsets, [1, 2, 3, 4]);
        assert_eq!(order.epoch(), Epoch::new(9));
    }
}
