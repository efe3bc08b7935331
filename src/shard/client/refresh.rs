//! A client renews what its tokens give it.

use crate::auth::error::WayIn;
use crate::protocol::centrifugo::codes::{Disconnect, ErrorCode, Unsubscribed};
use crate::protocol::centrifugo::command::SubRefresh;
use crate::protocol::centrifugo::reply::Reply;
use crate::session::client::{By, Client};
use crate::shard::Shard;
use crate::shard::parts::lease::Lease;
use crate::shard::parts::step::{Declined, Step, VERSION};
use crate::shard::parts::verdict::{Hindrance, fingerprint};

impl Shard {
    /// A client shows another token, to stay.
    pub(super) fn client_refresh(
        &mut self,
        slot: u32,
        id: u32,
        token: &str,
    ) -> Result<Step, Declined> {
        if token.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        let token = match self.readmit(slot, token) {
            Ok(token) => token,
            Err(Hindrance::KeyWanted) => return Ok(Step::Later),
            Err(Hindrance::Declined(declined)) => return Err(declined),
        };
        let grants = self.client(slot).and_then(Client::grants);
        if grants != Some(fingerprint(&token.grants)) {
            // It is put into others when it comes back.
            return Err(Disconnect::InsufficientState.into());
        }
        let lease = self.connection_lease(token.expires_at);
        let about = self.about(&token)?;
        if let Some(client) = self.client_mut(slot) {
            client.prolong(lease.ends);
            client.call(about);
        }
        let reply = Reply::Refresh {
            client: self.sessions.at(slot).id(),
            version: VERSION,
            expires_s: lease.expires_s,
        };
        self.answer(slot, id, &reply);
        self.schedule_client(slot);
        Ok(Step::Done)
    }

    /// A client shows another token, to stay in a room.
    pub(super) fn client_sub_refresh(
        &mut self,
        slot: u32,
        id: u32,
        refresh: &SubRefresh<'_>,
    ) -> Result<Step, Declined> {
        let channel = &*refresh.channel;
        if channel.is_empty() {
            return Err(ErrorCode::BadRequest.into());
        }
        if refresh.kind != 0 {
            return Err(ErrorCode::NotAvailable.into());
        }
        if refresh.token.is_empty() {
            return Err(Disconnect::BadRequest.into());
        }
        let session = self.sessions.at(slot);
        let room = self.rooms.find(channel);
        let membership = room.and_then(|room| session.membership_in(room));
        let membership = membership.ok_or(ErrorCode::PermissionDenied)?;
        let subscription =
            (self.client(slot)).and_then(|client| client.subscriptions().get(membership));
        if subscription.is_some_and(|one| one.by() == By::Server) {
            // It lasts as long as the connection, and no token makes that longer or shorter.
            return Err(Disconnect::BadRequest.into());
        }
        let lease = match self.grant(slot, WayIn::SubRefresh, channel, &refresh.token) {
            Ok(token) => self.subscription_lease(token.expires_at),
            Err(Hindrance::KeyWanted) => return Ok(Step::Later),
            Err(Hindrance::Declined(Declined::Error(ErrorCode::Expired))) => {
                // It subscribes again, with a new token, whatever it is told of this one.
                self.put_out(slot, membership, Unsubscribed::Expired);
                Lease::default()
            }
            Err(Hindrance::Declined(declined)) => return Err(declined),
        };
        let client = self.client_mut(slot);
        if let Some(subscription) =
            client.and_then(|client| client.subscriptions_mut().get_mut(membership))
        {
            subscription.prolong(lease.ends);
        }
        let expires_s = lease.expires_s;
        self.answer(slot, id, &Reply::SubRefresh { expires_s });
        self.schedule_client(slot);
        Ok(Step::Done)
    }

    /// For how long a subscription token lets somebody stay in a room.
    pub(super) fn subscription_lease(&mut self, expires_at: Option<u64>) -> Lease {
        let moment = self.moment();
        Lease::until(
            expires_at,
            self.chat().client.expired_sub_close_delay,
            &moment,
        )
    }
}
