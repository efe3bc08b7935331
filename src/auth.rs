//! Who may come in: tokens (JWT, RFC 7519) of connections and subscriptions, and the keys they are held
//! against.
//!
//! [`Keys`] checks a token, [`outcome`](error::outcome) says what its bearer is told when that fails. Both
//! are pure: the second of the wall clock is an argument, and so is randomness. Only `jwks::keeper`, which
//! fetches keys where an endpoint is configured, has a thread, a clock and a socket. Whether a user may
//! do something is not decided here.

pub mod claims;
mod crypto;
pub mod error;
pub mod expiry;
pub mod inspect;
pub mod jwks;
mod key;
pub mod pem;
pub mod settings;
pub mod sign;
#[cfg(test)]
pub(crate) mod testing;
mod verifier;
pub mod waiting;

use self::claims::{Bearer, ConnectionToken, SubscriptionToken};
use self::error::{Fault, TokenError};
use self::jwks::cache::KeyNews;
use self::jwks::endpoint::Endpoint;
use self::settings::{AuthSettings, KeyError, Section};
use self::verifier::Verifier;

/// The keys of a server, ready to check tokens. Each thread that checks any has its own.
#[derive(Debug, Clone)]
pub struct Keys {
    connection: Verifier,
    /// Only where subscription tokens have keys of their own.
    subscription: Option<Verifier>,
}

/// A good token that came with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// One to connect.
    Connection(ConnectionToken),
    /// One to subscribe.
    Subscription {
        /// What it opens.
        token: SubscriptionToken,
        /// Whose it is; empty for somebody anonymous.
        user: String,
    },
}

impl Keys {
    /// Reads the keys.
    ///
    /// # Errors
    /// When something that is written can't hold: a sentence that names the setting and the fix.
    pub fn new(settings: &AuthSettings) -> Result<Self, KeyError> {
        crypto::install();
        let subscription = settings.subscription.as_ref();
        let subscription =
            subscription.map(|settings| Verifier::new(Section::Subscription, settings));
        Ok(Self {
            connection: Verifier::new(Section::Connection, &settings.connection)?,
            subscription: subscription.transpose()?,
        })
    }

    /// Whether any token could be good.
    pub fn has_any(&self) -> bool {
        self.all().any(Verifier::has_keys)
    }

    /// Where keys are to be fetched, each by a [`Keeper`](jwks::keeper::Keeper).
    pub fn endpoints(&self) -> impl Iterator<Item = (Section, &Endpoint)> {
        self.all()
            .filter_map(|verifier| Some((verifier.section(), verifier.endpoint()?)))
    }

    /// Takes what a keeper tells. What waited for it is then to be checked again.
    pub fn handle_news(&mut self, news: &KeyNews, now: u64) {
        let all = [Some(&mut self.connection), self.subscription.as_mut()];
        for verifier in all.into_iter().flatten() {
            if verifier.section() == news.section {
                verifier.handle_news(news, now);
            }
        }
    }

    /// Checks a connection token. `now` is in seconds of the Unix epoch.
    ///
    /// # Errors
    /// When it does not let its bearer in, or its key must be asked for first.
    pub fn connection(&self, token: &str, now: u64) -> Result<ConnectionToken, TokenError> {
        let claims = self.connection.claims(token, now)?;
        ConnectionToken::read(&claims, self.connection.user_claim(), now)
    }

    /// Checks a connection token that is to prolong the connection of `user`.
    ///
    /// # Errors
    /// As [`Keys::connection`], and when it is another user's.
    pub fn refresh(
        &self,
        token: &str,
        user: &str,
        now: u64,
    ) -> Result<ConnectionToken, TokenError> {
        let token = self.connection(token, now)?;
        if token.user != user {
            return Err(TokenError::Foreign(Fault::OtherUser));
        }
        Ok(token)
    }

    /// Checks a subscription token, be it to subscribe or to prolong that.
    ///
    /// # Errors
    /// When it does not let its bearer in, or its key must be asked for first.
    pub fn subscription(
        &self,
        token: &str,
        bearer: &Bearer<'_>,
        now: u64,
    ) -> Result<SubscriptionToken, TokenError> {
        let verifier = self.subscription.as_ref().unwrap_or(&self.connection);
        let claims = verifier.claims(token, now)?;
        SubscriptionToken::read(&claims, verifier.user_claim(), bearer, now)
    }

    /// Checks a token of either kind that comes with an HTTP request, whose sender has said nothing else.
    ///
    /// # Errors
    /// When it is neither, or its key must be asked for first.
    pub fn shown(&self, token: &str, now: u64) -> Result<Shown, TokenError> {
        let own = self.subscription.as_ref();
        let error = match (self.connection(token, now), own) {
            (Ok(token), _) => return Ok(Shown::Connection(token)),
            (Err(error @ TokenError::Invalid(Fault::HasChannel)), None) => error,
            // The keys of subscription tokens may be the only ones that it is good for.
            (Err(error @ TokenError::Invalid(_)), Some(_)) => error,
            (Err(error), _) => return Err(error),
        };
        let verifier = own.unwrap_or(&self.connection);
        let subscription = verifier
            .claims(token, now)
            .and_then(|claims| SubscriptionToken::read_alone(&claims, verifier.user_claim(), now));
        match subscription {
            Ok((token, user)) => Ok(Shown::Subscription { token, user }),
            Err(TokenError::Invalid(_)) => Err(error),
            Err(other) => Err(other),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Verifier> {
        std::iter::once(&self.connection).chain(&self.subscription)
    }
}

#[cfg(test)]
mod tests;
