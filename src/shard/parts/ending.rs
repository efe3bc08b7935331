//! How far the end of the server has come.

/// How far the end of the server has come.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    stopping: bool,
    drained: bool,
}

impl Ending {
    /// The server is stopping.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// The last pages were served.
    pub(crate) fn drain(&mut self) {
        self.drained = true;
    }

    /// Whether upgrades are refused.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether no connections are taken any more.
    pub(crate) fn is_drained(&self) -> bool {
        self.drained
    }
}

#[cfg(test)]
mod tests {
    use super::Ending;

    /// Goal: first upgrades are refused, then connections too, and neither is allowed again.
    #[test]
    fn the_end_comes_in_steps() {
        type Step = fn(&mut Ending);
        let mut ending = Ending::default();
        let steps: [(Step, (bool, bool)); 4] = [
            (|_| {}, (false, false)),
            (Ending::stop, (true, false)),
            (Ending::drain, (true, true)),
            (Ending::stop, (true, true)),
        ];
        for (step, expected) in steps {
            step(&mut ending);
            assert_eq!((ending.is_stopping(), ending.is_drained()), expected);
        }
    }
}
