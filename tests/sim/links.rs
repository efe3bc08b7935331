//! The simulated mesh: a bounded queue for each ordered pair of threads, in order, with delays.

use std::collections::VecDeque;

use fastrand::Rng;

#[derive(Debug)]
struct Link<M> {
    ring: VecDeque<M>,
    parked: VecDeque<M>,
}

/// All links between `threads` threads.
#[derive(Debug)]
pub(crate) struct Links<M> {
    links: Vec<Link<M>>,
    threads: usize,
    capacity: usize,
}

impl<M> Links<M> {
    pub(crate) fn new(threads: usize, capacity: usize) -> Self {
        Self {
            links: (0..threads * threads)
                .map(|_| Link {
                    ring: VecDeque::new(),
                    parked: VecDeque::new(),
                })
                .collect(),
            threads,
            capacity,
        }
    }

    pub(crate) fn send(&mut self, from: usize, to: usize, message: M) {
        let link = &mut self.links[from * self.threads + to];
        if link.parked.is_empty() && link.ring.len() < self.capacity {
            link.ring.push_back(message);
        } else {
            link.parked.push_back(message);
        }
    }

    /// At most `count_max` messages from one thread to another; at times fewer, or none.
    pub(crate) fn receive(
        &mut self,
        from: usize,
        to: usize,
        count_max: usize,
        rng: &mut Rng,
    ) -> Vec<M> {
        let ring = &mut self.links[from * self.threads + to].ring;
        let count = match rng.u8(..4) {
            0 => 0,
            1 => rng.usize(..=ring.len()),
            _ => ring.len(),
        };
        ring.drain(..count.min(count_max)).collect()
    }

    /// Moves parked messages of `from` to rings with room.
    pub(crate) fn unpark(&mut self, from: usize) {
        for link in &mut self.links[from * self.threads..(from + 1) * self.threads] {
            while link.ring.len() < self.capacity
                && let Some(message) = link.parked.pop_front()
            {
                link.ring.push_back(message);
            }
        }
    }

    /// What is on its way from one thread to another.
    pub(crate) fn between(&self, from: usize, to: usize) -> impl Iterator<Item = &M> {
        let link = &self.links[from * self.threads + to];
        link.ring.iter().chain(&link.parked)
    }

    /// Messages from one thread that the other has not taken.
    pub(crate) fn waiting(&self, from: usize, to: usize) -> usize {
        let link = &self.links[from * self.threads + to];
        link.ring.len() + link.parked.len()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.links
            .iter()
            .all(|link| link.ring.is_empty() && link.parked.is_empty())
    }
}
