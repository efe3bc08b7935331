//! Who did something, as members are told: on its own, and packed behind what was said.

use uuid::Uuid;

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Info<'a> {
    /// The session's public name.
    pub(crate) client: Uuid,
    /// Whose session it is; empty when nobody knows.
    pub(crate) user: &'a str,
    /// What the application says of the connection: JSON or bytes, empty when it is nothing.
    pub(crate) connection: &'a [u8],
    /// And of its place in this room.
    pub(crate) channel: &'a [u8],
}

/// Bytes of a packed id.
const ID_BYTES: usize = 16;
/// And of the two lengths behind one, where there is more than an id.
const LENGTHS_BYTES: usize = 4;

impl<'a> Info<'a> {
    /// Bytes that a packed one has at most.
    pub(crate) const PACKED_BYTES_MAX: usize = u16::MAX as usize;

    /// And one of somebody of whom nothing is known but the session's name.
    pub(crate) const ANONYMOUS_BYTES: usize = ID_BYTES;

    /// Of somebody of whom nothing is known but the session's name.
    #[must_use]
    pub(crate) const fn anonymous(client: Uuid) -> Self {
        Self {
            client,
            user: "",
            connection: b"",
            channel: b"",
        }
    }

    /// Bytes that those of such lengths are packed in.
    #[must_use]
    pub(crate) const fn packed_bytes(user: usize, connection: usize, channel: usize) -> usize {
        match user + connection + channel {
            0 => ID_BYTES,
            bytes => ID_BYTES + LENGTHS_BYTES + bytes,
        }
    }

    /// Appends it to `out`: the id, and behind it what else there is.
    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.client.as_bytes());
        let lengths = [self.user.len(), self.connection.len(), self.channel.len()];
        if lengths == [0; 3] {
            return;
        }
        for length in &lengths[..2] {
            let length = u16::try_from(*length).expect("within PACKED_BYTES_MAX");
            out.extend_from_slice(&length.to_ne_bytes());
        }
        out.extend_from_slice(self.user.as_bytes());
        out.extend_from_slice(self.connection);
        out.extend_from_slice(self.channel);
    }

    /// What was packed in `bytes`, all of them.
    #[inline(never)]
    pub(super) fn unpack(bytes: &'a [u8]) -> Self {
        let (id, more) = bytes.split_at(ID_BYTES);
        let client = Uuid::from_slice(id).expect("it was packed from an id");
        let Some((lengths, rest)) = more.split_first_chunk::<LENGTHS_BYTES>() else {
            return Self::anonymous(client);
        };
        let [user @ .., _, _] = *lengths;
        let [_, _, connection @ ..] = *lengths;
        let (user, rest) = rest.split_at(usize::from(u16::from_ne_bytes(user)));
        let (connection, channel) = rest.split_at(usize::from(u16::from_ne_bytes(connection)));
        Self {
            client,
            user: std::str::from_utf8(user).expect("it was packed from a text"),
            connection,
            channel,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Info;

    /// Goal: what is known of somebody comes out as it went in, in as many bytes as were promised, and
    /// takes only an id where nothing is.
    #[test]
    fn infos_come_out_as_they_went_in() {
        let client = Uuid::from_u128(u128::MAX - 5);
        for (user, connection, channel) in [
            ("", &b""[..], &b""[..]),
            ("42", b"", b""),
            ("", br#"{"name":"x"}"#, b""),
            ("", b"", b"7"),
            ("\u{e9}", b"[]", b"null"),
        ] {
            let info = Info {
                client,
                user,
                connection,
                channel,
            };
            let mut packed = Vec::new();
            info.pack(&mut packed);
            let bytes = Info::packed_bytes(user.len(), connection.len(), channel.len());
            assert_eq!(packed.len(), bytes);
            assert_eq!(Info::unpack(&packed), info);
        }
        let mut packed = Vec::new();
        Info::anonymous(client).pack(&mut packed);
        assert_eq!(packed.len(), 16);
    }
}
