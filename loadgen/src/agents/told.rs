//! What an agent was told already: whatever is decided for all is told to each of them once.

use super::orders::Order;

/// What is decided in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// When the load begins.
    Plan,
    /// That everybody drops.
    Storm,
    /// That all have.
    Away,
    /// That those who dropped come back.
    Return,
    /// That the measured window ends before its time.
    CutShort,
    /// What all publishers have sent.
    Sent,
    /// That nobody is left to publish or to receive.
    Useless,
    /// That it is over.
    Goodbye,
}

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Told {
    topics: Vec<Topic>,
    /// Number of the interval that was asked for last.
    interval: u64,
}

impl Told {
    /// The order that tells of something, if that is decided and was not told.
    pub(super) fn once(&mut self, topic: Topic, order: Option<Order>) -> Option<Order> {
        let order = order.filter(|_| !self.has(topic))?;
        self.topics.push(topic);
        Some(order)
    }

    /// The order that asks for the interval with a number, if that was not asked for.
    pub(super) fn interval(&mut self, number: u64) -> Option<Order> {
        let before = std::mem::replace(&mut self.interval, number);
        (before != number).then_some(Order::Interval { number })
    }

    /// Whether something was told.
    pub(super) fn has(&self, topic: Topic) -> bool {
        self.topics.contains(&topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is decided is told once, when it is decided, and each interval is asked for once.
    #[test]
    fn things_are_told_once() {
        let mut told = Told::default();
        assert!(told.once(Topic::Goodbye, None).is_none() && !told.has(Topic::Goodbye));
        let order = told.once(Topic::Goodbye, Some(Order::Goodbye));
        assert!(matches!(order, Some(Order::Goodbye)) && told.has(Topic::Goodbye));
        assert!(told.once(Topic::Goodbye, Some(Order::Goodbye)).is_none());
        assert!(told.once(Topic::Useless, Some(Order::Useless)).is_some());
        assert!(told.interval(0).is_none(), "nobody has asked yet");
        assert!(matches!(
            told.interval(3),
            Some(Order::Interval { number: 3 })
        ));
        assert!(told.interval(3).is_none() && told.interval(4).is_some());
    }
}
