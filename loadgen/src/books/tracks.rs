//! Which messages each subscriber has had of each publisher, as far back as memory allows.
//!
//! The messages of a pair are on pages of 64. The page at hand lies next to the sequence that is
//! expected, so that a message in its order touches nothing else; the pages before it are in a ring
//! that is as long as the number of pairs allows.

/// Messages on a page.
const PAGE: u64 = u64::BITS as u64;

/// Pages before those at hand, of all pairs together: 64 MiB, unless there are so many pairs that not
/// each could have one.
const PAGES: u64 = 1 << 23;

/// The most pages of one pair: what is further back than messages in flight are followed is too late
/// for anything.
const PAGES_EACH_MAX: u64 = 1024;

/// What one subscriber has had of one publisher.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    /// One more than the highest sequence seen.
    next: u64,
    /// The page `next` is on. Bit `i`: the message `i` of the page was seen.
    page: u64,
}

/// Where a message stands in the order of its publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is the one after the last.
    Next,
    /// So many before it have not come.
    Ahead(u64),
    /// It was passed over.
    Late,
    /// It has come before.
    Repeated,
    /// It is so far behind that it may be either.
    TooLate,
}

/// All pairs of a worker.
#[derive(Debug)]
pub(crate) struct Tracks {
    tracks: Vec<Track>,
    /// The last pages of each pair; page `n` of a pair is at `n % pages_each`.
    pages: Vec<u64>,
    /// A power of two.
    pages_each: usize,
}

/// How far behind the latest message of its publisher one may come and still be told from a repeated
/// one, with so many pairs in the whole run.
pub(crate) fn window(pairs: u64) -> u64 {
    pages_each(pairs) * PAGE
}

fn pages_each(pairs: u64) -> u64 {
    let fair = (PAGES / pairs.max(1)).clamp(1, PAGES_EACH_MAX);
    1 << fair.ilog2()
}

impl Tracks {
    /// So many pairs, of `all` in the whole run.
    pub(crate) fn new(pairs: usize, all: u64) -> Self {
        let pages_each = usize::try_from(pages_each(all)).unwrap_or(1);
        Self {
            tracks: vec![Track::default(); pairs],
            // Not zero, so that it is written to: memory is there from the start and not one page
            // after the other. None is read before it was turned.
            pages: vec![u64::MAX; pairs * pages_each],
            pages_each,
        }
    }

    /// One more than the highest sequence that a pair has had.
    pub(crate) fn next(&self, pair: usize) -> u64 {
        self.tracks[pair].next
    }

    /// A pair begins anew: the first message that may come is this one.
    pub(crate) fn restart(&mut self, pair: usize, next: u64) {
        self.tracks[pair] = Track { next, page: 0 };
    }

    /// A message has come.
    #[inline]
    pub(crate) fn enter(&mut self, pair: usize, sequence: u64) -> Place {
        let track = &mut self.tracks[pair];
        if sequence != track.next {
            return self.enter_elsewhere(pair, sequence);
        }
        track.page |= 1 << (sequence % PAGE);
        track.next = sequence + 1;
        if track.next.is_multiple_of(PAGE) {
            self.turn_page(pair, sequence / PAGE);
        }
        Place::Next
    }

    fn enter_elsewhere(&mut self, pair: usize, sequence: u64) -> Place {
        let next = self.tracks[pair].next;
        if sequence > next {
            self.skip_to(pair, sequence);
            self.enter(pair, sequence);
            return Place::Ahead(sequence - next);
        }
        let behind = next - 1 - sequence;
        if behind >= self.pages_each as u64 * PAGE {
            return Place::TooLate;
        }
        let page = match sequence / PAGE {
            number if number == next / PAGE => &mut self.tracks[pair].page,
            number => {
                let place = self.place(pair, number);
                &mut self.pages[place]
            }
        };
        let bit = 1 << (sequence % PAGE);
        if *page & bit != 0 {
            return Place::Repeated;
        }
        *page |= bit;
        Place::Late
    }

