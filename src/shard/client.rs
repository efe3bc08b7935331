//! What a client says that is in many rooms: frames hold commands, and each has its turn.
//!
//! Those that have to be answered by a room's home hold back what is behind them, and so do replies that the
//! client does not read; what it publishes does not. Answers to pings count whatever waits.

mod ask;
mod connect;
mod farewell;
mod lag;
mod publish;
mod pulse;
mod refresh;
mod rules;
mod subscribe;

use super::Shard;
use super::parts::action::Action;
use super::parts::step::{Declined, Step, encoding};
use crate::id::SessionKey;
use crate::metrics::CommandKind;
use crate::protocol::centrifugo::Encoding;
use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode};
use crate::protocol::centrifugo::command::Request;
use crate::protocol::centrifugo::reply::Reply;
use crate::protocol::centrifugo::{decode, encode};
use crate::room::rendition::Protocol;
use crate::session::client::{Client, Said, Stage};
use crate::session::tick::Tick;
use crate::wire::handshake::Format;

impl Shard {
    /// A client has come, and has a while to say who it is.
    pub(super) fn open_client(&mut self, slot: u32, format: Format) {
        self.metrics().opened.add(1);
        let tick = self.tick();
        let deadline = tick.after(self.chat().client.stale_close_delay);
        let protocol = match format {
            Format::Json => Protocol::Json,
            Format::Protobuf => Protocol::Protobuf,
        };
        let key = self.sessions.key(slot);
        // Most of them count pings, which lie behind what was sent before.
        self.actions.push_back(Action::HoldLittle(key));
        let session = self.sessions.at_mut(slot);
        let early = session.open(tick);
        session.begin_client(Client::new(protocol, deadline));
        self.schedule(slot, deadline);
        self.mark_dirty(slot);
        if let Some(mut early) = early {
            self.frames(slot, &mut early);
        }
    }

    /// What is kept for a client that is open.
    pub(super) fn client(&self, slot: u32) -> Option<&Client> {
        self.sessions.at(slot).client()
    }

    /// Like [`Self::client`].
    pub(super) fn client_mut(&mut self, slot: u32) -> Option<&mut Client> {
        self.sessions.at_mut(slot).client_mut()
    }

    // Commands.

    /// A message of a client: one command or several.
    pub(super) fn commands(&mut self, slot: u32, message: &[u8]) {
        let Some(encoding) = self.encoding(slot) else {
            return;
        };
        let (command_bytes_max, at) = (self.config().message_size_limit(), self.tick());
        for command in decode::split(encoding, message, command_bytes_max) {
            // What is no command has its turn behind those before it, and then ends the connection.
            let command = command.unwrap_or(b"");
            let said = Said { command, at };
            if self.must_hold(slot) || self.execute(slot, encoding, said) == Step::Later {
                self.hold_command(slot, encoding, said);
            }
            if !self.is_welcome(slot) {
                return;
            }
        }
        self.pause_if_full(slot);
    }

    /// Whether a client is open, and was not told to come back with something else: what it has said behind
    /// that is not to be answered.
    fn is_welcome(&self, slot: u32) -> bool {
        let stage = self.client(slot).map(Client::stage);
        stage.is_some_and(|stage| !matches!(stage, Stage::Refused(_)))
    }

    /// In which form a client is spoken to.
    fn encoding(&self, slot: u32) -> Option<Encoding> {
        self.client(slot).map(|client| encoding(client.protocol()))
    }

    /// Whether commands wait for others, or for the client to read its replies.
    fn must_hold(&self, slot: u32) -> bool {
        self.client(slot).is_some_and(Client::is_holding) || self.has_many_replies(slot)
    }

    /// Whether a client is to read its replies before it causes more. Of what is held, sent or not: it may
    /// read without end and yet leave a little each time.
    fn has_many_replies(&self, slot: u32) -> bool {
        let held_bytes = self.sessions.at(slot).private_held_bytes();
        held_bytes > self.config().private_bytes_max
    }

    fn hold_command(&mut self, slot: u32, encoding: Encoding, said: Said<'_>) {
        let read = (!said.command.is_empty()).then(|| decode::read(encoding, said.command));
        if matches!(read, Some(Ok(command)) if command.request == Request::Pong) {
            self.metrics().commands.count(CommandKind::Pong);
            self.client_pongs(slot);
        } else if let Some(client) = self.client_mut(slot) {
            client.hold(said);
            self.schedule_client(slot);
        }
    }

    /// Gives the commands their turns that have waited, as far as they may have them.
    pub(super) fn resume_commands(&mut self, slot: u32) {
        let Some(encoding) = self.encoding(slot) else {
            return;
        };
        let Some(mut held) = self.client_mut(slot).and_then(Client::take_held) else {
            return;
        };
        while let Some(said) = held.first()
            && !self.has_many_replies(slot)
        {
            let step = self.execute(slot, encoding, said);
            if !self.is_welcome(slot) {
                return;
            }
            if step == Step::Later {
                break;
            }
            held.pop();
            if step == Step::Waits {
                break;
            }
        }
        if let Some(client) = self.client_mut(slot) {
            client.return_held(held);
            self.pause_if_full(slot);
        }
    }

    /// Something is over that commands of a session may have waited for, if it is still there and has any.
    pub(super) fn go_on(&mut self, key: SessionKey) {
        if self.sessions.find(key).is_some() {
            self.resume_commands(key.slot);
            self.settle(key.slot);
        }
    }

