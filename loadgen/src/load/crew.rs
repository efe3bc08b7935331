//! Which of the processes that share a run drives which session.

/// The place of one process among those of a run. Workers are numbered over all processes, and sessions take turns
/// over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crew {
    /// This process, counted from 0.
    pub(crate) process: u32,
    /// How many there are.
    pub(crate) processes: u32,
    /// Worker threads of each.
    pub(crate) workers: u32,
}

impl Crew {
    /// One process that shares nothing.
    pub(crate) fn alone(workers: u32) -> Self {
        Self {
            process: 0,
            processes: 1,
            workers,
        }
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.processes == 1
    }

    /// Workers of all processes.
    pub(crate) fn all(&self) -> u32 {
        self.processes * self.workers
    }

    /// The number of one of this process's workers among all.
    pub(crate) fn number(&self, worker: u32) -> u32 {
        self.process * self.workers + worker
    }

    /// The process that drives a session.
    pub(crate) fn process_of(&self, session: u32) -> u32 {
        session % self.all() / self.workers
    }

    /// The worker that drives a session within its process.
    pub(crate) fn worker_of(&self, session: u32) -> u32 {
        session % self.all() % self.workers
    }

    /// Whether this process drives a session.
    pub(crate) fn is_own(&self, session: u32) -> bool {
        self.process_of(session) == self.process
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every session is driven by one worker of one process, and is found by its number.
    #[test]
    fn sessions_are_dealt_out() {
        let crews = [0, 1, 2].map(|process| Crew {
            process,
            processes: 3,
            workers: 2,
        });
        let mut driven = Vec::new();
        for crew in crews {
            for worker in 0..2 {
                for session in (crew.number(worker)..20).step_by(crew.all() as usize) {
                    assert!(crew.is_own(session));
                    assert_eq!(crew.worker_of(session), worker, "{session}");
                    driven.push(session);
                }
            }
        }
        driven.sort_unstable();
        assert_eq!(driven, (0..20).collect::<Vec<_>>());
        let alone = Crew::alone(4);
        assert!(alone.is_alone() && alone.is_own(17));
        assert_eq!(alone.worker_of(17), 1);
    }
}