    /// Leaves everything before a sequence unseen that has not come.
    fn skip_to(&mut self, pair: usize, sequence: u64) {
        let (from, to) = (self.tracks[pair].next / PAGE, sequence / PAGE);
        if from < to {
            self.turn_page(pair, from);
            // Of a wide gap only the last pages are kept anyway.
            for number in (from + 1).max(to.saturating_sub(self.pages_each as u64))..to {
                self.turn_page(pair, number);
            }
        }
        self.tracks[pair].next = sequence;
    }

    /// Puts the page at hand into the ring, and an empty one in its place.
    fn turn_page(&mut self, pair: usize, number: u64) {
        let place = self.place(pair, number);
        self.pages[place] = std::mem::take(&mut self.tracks[pair].page);
    }

    #[expect(clippy::cast_possible_truncation, reason = "only the low bits count")]
    fn place(&self, pair: usize, number: u64) -> usize {
        pair * self.pages_each + (number as usize & (self.pages_each - 1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// So many pairs that each has a window of 64 messages.
    const CROWD: u64 = PAGES;

    /// Goal: the window is what memory allows, in powers of two, and never less than 64 messages.
    #[test]
    fn windows_share_the_memory() {
        let cases = [
            (0, 65_536),
            (1_000, 65_536),
            (8_192, 65_536),
            (8_193, 32_768),
            (1_000_000, 512),
            (1 << 24, 64),
        ];
        for (pairs, messages) in cases {
            assert_eq!(window(pairs), messages, "{pairs} pairs");
            assert!(pairs == 1 << 24 || pairs * messages / 8 <= 64 << 20);
        }
    }

    /// Goal: messages in their order are that, over any number of pages, and each but the oldest is
    /// known when it comes again.
    #[test]
    fn order_is_order() {
        let mut tracks = Tracks::new(2, CROWD);
        for sequence in 0..1_000 {
            assert_eq!(tracks.enter(1, sequence), Place::Next);
            assert_eq!(tracks.enter(1, sequence), Place::Repeated);
        }
        assert_eq!((tracks.next(1), tracks.next(0)), (1_000, 0));
        assert_eq!(tracks.enter(1, 1_000 - 64), Place::Repeated);
        assert_eq!(tracks.enter(1, 1_000 - 65), Place::TooLate);
    }

    /// Goal: with a window of any size, whatever comes in whatever order is told as a set that forgets
    /// nothing would tell it, and beyond the window it is said to be too late.
    #[test]
    fn every_order_is_told_right() {
        let mut random = fastrand::Rng::with_seed(7);
        for all in [CROWD, CROWD / 4, CROWD / 64] {
            let (mut tracks, mut seen, mut next) = (Tracks::new(3, all), BTreeSet::new(), 0u64);
            for _ in 0..20_000 {
                let spread = [1, 3, 70, 700, 5_000][random.usize(..5)];
                let base = (next + spread / 8).saturating_sub(spread);
                let sequence = base + random.u64(..=spread);
                let expected = match sequence {
                    _ if sequence == next => Place::Next,
                    _ if sequence > next => Place::Ahead(sequence - next),
                    _ if next - 1 - sequence >= window(all) => Place::TooLate,
                    _ if seen.contains(&sequence) => Place::Repeated,
                    _ => Place::Late,
                };
                assert_eq!(tracks.enter(2, sequence), expected, "{sequence} at {next}");
                if expected != Place::TooLate {
                    seen.insert(sequence);
                }
                next = next.max(sequence + 1);
                assert_eq!(tracks.next(2), next);
            }
        }
    }

    /// Goal: a pair that begins anew knows nothing of before, wherever in a page it begins.
    #[test]
    fn pairs_begin_anew() {
        let mut tracks = Tracks::new(1, 1);
        for sequence in 0..200 {
            tracks.enter(0, sequence);
        }
        for start in [200, 256, 300] {
            tracks.restart(0, start);
            assert_eq!(tracks.enter(0, start + 2), Place::Ahead(2));
            assert_eq!(tracks.enter(0, start), Place::Late);
            assert_eq!(tracks.enter(0, start), Place::Repeated);
            assert_eq!(tracks.enter(0, start + 3), Place::Next);
        }
    }
}
