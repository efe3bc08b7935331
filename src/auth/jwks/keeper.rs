//! The thread that keeps an endpoint's keys: asks for them, and tells whoever checks tokens. It runs only
//! where an endpoint is configured, and is the one place of all that checks tokens with I/O and a clock.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Instant;

use rustls::pki_types::CertificateDer;
use tracing::{info, warn};

use super::cache::{Cause, FetchFault, JwksCache, KeyNews, Lookup};
use super::client::Client;
use super::endpoint::Endpoint;
use crate::auth::settings::Section;

/// Questions that wait for the thread. What finds no room is answered all the same: whatever is told is
/// told to everybody.
const QUESTIONS_MAX: usize = 256;

/// A handle on the thread, which ends when all of them are gone.
#[derive(Debug, Clone)]
pub struct Keeper {
    questions: SyncSender<String>,
}

struct Kept<T> {
    section: Section,
    client: Client,
    cache: JwksCache,
    started: Instant,
    /// Whether the last fetch went well, once there was one.
    went_well: Option<bool>,
    tell: T,
}

impl Keeper {
    /// Starts the thread, which fetches the keys at once. `tell` hands on what it learns, to all that
    /// check tokens with these keys; it must not wait.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(
        section: Section,
        endpoint: Endpoint,
        tell: impl FnMut(KeyNews) + Send + 'static,
    ) -> io::Result<Self> {
        // Plain HTTP needs none of them, and reading them takes a while.
        let roots = if endpoint.is_encrypted() {
            rustls_native_certs::load_native_certs().certs
        } else {
            Vec::new()
        };
        Self::trusting(&roots, section, endpoint, tell)
    }

    /// The same, with servers trusted for their certificates' signatures by these instead of by what the
    /// machine trusts.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn trusting(
        roots: &[CertificateDer<'static>],
        section: Section,
        endpoint: Endpoint,
        tell: impl FnMut(KeyNews) + Send + 'static,
    ) -> io::Result<Self> {
        let (questions, asked) = sync_channel(QUESTIONS_MAX);
        let mut kept = Kept {
            section,
            client: Client::new(endpoint, roots),
            cache: JwksCache::default(),
            started: Instant::now(),
            went_well: None,
            tell,
        };
        std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || kept.run(&asked))?;
        Ok(Self { questions })
    }

    /// Asks for a key that a token names and nobody knows. The answer is told to everybody, within the
    /// time of a fetch.
    pub fn ask(&self, key_id: &str) {
        // Full: each question there is answered to everybody. Gone: the process ends.
        let _ = self.questions.try_send(key_id.to_owned());
    }
}

impl<T: FnMut(KeyNews)> Kept<T> {
    fn run(&mut self, asked: &Receiver<String>) {
        loop {
            let now = self.started.elapsed();
            if self.cache.poll_fetch(now) {
                self.fetch(asked, Cause::Schedule);
                continue;
            }
            let wait = self.cache.next_at().saturating_sub(now);
            match asked.recv_timeout(wait) {
                Ok(key_id) => {
                    let now = self.started.elapsed();
                    match self.cache.lookup(&key_id, now) {
                        Lookup::Fetch => self.fetch(asked, Cause::Question),
                        Lookup::Known | Lookup::Wait | Lookup::Unknown | Lookup::Unavailable => {
                            self.tell(Cause::Question);
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn fetch(&mut self, asked: &Receiver<String>, cause: Cause) {
        let result = self.client.fetch();
        self.say(result.as_ref().err());
        self.cache.fetched(result, self.started.elapsed());
        // What was asked meanwhile is answered by what is told now, or asked again.
        let cause = match asked.try_iter().take(QUESTIONS_MAX).count() {
            0 => cause,
            _ => Cause::Question,
        };
        self.tell(cause);
    }

    fn tell(&mut self, cause: Cause) {
        let now = self.started.elapsed();
        (self.tell)(self.cache.news(self.section, cause, now));
    }

    /// One line when it begins to fail, and one when it no longer does.
    fn say(&mut self, fault: Option<&FetchFault>) {
        let section = self.section;
        let went_well = self.went_well.replace(fault.is_none());
        match fault {
            Some(fault) if went_well != Some(false) => warn!(
                "the keys of {section}.jwks_public_endpoint can't be fetched: {fault}; those that are \
                 known stay good, and it is tried again"
            ),
            None if went_well != Some(true) => {
                info!("fetched the keys of {section}.jwks_public_endpoint");
            }
            _ => {}
        }
    }
}
