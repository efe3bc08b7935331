//! Publications and members in JSON.

use super::data::Data;
use super::object::Object;
use super::text;
use crate::message::Info;
use crate::protocol::centrifugo::payload::Payload;
use crate::protocol::centrifugo::reply::Publication;
use crate::protocol::centrifugo::sink::{Sink, Write};

/// A member, as it is written: what is said of it has been looked into.
#[derive(Debug)]
pub(crate) struct InfoText<'a> {
    user: &'a str,
    client: [u8; text::UUID_BYTES],
    connection: Option<Data<'a>>,
    channel: Option<Data<'a>>,
}

impl<'a> InfoText<'a> {
    /// That of this member.
    #[inline]
    pub(crate) fn of(info: &Info<'a>) -> Self {
        Self {
            user: info.user,
            client: text::uuid(info.client),
            connection: Data::of_info(info.connection),
            channel: Data::of_info(info.channel),
        }
    }

    /// As many bytes as it has, or more.
    pub(crate) const fn bytes_max(info: &Info<'_>) -> usize {
        // Keys, signs and the session's name.
        const REST_BYTES: usize = 96;
        REST_BYTES
            + text::string_bytes_max(info.user.len())
            + Data::info_bytes_max(info.connection.len())
            + Data::info_bytes_max(info.channel.len())
    }
}

impl Write for InfoText<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        let mut object = Object::begin(sink);
        object.text(r#""user":"#, self.user);
        object.key(r#""client":"#).put(&self.client);
        object.value_if_any(r#""conn_info":"#, self.connection.as_ref());
        object.value_if_any(r#""chan_info":"#, self.channel.as_ref());
        object.end();
    }
}

/// A publication, as it is written: what it says has been looked into.
#[derive(Debug)]
pub(crate) struct PublicationText<'a> {
    publication: Publication<'a>,
    data: Data<'a>,
    info: Option<InfoText<'a>>,
}

impl<'a> PublicationText<'a> {
    /// That of this publication.
    #[inline]
    pub(crate) fn of(publication: &Publication<'a>) -> Self {
        Self {
            publication: *publication,
            data: Data::of(publication.data),
            info: publication.info.as_ref().map(InfoText::of),
        }
    }

    /// As many bytes as that of something published has, or more.
    pub(crate) fn bytes_max(data: &Payload<'_>, info: Option<&Info<'_>>) -> usize {
        // Keys, signs, the offset and the epoch.
        const REST_BYTES: usize = 96;
        REST_BYTES + Data::bytes_max(data) + info.map_or(0, InfoText::bytes_max)
    }
}

impl Write for PublicationText<'_> {
    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        let mut object = Object::begin(sink);
        self.data.write(object.key(r#""data":"#));
        object.value_if_any(r#""info":"#, self.info.as_ref());
        if let Some(offset) = self.publication.offset {
            object.number(r#""offset":"#, offset.number());
        }
        if let Some(epoch) = self.publication.epoch {
            text::letters(object.key(r#""epoch":"#), &epoch.text());
        }
        object.end();
    }
}
