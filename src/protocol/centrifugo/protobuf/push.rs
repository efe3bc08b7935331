//! What all members of a channel are told, in Protobuf.

use super::publication::{Counted, InfoMessage, PublicationMessage};
use super::writing::{NESTED_BYTES_MAX, bytes, message, varint};
use crate::message::{Event, Info};
use crate::protocol::centrifugo::reply::Publication;
use crate::protocol::centrifugo::sink::{Sink, Write};
use crate::room::rendition::Said;

/// A push behind its length, as it is written.
#[derive(Debug)]
pub(crate) struct PushMessage<'a>(Counted<Envelope<'a>>);

impl<'a> PushMessage<'a> {
    /// That of what was said, if it has one.
    #[inline]
    pub(crate) fn of(said: &Said<'a>) -> Option<Self> {
        let notice = |info: &Info<'a>| Counted::new(Notice(Counted::new(InfoMessage::of(info))));
        let news = match &said.message.event {
            Event::Published { .. } => {
                let publication = Publication::in_push(said)?;
                News::Published(Counted::new(PublicationMessage::of(&publication)))
            }
            Event::Joined(info) => News::Joined(notice(info)),
            Event::Left(info) => News::Left(notice(info)),
            Event::Members(_) => return None,
        };
        let push = Counted::new(Push {
            channel: said.room,
            news,
        });
        Some(Self(Counted::new(Envelope(push))))
    }

    /// As many bytes as it has, or more.
    #[inline]
    pub(crate) fn bytes_max(said: &Said<'_>) -> usize {
        let news = match &said.message.event {
            Event::Published { data, info, .. } => {
                PublicationMessage::bytes_max(data, info.as_ref())
            }
            Event::Joined(info) | Event::Left(info) => InfoMessage::bytes_max(info),
            Event::Members(_) => 0,
        };
        // The reply, the push in it, its channel, what happened there, and who did it.
        5 * NESTED_BYTES_MAX + said.room.len() + news
    }
}

impl Write for PushMessage<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        varint(sink, self.0.bytes() as u64);
        self.0.write(sink);
    }
}

/// The reply that a push is in.
#[derive(Debug)]
struct Envelope<'a>(Counted<Push<'a>>);

impl Write for Envelope<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        message(sink, 4, &self.0);
    }
}

#[derive(Debug)]
struct Push<'a> {
    channel: &'a str,
    news: News<'a>,
}

#[derive(Debug)]
enum News<'a> {
    Published(Counted<PublicationMessage<'a>>),
    Joined(Counted<Notice<'a>>),
    Left(Counted<Notice<'a>>),
}

impl Write for Push<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        bytes(sink, 2, self.channel.as_bytes());
        match &self.news {
            News::Published(publication) => message(sink, 4, publication),
            News::Joined(notice) => message(sink, 5, notice),
            News::Left(notice) => message(sink, 6, notice),
        }
    }
}

/// That somebody came or went.
#[derive(Debug)]
struct Notice<'a>(Counted<InfoMessage<'a>>);

impl Write for Notice<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        message(sink, 1, &self.0);
    }
}
