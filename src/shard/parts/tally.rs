//! What a shard counts of its sessions, so that nobody has to look at all of them.

/// Operations in flight and open sessions.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    operations: u64,
    open: u64,
}

impl Tally {
    /// Operations that the kernel owes an answer to, over all connections.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// Sessions past their handshake and not yet closing.
    pub(crate) fn open(&self) -> u64 {
        self.open
    }

    pub(crate) fn begin_operation(&mut self) {
        self.operations += 1;
    }

    pub(crate) fn end_operation(&mut self) {
        self.operations -= 1;
    }

    pub(crate) fn open_one(&mut self) {
        self.open += 1;
    }

    pub(crate) fn close_one(&mut self) {
        self.open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    /// Goal: what was begun and ended is no longer counted.
    #[test]
    fn what_ends_does_not_count() {
        let mut tally = Tally::default();
        tally.begin_operation();
        tally.begin_operation();
        tally.end_operation();
        tally.open_one();
        assert_eq!((tally.operations(), tally.open()), (1, 1));
        tally.close_one();
        assert_eq!((tally.operations(), tally.open()), (1, 0));
    }
}
