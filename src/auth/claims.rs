//! What a token says, once its signature is known to be good: each claim read on its own, and checked.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{Fault, TokenError, USER_BYTES_MAX};

/// How far the clocks of this machine and of whoever makes tokens may be apart where that only delays a
/// bearer (`nbf`, `iat`). For `exp` there is no such leeway: what has ended has ended.
const EARLY_SECONDS_MAX: u64 = 60;

/// A good connection token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionToken {
    /// The user; empty for somebody anonymous.
    pub user: String,
    /// What others are told of the connection: JSON without line ends, or bytes; empty for nothing.
    pub info: Vec<u8>,
    /// When the connection ends unless it is refreshed, in seconds of the Unix epoch.
    pub expires_at: Option<u64>,
    /// What the connection is subscribed to by the server, in the order of the names.
    pub grants: Vec<Grant>,
    /// JSON for hooks, never sent to clients; empty for nothing.
    pub meta: Vec<u8>,
}

/// A good subscription token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscriptionToken {
    /// What it lets its bearer have.
    pub grant: Grant,
    /// When the subscription ends unless it is refreshed, in seconds of the Unix epoch.
    pub expires_at: Option<u64>,
}

/// A channel that a token opens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Its name, as it is written in the token: whether there may be such a channel is not checked here.
    pub channel: String,
    /// What others are told of the subscription: JSON without line ends, or bytes; empty for nothing.
    pub info: Vec<u8>,
    /// What the bearer is told with the subscription: JSON without line ends, or bytes; empty for nothing.
    pub data: Vec<u8>,
    /// Options that hold instead of the channel's own.
    pub overrides: Overrides,
}

/// Options of a channel that a token overrides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Whether the subscriber is seen in the channel's presence.
    pub presence: Option<bool>,
    /// Whether the subscriber causes joins and leaves.
    pub join_leave: Option<bool>,
    /// Whether the subscriber is sent joins and leaves.
    pub force_push_join_leave: Option<bool>,
    /// Whether the subscription recovers.
    pub force_recovery: Option<bool>,
    /// Whether the subscription is positioned.
    pub force_positioning: Option<bool>,
}

/// Who shows a subscription token, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Bearer<'a> {
    /// The connection's user; empty for somebody anonymous.
    pub user: &'a str,
    /// The connection's id.
    pub client: &'a str,
    /// The channel that is asked for.
    pub channel: &'a str,
}

/// All claims of a token, each as it is written.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Claims(BTreeMap<String, Box<RawValue>>);

#[derive(Deserialize, Default)]
struct GrantClaims {
    info: Option<Box<RawValue>>,
    b64info: Option<String>,
    data: Option<Box<RawValue>>,
    b64data: Option<String>,
    #[serde(rename = "override")]
    overrides: Option<OverrideClaims>,
}

#[derive(Deserialize, Default)]
struct OverrideClaims {
    presence: Option<SwitchClaim>,
    join_leave: Option<SwitchClaim>,
    force_push_join_leave: Option<SwitchClaim>,
    force_recovery: Option<SwitchClaim>,
    force_positioning: Option<SwitchClaim>,
}

#[derive(Deserialize)]
struct SwitchClaim {
    #[serde(default)]
    value: bool,
}

impl Claims {
    /// A claim that has a value.
    fn raw(&self, name: &str) -> Option<&str> {
        let text = self.0.get(name)?.get();
        (text != "null").then_some(text)
    }

    fn read<'a, T: Deserialize<'a>>(&'a self, name: &'static str) -> Result<Option<T>, Fault> {
        let value = self.raw(name).map(serde_json::from_str);
        value.transpose().map_err(|_| Fault::Claim(name))
    }

    /// A text, empty where it is missing.
    fn text(&self, name: &'static str) -> Result<String, Fault> {
        Ok(self.read(name)?.unwrap_or_default())
    }

    /// One text, or a list of them.
    pub(super) fn texts(&self, name: &'static str) -> Result<Vec<String>, Fault> {
        match self.raw(name) {
            Some(list) if list.starts_with('[') => Ok(self.read(name)?.unwrap_or_default()),
            _ => Ok(self.read(name)?.into_iter().collect()),
        }
    }

