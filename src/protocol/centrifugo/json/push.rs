//! What all members of a channel are told, in JSON.

use super::publication::{InfoText, PublicationText};
use super::text;
use crate::message::Event;
use crate::protocol::centrifugo::payload::Payload;
use crate::protocol::centrifugo::reply::Publication;
use crate::protocol::centrifugo::sink::{Sink, Write};
use crate::room::rendition::Said;

/// A push, as it is written.
#[derive(Debug)]
pub(crate) struct PushText<'a> {
    channel: &'a str,
    news: News<'a>,
}

#[derive(Debug)]
enum News<'a> {
    Published(PublicationText<'a>),
    Joined(InfoText<'a>),
    Left(InfoText<'a>),
}

impl<'a> PushText<'a> {
    /// That of what was said, if it has one.
    #[inline]
    pub(crate) fn of(said: &Said<'a>) -> Option<Self> {
        let news = match &said.message.event {
            Event::Published { .. } => {
                News::Published(PublicationText::of(&Publication::in_push(said)?))
            }
            Event::Joined(info) => News::Joined(InfoText::of(info)),
            Event::Left(info) => News::Left(InfoText::of(info)),
            Event::Members(_) => return None,
        };
        Some(Self {
            channel: said.room,
            news,
        })
    }

    /// As many bytes as it has, or more.
    #[inline]
    pub(crate) fn bytes_max(said: &Said<'_>) -> usize {
        // Keys and signs around the channel and around what happened there.
        const REST_BYTES: usize = 48;
        let news = match &said.message.event {
            &Event::Published { form, data, info } => {
                let payload = Payload { form, bytes: data };
                PublicationText::bytes_max(&payload, info.as_ref())
            }
            Event::Joined(info) | Event::Left(info) => InfoText::bytes_max(info),
            Event::Members(_) => 0,
        };
        REST_BYTES + text::string_bytes_max(said.room.len()) + news
    }
}

impl Write for PushText<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        sink.put(br#"{"push":{"channel":"#);
        text::string(sink, self.channel);
        match &self.news {
            News::Published(publication) => {
                sink.put(br#","pub":"#);
                publication.write(sink);
            }
            News::Joined(info) => {
                sink.put(br#","join":{"info":"#);
                info.write(sink);
                sink.put(b"}");
            }
            News::Left(info) => {
                sink.put(br#","leave":{"info":"#);
                info.write(sink);
                sink.put(b"}");
            }
        }
        sink.put(b"}}");
    }
}