    /// Reads no more from a client that has much waiting, here or in its replies.
    fn pause_if_full(&mut self, slot: u32) {
        let is_full = self.client(slot).is_some_and(Client::is_full);
        if is_full || self.has_many_replies(slot) {
            self.pause(slot);
        }
    }

    /// A command has its turn.
    fn execute(&mut self, slot: u32, encoding: Encoding, said: Said<'_>) -> Step {
        let read = match said.command {
            b"" => Err(Disconnect::BadRequest),
            command => decode::read(encoding, command),
        };
        let read = match read {
            Ok(read) => read,
            Err(disconnect) => {
                self.metrics().commands.count(CommandKind::Malformed);
                return self.disconnect(slot, disconnect);
            }
        };
        let Some(stage) = self.client(slot).map(Client::stage) else {
            return Step::Done;
        };
        let id = read.id;
        let step = match (stage, &read.request) {
            (Stage::New(_), Request::Connect(connect)) => {
                let step = self.client_connect(slot, id, connect);
                if matches!(step, Err(Declined::Error(_))) {
                    self.refuse_client(slot);
                }
                step
            }
            // It knows why, and that nothing else is of use.
            (Stage::Refused(_), _) => Ok(Step::Done),
            (Stage::New(_), _) | (_, Request::Connect(_)) => Err(Disconnect::BadRequest.into()),
            (Stage::Connecting | Stage::Connected, request) => {
                // Replies come in the order of the commands, but for those to publishes.
                if !matches!(request, Request::Publish(_) | Request::Pong) {
                    self.refuse_what_waits(slot, Tick(u32::MAX));
                }
                self.client_asks(slot, id, request, said)
            }
        };
        if step != Ok(Step::Later) {
            self.metrics().commands.count(kind(&read.request));
        }
        step.unwrap_or_else(|declined| self.decline(slot, id, declined))
    }

    /// A client that has said who it is wants something.
    fn client_asks(
        &mut self,
        slot: u32,
        id: u32,
        request: &Request<'_>,
        said: Said<'_>,
    ) -> Result<Step, Declined> {
        match request {
            Request::Subscribe(subscribe) => self.client_subscribe(slot, id, subscribe),
            Request::Unsubscribe { channel } => self.client_unsubscribe(slot, id, channel),
            Request::Publish(publish) => self.client_publish(slot, id, publish, said),
            Request::Presence { channel } => self.client_presence(slot, id, channel),
            Request::PresenceStats { channel } => self.client_stats(slot, id, channel),
            Request::History(history) => self.client_history(slot, id, history),
            Request::Pong => {
                self.client_pongs(slot);
                Ok(Step::Done)
            }
            Request::Rpc { .. } => Err(ErrorCode::NotAvailable.into()),
            // Nobody takes what is sent without a wish for an answer.
            Request::Send { .. } => Err(Disconnect::NotAvailable.into()),
            Request::Refresh { token } => self.client_refresh(slot, id, token),
            Request::SubRefresh(refresh) => self.client_sub_refresh(slot, id, refresh),
            Request::Connect(_) => Err(Disconnect::BadRequest.into()),
        }
    }

    /// A client is told why it can't be here, and has a while to go.
    fn refuse_client(&mut self, slot: u32) {
        let deadline = self.tick().after(self.chat().client.stale_close_delay);
        if let Some(client) = self.client_mut(slot) {
            client.refuse(deadline);
        }
        self.schedule_client(slot);
    }

    // Answers.

    /// Answers a command.
    fn answer(&mut self, slot: u32, id: u32, reply: &Reply<'_>) {
        if let Some(encoding) = self.encoding(slot) {
            self.reply(slot, |out| encode::append_reply(out, encoding, id, reply));
        }
    }

    /// A command is not done.
    fn decline(&mut self, slot: u32, id: u32, declined: Declined) -> Step {
        match declined {
            Declined::Error(error) => {
                self.metrics().commands_refused.add(1);
                // Saturates: then it is counted with those that nobody expects.
                let code = u16::try_from(error.code()).unwrap_or(u16::MAX);
                self.metrics().command_refusals.count(code);
                self.answer(slot, id, &Reply::Error(error));
                Step::Done
            }
            Declined::Close(disconnect) => self.disconnect(slot, disconnect),
        }
    }

    /// Ends the connection of a client, which is told why.
    pub(super) fn disconnect(&mut self, slot: u32, disconnect: Disconnect) -> Step {
        self.close(slot, disconnect.close_code(), disconnect.text());
        Step::Done
    }
}

/// What a command is counted as.
fn kind(request: &Request<'_>) -> CommandKind {
    match request {
        Request::Connect(_) => CommandKind::Connect,
        Request::Subscribe(_) => CommandKind::Subscribe,
        Request::Unsubscribe { .. } => CommandKind::Unsubscribe,
        Request::Publish(_) => CommandKind::Publish,
        Request::Presence { .. } => CommandKind::Presence,
        Request::PresenceStats { .. } => CommandKind::PresenceStats,
        Request::History(_) => CommandKind::History,
        Request::Rpc { .. } => CommandKind::Rpc,
        Request::Send { .. } => CommandKind::Send,
        Request::Refresh { .. } => CommandKind::Refresh,
        Request::SubRefresh(_) => CommandKind::SubRefresh,
        Request::Pong => CommandKind::Pong,
    }
}
