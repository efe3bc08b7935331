//! What is known of an endpoint's keys, and when it is asked again. Time is an argument, and nothing is
//! fetched here.
//!
//! A key that a token names and the set lacks has the endpoint asked, but only once in a while:
//! whoever makes names up does not make requests. What was fetched is kept while the endpoint is down.

use std::sync::Arc;
use std::time::Duration;

use super::{JwksFault, KeySet};
use crate::auth::settings::Section;

/// How long unknown names have the endpoint asked but once.
const UNKNOWN_INTERVAL: Duration = Duration::from_secs(30);

/// How often the set is fetched anyway, so that a key that was withdrawn is forgotten.
const REFRESH_INTERVAL: Duration = Duration::from_hours(1);

/// The wait after a first failure, which doubles up to [`UNKNOWN_INTERVAL`].
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The keys of an endpoint.
#[derive(Debug)]
pub struct JwksCache {
    keys: Arc<KeySet>,
    state: State,
    is_fetching: bool,
    /// When an unknown name last had the endpoint asked.
    asked_at: Option<Duration>,
    /// When it is asked next without any name.
    next_at: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    /// So many attempts failed since the keys came, or the start.
    Failed(u32),
}

/// What is known of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// A key of the set has it.
    Known,
    /// Fetch the set, and say what came by [`JwksCache::fetched`].
    Fetch,
    /// It is being fetched.
    Wait,
    /// The set lacks it, and has been asked for lately.
    Unknown,
    /// The set lacks it, and could not be fetched lately.
    Unavailable,
}

/// What those who check tokens are told when the endpoint was asked.
#[derive(Debug, Clone)]
pub struct KeyNews {
    /// Whose keys these are.
    pub section: Section,
    /// All that are known.
    pub keys: Arc<KeySet>,
    /// Whether the last attempt to fetch them succeeded.
    pub is_fresh: bool,
    /// For how many seconds the endpoint is not asked about unknown names; with 0 they may be asked about.
    pub settled_seconds: u64,
    /// Why it is told.
    pub cause: Cause,
}

/// Why something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It was time to look.
    Schedule,
    /// Somebody asked.
    Question,
}

/// Why a set was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchFault {
    /// No answer, or none that is good.
    #[error("{0}")]
    Transport(String),
    /// An answer that is no key set.
    #[error("what came {0}")]
    Document(#[from] JwksFault),
}

impl Default for JwksCache {
    /// Knows nothing yet, and wants to be fetched at once.
    fn default() -> Self {
        Self {
            keys: Arc::default(),
            state: State::Failed(0),
            is_fetching: false,
            asked_at: None,
            next_at: Duration::ZERO,
        }
    }
}

impl JwksCache {
    /// What is to be done about a name that somebody does not know.
    pub fn lookup(&mut self, key_id: &str, now: Duration) -> Lookup {
        if self.keys.knows(key_id) {
            return Lookup::Known;
        }
        if self.is_fetching {
            return Lookup::Wait;
        }
        if self.settled_for(now) > Duration::ZERO {
            return match self.state {
                State::Fresh => Lookup::Unknown,
                State::Failed(_) => Lookup::Unavailable,
            };
        }
        self.asked_at = Some(now);
        self.is_fetching = true;
        Lookup::Fetch
    }

    /// Whether the set is to be fetched now, whoever asks for what; then say what came by
    /// [`JwksCache::fetched`].
    pub fn poll_fetch(&mut self, now: Duration) -> bool {
        let is_due = !self.is_fetching && now >= self.next_at;
        self.is_fetching |= is_due;
        is_due
    }

    /// When [`JwksCache::poll_fetch`] is to be called again at the latest.
    pub fn next_at(&self) -> Duration {
        self.next_at
    }

