//! Publications and members in Protobuf.

use super::writing::{NESTED_BYTES_MAX, VARINT_BYTES_MAX, bytes, message, number};
use crate::id::Epoch;
use crate::message::Info;
use crate::protocol::centrifugo::reply::Publication;
use crate::protocol::centrifugo::sink::{Sink, Write};

/// A message that has been counted.
#[derive(Debug)]
pub(crate) struct Counted<T> {
    message: T,
    bytes: usize,
}

impl<T: Write> Counted<T> {
    /// Counts `message`.
    #[inline]
    pub(crate) fn new(message: T) -> Self {
        let bytes = message.bytes();
        Self { message, bytes }
    }
}

impl<T: Write> Write for Counted<T> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        sink.put_counted(self.bytes, |sink| self.message.write(sink));
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A member.
#[derive(Debug)]
pub(crate) struct InfoMessage<'a> {
    info: Info<'a>,
    client: [u8; UUID_BYTES],
}

impl<'a> InfoMessage<'a> {
    /// That of this member.
    #[inline]
    pub(crate) fn of(info: &Info<'a>) -> Self {
        let mut client = [0; UUID_BYTES];
        info.client.hyphenated().encode_lower(&mut client);
        Self {
            info: *info,
            client,
        }
    }

    /// As many bytes as it has, or more.
    pub(crate) const fn bytes_max(info: &Info<'_>) -> usize {
        let Info {
            user,
            connection,
            channel,
            ..
        } = info;
        let texts = user.len() + UUID_BYTES + connection.len() + channel.len();
        4 * NESTED_BYTES_MAX + texts
    }
}

/// Bytes of a session's name.
const UUID_BYTES: usize = uuid::fmt::Hyphenated::LENGTH;

impl Write for InfoMessage<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        let Self { info, client } = self;
        bytes(sink, 1, info.user.as_bytes());
        bytes(sink, 2, client);
        bytes(sink, 3, info.connection);
        bytes(sink, 4, info.channel);
    }
}

/// A publication.
#[derive(Debug)]
pub(crate) struct PublicationMessage<'a> {
    publication: Publication<'a>,
    info: Option<Counted<InfoMessage<'a>>>,
}

impl<'a> PublicationMessage<'a> {
    /// That of this publication.
    #[inline]
    pub(crate) fn of(publication: &Publication<'a>) -> Self {
        Self {
            publication: *publication,
            info: (publication.info.as_ref()).map(|info| Counted::new(InfoMessage::of(info))),
        }
    }

    /// As many bytes as that of something published has, or more.
    pub(crate) fn bytes_max(data: &[u8], info: Option<&Info<'_>>) -> usize {
        let rest = Epoch::TEXT_BYTES + VARINT_BYTES_MAX + 4 * NESTED_BYTES_MAX;
        rest + data.len() + info.map_or(0, InfoMessage::bytes_max)
    }
}

impl Write for PublicationMessage<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        let publication = &self.publication;
        bytes(sink, 4, publication.data.bytes);
        if let Some(info) = &self.info {
            message(sink, 5, info);
        }
        let offset = publication.offset.map_or(0, |offset| offset.number());
        number(sink, 6, offset);
        if let Some(epoch) = publication.epoch {
            bytes(sink, 14, &epoch.text());
        }
    }
}