    /// Seconds of the Unix epoch (RFC 7519 section 2, NumericDate); what is before it counts as 0.
    fn date(&self, name: &'static str) -> Result<Option<u64>, Fault> {
        let Some(number) = self.read::<serde_json::Number>(name)? else {
            return Ok(None);
        };
        if let Some(whole) = number.as_u64() {
            return Ok(Some(whole));
        }
        let seconds = number.as_f64().ok_or(Fault::Claim(name))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` cuts off the part of a second, and stops at both ends"
        )]
        let seconds = seconds as u64;
        Ok(Some(seconds))
    }

    /// JSON as it is written but for line ends, which would end a message; empty where it is missing.
    fn json(&self, name: &str) -> Vec<u8> {
        self.raw(name).map(on_one_line).unwrap_or_default()
    }

    /// The user's id, empty where it is missing. What is configured instead of `sub` may be a number, as
    /// many issuers have it.
    pub(super) fn user(&self, claim: Option<&str>) -> Result<String, Fault> {
        let user = match claim {
            None => self.text("sub")?,
            Some(claim) => match self.raw(claim) {
                None => String::new(),
                Some(text)
                    if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) =>
                {
                    text.to_owned()
                }
                Some(text) => serde_json::from_str(text).map_err(|_| Fault::Claim("user id"))?,
            },
        };
        if user.len() > USER_BYTES_MAX {
            return Err(Fault::User);
        }
        Ok(user)
    }

    /// Whether now is within the token's time.
    fn check_time(&self, now: u64) -> Result<(), TokenError> {
        let dates = || -> Result<_, Fault> {
            Ok((self.date("exp")?, self.date("nbf")?, self.date("iat")?))
        };
        let (ends_at, begins_at, issued_at) = dates().map_err(TokenError::Invalid)?;
        // "On or after" (RFC 7519 section 4.1.4).
        if let Some(ago) = ends_at.and_then(|ends_at| now.checked_sub(ends_at)) {
            return Err(TokenError::Expired { ago });
        }
        let begins_at = begins_at.max(issued_at).unwrap_or(0);
        let ahead = begins_at.saturating_sub(now);
        if ahead > EARLY_SECONDS_MAX {
            return Err(TokenError::Early { ahead });
        }
        Ok(())
    }

    /// When what the token opens ends: `expire_at` goes before `exp`, and 0 there is never.
    fn expires_at(&self, now: u64) -> Result<Option<u64>, TokenError> {
        let expires_at = match self.date("expire_at").map_err(TokenError::Invalid)? {
            Some(0) => None,
            Some(seconds) => Some(seconds),
            None => self.date("exp").map_err(TokenError::Invalid)?,
        };
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(TokenError::Lapsed);
        }
        Ok(expires_at)
    }

    /// What is said of a channel by these claims themselves.
    fn own_grant(&self) -> Result<Grant, Fault> {
        let claims = GrantClaims {
            info: self.read("info")?,
            b64info: self.read("b64info")?,
            data: self.read("data")?,
            b64data: self.read("b64data")?,
            overrides: self.read("override")?,
        };
        claims.grant(self.text("channel")?)
    }

    fn grants(&self) -> Result<Vec<Grant>, Fault> {
        let subs: Option<BTreeMap<String, GrantClaims>> = self.read("subs")?;
        if let Some(subs) = subs.filter(|subs| !subs.is_empty()) {
            let subs = subs.into_iter();
            return subs
                .map(|(channel, claims)| claims.grant(channel))
                .collect();
        }
        let mut channels: Vec<String> = self.read("channels")?.unwrap_or_default();
        channels.sort_unstable();
        channels.dedup();
        let channels = channels.into_iter();
        let grant = |channel| GrantClaims::default().grant(channel);
        channels.map(grant).collect()
    }
}

impl ConnectionToken {
    /// Reads a connection token.
    pub(super) fn read(
        claims: &Claims,
        user_claim: Option<&str>,
        now: u64,
    ) -> Result<Self, TokenError> {
        // What may subscribe to one channel may not do all that a connection may.
        if !claims
            .text("channel")
            .map_err(TokenError::Invalid)?
            .is_empty()
        {
            return Err(TokenError::Invalid(Fault::HasChannel));
        }
        claims.check_time(now)?;
        let parts = || -> Result<_, Fault> {
            Ok(Self {
                user: claims.user(user_claim)?,
                info: bytes(claims.read("info")?, claims.read("b64info")?, "b64info")?,
                expires_at: None,
                grants: claims.grants()?,
                meta: claims.json("meta"),
            })
        };
        let token = parts().map_err(TokenError::Invalid)?;
        let expires_at = claims.expires_at(now)?;
        Ok(Self {
            expires_at,
            ..token
        })
    }
}

impl SubscriptionToken {
    /// Reads a subscription token that its bearer may use.
    pub(super) fn read(
        claims: &Claims,
        user_claim: Option<&str>,
        bearer: &Bearer<'_>,
        now: u64,
    ) -> Result<Self, TokenError> {
        let Unclaimed {
            grant,
            user,
            client,
        } = Unclaimed::read(claims, user_claim, now)?;
        if grant.channel != bearer.channel {
            return Err(TokenError::Foreign(Fault::OtherChannel));
        }
        if user != bearer.user {
            return Err(TokenError::Foreign(Fault::OtherUser));
        }
        if !client.is_empty() && client != bearer.client {
            return Err(TokenError::Foreign(Fault::OtherClient));
        }
        let expires_at = claims.expires_at(now)?;
        Ok(Self { grant, expires_at })
    }

    /// Reads one that somebody shows who has said nothing else: the token alone says whose it is.
    pub(super) fn read_alone(
        claims: &Claims,
        user_claim: Option<&str>,
        now: u64,
    ) -> Result<(Self, String), TokenError> {
        let Unclaimed {
            grant,
            user,
            client,
        } = Unclaimed::read(claims, user_claim, now)?;
        if !client.is_empty() {
            return Err(TokenError::Foreign(Fault::OtherClient));
        }
        let expires_at = claims.expires_at(now)?;
        Ok((Self { grant, expires_at }, user))
    }
}

/// What a subscription token says, whoever shows it.
struct Unclaimed {
    grant: Grant,
    user: String,
    client: String,
}

impl Unclaimed {
    fn read(claims: &Claims, user_claim: Option<&str>, now: u64) -> Result<Self, TokenError> {
        claims.check_time(now)?;
        let parts = || -> Result<_, Fault> {
            Ok(Self {
                grant: claims.own_grant()?,
                user: claims.user(user_claim)?,
                client: claims.text("client")?,
            })
        };
        let parts = parts().map_err(TokenError::Invalid)?;
        if parts.grant.channel.is_empty() {
            return Err(TokenError::Invalid(Fault::NoChannel));
        }
        Ok(parts)
    }
}

impl GrantClaims {
    fn grant(self, channel: String) -> Result<Grant, Fault> {
        let overrides = self.overrides.unwrap_or_default();
        let switch = |claim: Option<SwitchClaim>| claim.map(|claim| claim.value);
        Ok(Grant {
            channel,
            info: bytes(self.info, self.b64info, "b64info")?,
            data: bytes(self.data, self.b64data, "b64data")?,
            overrides: Overrides {
                presence: switch(overrides.presence),
                join_leave: switch(overrides.join_leave),
                force_push_join_leave: switch(overrides.force_push_join_leave),
                force_recovery: switch(overrides.force_recovery),
                force_positioning: switch(overrides.force_positioning),
            },
        })
    }
}

/// What is written as base64 goes before what is written as JSON.
fn bytes(
    json: Option<Box<RawValue>>,
    base64: Option<String>,
    name: &'static str,
) -> Result<Vec<u8>, Fault> {
    match base64.filter(|text| !text.is_empty()) {
        Some(text) => STANDARD.decode(text).map_err(|_| Fault::Claim(name)),
        None => Ok(json.map(|json| on_one_line(json.get())).unwrap_or_default()),
    }
}

/// Line ends of JSON stand between its parts only: within a text they are escaped.
fn on_one_line(json: &str) -> Vec<u8> {
    let mut bytes = json.as_bytes().to_vec();
    bytes.retain(|byte| !matches!(byte, b'\n' | b'\r'));
    bytes
}