    /// Takes what came.
    pub fn fetched(&mut self, result: Result<KeySet, FetchFault>, now: Duration) {
        self.is_fetching = false;
        let wait = match (result, self.state) {
            (Ok(keys), _) => {
                self.keys = Arc::new(keys);
                self.state = State::Fresh;
                REFRESH_INTERVAL
            }
            (Err(_), State::Fresh) => {
                self.state = State::Failed(1);
                RETRY_INTERVAL
            }
            (Err(_), State::Failed(times)) => {
                self.state = State::Failed(times.saturating_add(1));
                UNKNOWN_INTERVAL.min(RETRY_INTERVAL * 2_u32.pow(times.min(5)))
            }
        };
        self.next_at = now + wait;
    }

    /// What everybody is to be told now.
    pub fn news(&self, section: Section, cause: Cause, now: Duration) -> KeyNews {
        // What is being asked is not settled.
        let settled = if self.is_fetching {
            Duration::ZERO
        } else {
            self.settled_for(now)
        };
        // Rounded up: who is told a second too much asks a second later.
        let part = u64::from(settled.subsec_nanos() > 0);
        KeyNews {
            section,
            keys: Arc::clone(&self.keys),
            is_fresh: self.state == State::Fresh,
            settled_seconds: settled.as_secs() + part,
            cause,
        }
    }

