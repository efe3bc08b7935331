//! What the sections of the chat backend and the other settings must be to each other.

use super::chat::Chat;
use super::chat::websocket::Beside;
use super::mistake::Mistake;
use super::tree::Table;
use super::values::Config;

impl Config {
    /// Takes in what the sections of a file say. Of limits on the whole process the lower one holds.
    ///
    /// # Errors
    /// When the other settings leave no room for what the sections say.
    pub(crate) fn take(&mut self, chat: Chat, file: &Table) -> Result<(), Mistake> {
        self.chat = chat;
        if let Some(limit) = self.chat.client.connection_limit {
            self.connections_max = self.connections_max.min(limit.get());
        }
        let problem = self.chat.websocket.problem(self.beside());
        let Some(problem) = problem.filter(|_| !self.chat.is_playground()) else {
            return Ok(());
        };
        let limit = self.chat.websocket.message_size_limit;
        let sentence = format!("websocket.message_size_limit is {limit}, {problem}");
        let section = file.table("websocket");
        Err(
            match section.and_then(|table| table.get("message_size_limit")) {
                Some(node) => Mistake::at(node.line, sentence),
                None => Mistake::anywhere(sentence),
            },
        )
    }

    /// Largest message of a client of Centrifugo's protocol, and of anybody in a room that has such
    /// members or a history, in bytes.
    #[must_use]
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "sessions of Centrifugo's protocol are to ask")
    )]
    pub(crate) fn message_size_limit(&self) -> usize {
        match self.chat.is_playground() {
            true => self.chat.websocket.that_fits(self.beside()),
            false => self.chat.websocket.message_size_limit,
        }
    }

    fn beside(&self) -> Beside {
        Beside {
            log_bytes: self.log_bytes,
            message_bytes_max: self.message_bytes_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use crate::config::Config;
    use crate::config::chat::{Chat, Sections};
    use crate::config::tree::{Node, Table, Value};

    fn section(name: &str, key: &str, number: i64) -> Table {
        let value = Value::Integer(number);
        let node = Node { line: 7, value };
        let value = Value::Table(Table::new(vec![(key.to_owned(), node)]));
        let node = Node { line: 6, value };
        Table::new(vec![(name.to_owned(), node)])
    }

    /// Goal: what holds for the whole process is the lower of two limits.
    #[test]
    fn the_lower_limit_on_connections_holds() {
        for (limit, expected) in [(77, 77), (1 << 40, 10_000), (0, 10_000)] {
            let file = section("client", "connection_limit", limit);
            let chat = Sections::read(&file).chat;
            let limit = usize::try_from(limit).expect("positive");
            assert_eq!(chat.client.connection_limit, NonZeroUsize::new(limit));
            let mut config = Config::default();
            config.take(chat, &file).expect("it fits");
            assert_eq!(config.connections_max, expected);
        }
    }

    /// Goal: a log too small for the largest frame refuses the start, with the line if there is one;
    /// a playground takes smaller messages instead.
    #[test]
    fn a_frame_must_fit_into_the_log() {
        let small = || Config {
            log_bytes: 1 << 20,
            ..Config::default()
        };
        let mut config = small();
        config
            .take(Chat::default(), &Table::default())
            .expect("a playground");
        assert!(config.message_size_limit() < 11_000);
        let file = section("client", "connection_limit", 5);
        let mut config = small();
        let mistake = config
            .take(Sections::read(&file).chat, &file)
            .expect_err("too small");
        assert_eq!(mistake.line, None);
        assert!(
            mistake
                .sentence
                .starts_with("websocket.message_size_limit is 65536, with")
        );
        let file = section("websocket", "message_size_limit", 70_000);
        let mut chat = Sections::read(&section("client", "connection_limit", 5)).chat;
        chat.websocket = Sections::read(&file).chat.websocket;
        let mut config = Config::default();
        let mistake = config.take(chat, &file).expect_err("too large");
        assert_eq!(mistake.line, Some(7));
    }
}
