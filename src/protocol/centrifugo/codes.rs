//! The numbers that clients judge by: why a command was refused, a subscription ended, a connection was
//! closed.
//!
//! Clients take a text beside a number for an explanation, except that of a close: one that is empty or
//! that reads as JSON makes some of them come back though they are not to, or stay away.

use crate::wire::close::CloseCode;

macro_rules! codes {
    ($(#[doc = $doc:literal])+ $name:ident($number:ident):
        $($(#[doc = $of:literal])+ $code:ident = $value:literal, $text:literal;)+) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr($number)]
        pub enum $name {
            $($(#[doc = $of])+ $code = $value,)+
        }

        impl $name {
            /// All there are.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$code),+];

            /// Its number.
            #[must_use]
            pub const fn code(self) -> $number {
                self as $number
            }

            /// What it means, for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$code => $text,)+
                }
            }
        }
    };
}

codes! {
    /// Why a command was refused, as the reply to it says.
    ErrorCode(u32):
    /// Something went wrong here.
    Internal = 100, "internal server error";
    /// Who asks is not known.
    Unauthorized = 101, "unauthorized";
    /// There is no such channel.
    UnknownChannel = 102, "unknown channel";
    /// It is not allowed.
    PermissionDenied = 103, "permission denied";
    /// There is no such procedure.
    MethodNotFound = 104, "method not found";
    /// The client is subscribed to the channel.
    AlreadySubscribed = 105, "already subscribed";
    /// It would be more than a client may have.
    LimitExceeded = 106, "limit exceeded";
    /// It makes no sense.
    BadRequest = 107, "bad request";
    /// It is not switched on, or not made.
    NotAvailable = 108, "not available";
    /// The client is to fetch another token and ask again.
    TokenExpired = 109, "token expired";
    /// It is over before it began, without a token being old.
    Expired = 110, "expired";
    /// It would be too much at this moment.
    TooManyRequests = 111, "too many requests";
    /// Not all that was published since is there.
    UnrecoverablePosition = 112, "unrecoverable position";
    /// The client reads the same pages twice at once.
    ConcurrentPagination = 113, "concurrent pagination";
}

impl ErrorCode {
    /// Whether the same command may succeed later, so that clients ask again by themselves.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::Internal | Self::TooManyRequests | Self::ConcurrentPagination
        )
    }
}

codes! {
    /// Why a connection is closed, as the close frame says.
    Disconnect(u16):
    /// The server stops.
    Shutdown = 3001, "shutdown";
    /// Something went wrong here.
    ServerError = 3004, "internal server error";
    /// The token expired, and no other came.
    Expired = 3005, "connection expired";
    /// The same of a subscription that the server made.
    SubscriptionExpired = 3006, "subscription expired";
    /// The client does not read.
    Slow = 3008, "slow";
    /// What is sent does not arrive.
    WriteError = 3009, "write error";
    /// A subscription that the server made has missed something.
    InsufficientState = 3010, "insufficient state";
    /// The client is to come back.
    ForceReconnect = 3011, "force reconnect";
    /// A ping was not answered.
    NoPong = 3012, "no pong";
    /// The client asks for too much.
    TooManyRequests = 3013, "too many requests";
    /// The client is to forget its token and its positions, and to come back.
    StateInvalidated = 3014, "state invalidated";
    /// The token is none that lets in.
    InvalidToken = 3500, "invalid token";
    /// What came is no command, or none that may come there.
    BadRequest = 3501, "bad request";
    /// The client did not say who it is.
    Stale = 3502, "stale";
    /// The client is to stay away.
    ForceNoReconnect = 3503, "force disconnect";
    /// The user has as many connections as there may be.
    ConnectionLimit = 3504, "connection limit";
    /// The client has more channels than there may be.
    ChannelLimit = 3505, "channel limit";
    /// Something is to be sent that the client's encoding has no form for.
    InappropriateProtocol = 3506, "inappropriate protocol";
    /// The client may not be here.
    PermissionDenied = 3507, "permission denied";
    /// Nobody takes what the client sends without wanting a reply.
    NotAvailable = 3508, "not available";
    /// Too many commands were refused.
    TooManyErrors = 3509, "too many errors";
}

impl Disconnect {
    /// Whether clients stay away, rather than to come back after a while.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self.code(), 3500..=3999)
    }

    /// Its number, as a close frame has it.
    #[must_use]
    pub(crate) fn close_code(self) -> CloseCode {
        CloseCode::new(self.code()).expect("all of them are in the range of applications")
    }
}

codes! {
    /// Why a subscription ended that the client did not end, as the push says.
    Unsubscribed(u32):
    /// The server ended it.
    Server = 2000, "server unsubscribe";
    /// The client missed something.
    InsufficientState = 2500, "insufficient state";
    /// Its token expired, and no other came.
    Expired = 2501, "subscription expired";
    /// The client is to forget its token and its position.
    StateInvalidated = 2502, "state invalidated";
}

impl Unsubscribed {
    /// Whether clients subscribe again by themselves.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        self.code() >= 2500
    }
}

#[cfg(test)]
mod tests {
    use super::{Disconnect, ErrorCode, Unsubscribed};
    use crate::wire::close::REASON_BYTES_MAX;

    /// Goal: the numbers are those that clients know, and which of them are temporary too.
    #[test]
    fn errors_are_those_that_clients_know() {
        let codes: Vec<u32> = ErrorCode::ALL.iter().map(|error| error.code()).collect();
        assert_eq!(codes, (100..=113).collect::<Vec<u32>>());
        let temporary = ErrorCode::ALL.iter().filter(|error| error.is_temporary());
        let temporary: Vec<u32> = temporary.map(|error| error.code()).collect();
        assert_eq!(temporary, [100, 111, 113]);
        assert!(ErrorCode::ALL.iter().all(|error| !error.text().is_empty()));
        assert_eq!(ErrorCode::TokenExpired.text(), "token expired");
    }

    /// Goal: reasons of closes fit their frame, and none of them is empty or reads as JSON; clients that
    /// must not come back are told a code that says so.
    #[test]
    fn closes_keep_clients_away_or_bring_them_back() {
        for &disconnect in Disconnect::ALL {
            let reason = disconnect.text();
            assert!(!reason.is_empty() && reason.len() <= REASON_BYTES_MAX);
            assert!(serde_json::from_str::<serde_json::Value>(reason).is_err());
            assert_eq!(disconnect.close_code().get(), disconnect.code());
            assert_eq!(disconnect.is_terminal(), disconnect.code() >= 3500);
            assert!((3001..4000).contains(&disconnect.code()));
        }
        let terminal = Disconnect::ALL.iter().filter(|code| code.is_terminal());
        assert_eq!(terminal.count(), 10);
        assert_eq!(Disconnect::BadRequest.code(), 3501);
    }

    /// Goal: an end of a subscription says whether to subscribe again, and always why.
    #[test]
    fn ends_of_subscriptions_say_whether_to_subscribe_again() {
        let told: Vec<_> = (Unsubscribed::ALL.iter())
            .map(|code| (code.code(), code.is_temporary()))
            .collect();
        assert_eq!(
            told,
            [(2000, false), (2500, true), (2501, true), (2502, true)]
        );
        assert!(Unsubscribed::ALL.iter().all(|code| !code.text().is_empty()));
    }
}
