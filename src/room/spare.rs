//! Spare memory of queues that were long: how much of it stays with them.

use std::collections::VecDeque;

/// Gives back memory of a queue that is short for it, but for room for so many entries.
pub(super) fn give_back<T>(queue: &mut VecDeque<T>, kept_entries: usize) {
    if queue.capacity() > kept_entries && queue.len() < queue.capacity() / 4 {
        queue.shrink_to(2 * queue.len());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::give_back;

    /// Goal: a queue that was long gives its memory back once it is short, keeps room to grow, and
    /// keeps all of it while it has no more than any may have.
    #[test]
    fn a_short_queue_is_small() {
        let mut queue: VecDeque<u64> = (0..1000).collect();
        let long = queue.capacity();
        queue.truncate(long / 2);
        give_back(&mut queue, 8);
        assert_eq!(queue.capacity(), long, "it may soon be as long again");
        queue.truncate(10);
        give_back(&mut queue, long);
        assert_eq!(queue.capacity(), long);
        give_back(&mut queue, 8);
        assert!((20..100).contains(&queue.capacity()));
        assert!(queue.into_iter().eq(0..10));
    }
}
