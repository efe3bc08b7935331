//! WebSocket frames as a client writes and reads them (RFC 6455 section 5.2).

/// Continuation of a fragmented message.
pub(crate) const CONTINUATION: u8 = 0x0;
/// Text frame.
pub(crate) const TEXT: u8 = 0x1;
/// Binary frame.
pub(crate) const BINARY: u8 = 0x2;
/// Close frame.
pub(crate) const CLOSE: u8 = 0x8;
/// Ping frame.
pub(crate) const PING: u8 = 0x9;
/// Pong frame.
pub(crate) const PONG: u8 = 0xA;

/// How a payload length is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LengthForm {
    /// The shortest form, as the RFC demands.
    Shortest,
    /// 126 and two bytes.
    Two,
    /// 127 and eight bytes.
    Eight,
}

/// A frame to send, right unless told otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    last: bool,
    reserved: u8,
    opcode: u8,
    mask: Option<[u8; 4]>,
    form: LengthForm,
    declared: Option<u64>,
    payload: Vec<u8>,
}

impl Outgoing {
    /// A final, masked frame with the shortest length.
    pub(crate) fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self {
            last: true,
            reserved: 0,
            opcode,
            mask: Some(fastrand::u32(..).to_be_bytes()),
            form: LengthForm::Shortest,
            declared: None,
            payload: payload.as_ref().to_vec(),
        }
    }

    /// A whole text message; its bytes need not be UTF-8.
    pub(crate) fn text(payload: impl AsRef<[u8]>) -> Self {
        Self::new(TEXT, payload)
    }

    /// A whole binary message.
    pub(crate) fn binary(payload: impl AsRef<[u8]>) -> Self {
        Self::new(BINARY, payload)
    }

    /// A ping.
    pub(crate) fn ping(payload: impl AsRef<[u8]>) -> Self {
        Self::new(PING, payload)
    }

    /// A close frame with a code and a reason.
    pub(crate) fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes(), reason.as_ref()].concat())
    }

    /// The last fragment of a message.
    pub(crate) fn continuation(payload: impl AsRef<[u8]>) -> Self {
        Self::new(CONTINUATION, payload)
    }

    /// Clears FIN: more fragments follow.
    pub(crate) fn more(mut self) -> Self {
        self.last = false;
        self
    }

    /// Sets the reserved bits, 0 to 7 with RSV1 as 4.
    pub(crate) fn reserved(mut self, bits: u8) -> Self {
        self.reserved = bits;
        self
    }

    /// Leaves the payload unmasked, which a client must not.
    pub(crate) fn unmasked(mut self) -> Self {
        self.mask = None;
        self
    }

    /// Masks with this key.
    pub(crate) fn masked_with(mut self, key: [u8; 4]) -> Self {
        self.mask = Some(key);
        self
    }

    /// Writes the length in this form, whether or not it is the shortest.
    pub(crate) fn length_form(mut self, form: LengthForm) -> Self {
        self.form = form;
        self
    }

    /// Writes this length in the header, whatever the payload's is.
    pub(crate) fn declaring(mut self, length: u64) -> Self {
        self.declared = Some(length);
        self
    }

    /// The frame as it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![(u8::from(self.last) << 7) | (self.reserved << 4) | self.opcode];
        let length = self.declared.unwrap_or(self.payload.len() as u64);
        let mask_bit = u8::from(self.mask.is_some()) << 7;
        let form = match self.form {
            LengthForm::Shortest if length > u64::from(u16::MAX) => LengthForm::Eight,
            LengthForm::Shortest if length > 125 => LengthForm::Two,
            form => form,
        };
        match form {
            LengthForm::Shortest => {
                bytes.push(mask_bit | u8::try_from(length).expect("at most 125"));
            }
            LengthForm::Two => {
                bytes.push(mask_bit | 126);
                bytes.extend(u16::try_from(length).expect("at most 65,535").to_be_bytes());
            }
            LengthForm::Eight => {
                bytes.push(mask_bit | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        let key = self.mask.unwrap_or_default();
        if self.mask.is_some() {
            bytes.extend(key);
        }
        bytes.extend(
            self.payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
        bytes
    }
}

/// A frame from the server, where it lies in the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View<'a> {
    /// FIN.
    pub(crate) last: bool,
    /// The opcode.
    pub(crate) opcode: u8,
    /// The payload.
    pub(crate) payload: &'a [u8],
}

/// A frame from the server, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incoming {
    /// FIN.
    pub(crate) last: bool,
    /// The opcode.
    pub(crate) opcode: u8,
    /// The payload.
    pub(crate) payload: Vec<u8>,
}

impl View<'_> {
    /// Copies the frame out of the buffer.
    pub(crate) fn keep(&self) -> Incoming {
        Incoming {
            last: self.last,
            opcode: self.opcode,
            payload: self.payload.to_vec(),
        }
    }
}

/// The first frame in `bytes` and its size there, or `None` when it is not complete.
///
/// # Errors
/// What a server must not send: a mask, a reserved bit or opcode, a length in a form that is not
/// the shortest, a control frame that is fragmented or longer than 125 bytes.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(View<'_>, usize)>, String> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let (last, reserved, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0F);
    if reserved != 0 {
        return Err(format!("reserved bits in {first:#04x}"));
    }
    if !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
        return Err(format!("reserved opcode in {first:#04x}"));
    }
    if second & 0x80 != 0 {
        return Err("a masked frame from the server".to_owned());
    }
    let (length, head) = match second & 0x7F {
        126 => {
            let Some(field) = rest.first_chunk::<2>() else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(*field)), 4)
        }
        127 => {
            let Some(field) = rest.first_chunk::<8>() else {
                return Ok(None);
            };
            (u64::from_be_bytes(*field), 10)
        }
        short => (u64::from(short), 2),
    };
    if (head == 4 && length < 126) || (head == 10 && length < 65_536) {
        return Err(format!("length {length} in a header of {head} bytes"));
    }
    if opcode >= CLOSE && (!last || length > 125) {
        return Err(format!(
            "control frame {opcode:#x} with FIN {last} and {length} bytes"
        ));
    }
    let length = usize::try_from(length).map_err(|error| error.to_string())?;
    let Some(payload) = bytes.get(head..).and_then(|rest| rest.get(..length)) else {
        return Ok(None);
    };
    Ok(Some((
        View {
            last,
            opcode,
            payload,
        },
        head + length,
    )))
}

/// The code and reason of a close frame's payload; `None` when it is empty.
///
/// # Errors
/// A payload of one byte, or a reason that is not UTF-8.
pub(crate) fn close_payload(payload: &[u8]) -> Result<Option<(u16, String)>, String> {
    match payload {
        [] => Ok(None),
        [_] => Err("a close frame with one byte".to_owned()),
        [high, low, reason @ ..] => {
            let reason = std::str::from_utf8(reason).map_err(|error| error.to_string())?;
            Ok(Some((u16::from_be_bytes([*high, *low]), reason.to_owned())))
        }
    }
}