    fn settled_for(&self, now: Duration) -> Duration {
        self.asked_at.map_or(Duration::ZERO, |asked_at| {
            (asked_at + UNKNOWN_INTERVAL).saturating_sub(now)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::testing;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn set(names: &[&str]) -> Result<KeySet, FetchFault> {
        let keys = names
            .iter()
            .map(|name| testing::jwk(testing::P256_PUBLIC, name));
        let document = json!({ "keys": keys.collect::<Vec<_>>() });
        Ok(KeySet::parse(document.to_string().as_bytes())?)
    }

    fn outage() -> Result<KeySet, FetchFault> {
        Err(FetchFault::Transport("connection refused".to_owned()))
    }

    fn told(cache: &JwksCache, now: Duration) -> KeyNews {
        cache.news(Section::Connection, Cause::Question, now)
    }

    /// One that was fetched at the start.
    fn cache(names: &[&str]) -> JwksCache {
        let mut cache = JwksCache::default();
        assert!(cache.poll_fetch(at(0)) && !cache.poll_fetch(at(0)));
        cache.fetched(set(names), at(1));
        cache
    }

    /// Goal: a new key is known as soon as a token names it, and the old one is forgotten with the set
    /// that lacks it.
    #[test]
    fn rotation_is_seen_with_the_first_token() {
        let mut cache = cache(&["a"]);
        assert_eq!(cache.lookup("a", at(2)), Lookup::Known);
        assert_eq!(told(&cache, at(2)).settled_seconds, 0);
        assert_eq!(cache.lookup("b", at(2)), Lookup::Fetch);
        assert_eq!(cache.lookup("b", at(2)), Lookup::Wait);
        assert_eq!(cache.lookup("a", at(2)), Lookup::Known);
        assert_eq!(told(&cache, at(2)).settled_seconds, 0);
        cache.fetched(set(&["b"]), at(3));
        assert_eq!(cache.lookup("b", at(3)), Lookup::Known);
        assert_eq!(cache.lookup("a", at(3)), Lookup::Unknown);
        let news = told(&cache, at(3));
        assert!(news.is_fresh && news.keys.knows("b") && !news.keys.knows("a"));
        assert_eq!(news.settled_seconds, 29);
        // A second rotation within the interval is seen at its end.
        assert_eq!(cache.lookup("c", at(31)), Lookup::Unknown);
        assert_eq!(cache.lookup("c", at(32)), Lookup::Fetch);
    }

    /// Goal: ten thousand names that nobody has make one request, and a hundred thousand over a minute
    /// three.
    #[test]
    fn made_up_names_make_one_request() {
        let mut cache = cache(&["a"]);
        let mut fetches = |from: u64, names: u64, over: Duration| {
            let mut fetches = 0;
            for name in 0..names {
                let now = at(from) + over.mul_f64(name as f64 / names as f64);
                if cache.lookup(&format!("made up {name}"), now) == Lookup::Fetch {
                    fetches += 1;
                    cache.fetched(set(&["a"]), now + Duration::from_millis(50));
                }
            }
            fetches
        };
        assert_eq!(fetches(2, 10_000, at(10)), 1);
        assert_eq!(fetches(100, 100_000, at(61)), 3);
    }

    /// Goal: names that are asked about while a request is under way wait for it, however many.
    #[test]
    fn names_wait_for_the_request_under_way() {
        let mut cache = cache(&["a"]);
        assert_eq!(cache.lookup("b", at(5)), Lookup::Fetch);
        for name in 0..10_000 {
            assert_eq!(cache.lookup(&name.to_string(), at(6)), Lookup::Wait);
        }
        // And a request that is due by itself is not made beside it.
        assert!(!cache.poll_fetch(at(7200)));
        cache.fetched(set(&["a"]), at(7));
        assert_eq!(cache.lookup("b", at(7)), Lookup::Unknown);
    }

    /// Goal: keys outlive an outage of any length, names they lack are not condemned meanwhile, and the
    /// end of the outage is seen soon.
    #[test]
    fn keys_are_kept_while_the_endpoint_is_down() {
        let mut cache = cache(&["a"]);
        assert_eq!(cache.lookup("b", at(10)), Lookup::Fetch);
        cache.fetched(outage(), at(13));
        let mut now = at(13);
        let mut attempts = 0;
        while now < at(86_400) {
            assert_eq!(cache.lookup("a", now), Lookup::Known);
            let news = told(&cache, now);
            assert!(!news.is_fresh && news.keys.knows("a"));
            if now < at(40) {
                assert_eq!(cache.lookup("b", now), Lookup::Unavailable);
            }
            now = cache.next_at();
            assert!(cache.poll_fetch(now));
            cache.fetched(outage(), now);
            attempts += 1;
            assert!(cache.next_at() <= now + UNKNOWN_INTERVAL);
        }
        assert!((2_800..3_000).contains(&attempts), "{attempts} in a day");
        now = cache.next_at();
        assert!(cache.poll_fetch(now));
        cache.fetched(set(&["b"]), now);
        assert_eq!(cache.lookup("b", now), Lookup::Known);
        assert_eq!(cache.next_at(), now + REFRESH_INTERVAL);
    }

    /// Goal: a server that starts while the endpoint is down tries it in growing steps, and condemns
    /// nobody for it.
    #[test]
    fn a_start_without_the_endpoint_recovers() {
        let mut cache = JwksCache::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            let now = cache.next_at();
            assert!(cache.poll_fetch(now));
            cache.fetched(outage(), now);
            waits.push((cache.next_at() - now).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        let now = cache.next_at();
        assert_eq!(cache.lookup("a", now), Lookup::Fetch);
        cache.fetched(outage(), now);
        assert_eq!(cache.lookup("a", now), Lookup::Unavailable);
        assert_eq!(cache.lookup("a", now + UNKNOWN_INTERVAL), Lookup::Fetch);
        cache.fetched(set(&["a"]), now + UNKNOWN_INTERVAL);
        assert_eq!(cache.lookup("a", now + UNKNOWN_INTERVAL), Lookup::Known);
    }

    /// Goal: an answer that is no key set counts as an outage: nothing is forgotten for an error page.
    #[test]
    fn an_error_page_forgets_nothing() {
        let mut cache = cache(&["a"]);
        assert!(cache.poll_fetch(at(3601)));
        let page = KeySet::parse(b"<html>").map_err(FetchFault::from);
        cache.fetched(page, at(3602));
        assert_eq!(cache.lookup("a", at(3602)), Lookup::Known);
        assert!(!told(&cache, at(3602)).is_fresh);
    }
}
