//! Keys that are fetched: what a shard does with them, together with the cache that asks.

use std::time::Duration;

use super::*;
use crate::auth::jwks::KeySet;
use crate::auth::jwks::cache::{Cause, FetchFault, JwksCache, Lookup};
use crate::auth::testing;
use crate::auth::waiting::{Held, Waiting};

/// One shard, the cache of the keeper, and an endpoint between which everything arrives at once.
struct Scene {
    keys: Keys,
    waiting: Waiting<String>,
    cache: JwksCache,
    /// Names of the keys that the endpoint has; `None` while it is down.
    endpoint: Option<Vec<&'static str>>,
    fetches: usize,
    /// Of the wall, and since the start.
    clocks: (u64, Duration),
    /// What became of what waited.
    answers: Vec<Result<ConnectionToken, TokenError>>,
}

impl Scene {
    fn new() -> Self {
        Self {
            keys: keys(TokenSettings {
                jwks_public_endpoint: "https://issuer.example/jwks.json".to_owned(),
                ..settings()
            }),
            waiting: Waiting::default(),
            cache: JwksCache::default(),
            endpoint: Some(vec!["a"]),
            fetches: 0,
            clocks: (NOW, Duration::ZERO),
            answers: Vec::new(),
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.clocks.0 += seconds;
        self.clocks.1 += Duration::from_secs(seconds);
    }

    /// A token is shown; what its bearer is told at once, or `None` while it waits.
    fn show(&mut self, token: &str) -> Option<u16> {
        let found = self.keys.connection(token, self.clocks.0);
        let Err(TokenError::KeyWanted { section, key_id }) = &found else {
            return Some(code(WayIn::Connect, found));
        };
        assert_eq!(*section, Section::Connection);
        match self.waiting.hold(token.to_owned()) {
            Held::Ask => self.ask(key_id),
            Held::Wait => {}
            Held::Full => return Some(code(WayIn::Connect, found)),
        }
        None
    }

    fn ask(&mut self, key_id: &str) {
        let lookup = self.cache.lookup(key_id, self.clocks.1);
        if lookup != Lookup::Fetch {
            self.tell(Cause::Question);
        }
    }

    /// The answer of a fetch that is under way, or is due.
    fn arrive(&mut self) {
        self.fetches += 1;
        let names = self.endpoint.clone();
        let result = names.map_or_else(
            || Err(FetchFault::Transport("down".to_owned())),
            |names| {
                let keys = names
                    .iter()
                    .map(|name| testing::jwk(testing::P256_PUBLIC, name));
                let document = json!({ "keys": keys.collect::<Vec<_>>() });
                Ok(KeySet::parse(document.to_string().as_bytes())?)
            },
        );
        self.cache.fetched(result, self.clocks.1);
        self.tell(Cause::Question);
    }

    fn tell(&mut self, cause: Cause) {
        let news = self.cache.news(Section::Connection, cause, self.clocks.1);
        self.keys.handle_news(&news, self.clocks.0);
        for token in self.waiting.take(&news) {
            match self.keys.connection(&token, self.clocks.0) {
                Err(TokenError::KeyWanted { key_id, .. }) => {
                    if self.waiting.hold(token) == Held::Ask {
                        self.ask(&key_id);
                    }
                }
                found => self.answers.push(found),
            }
        }
    }

    fn started() -> Self {
        let mut scene = Self::new();
        assert!(scene.cache.poll_fetch(scene.clocks.1));
        scene.arrive();
        scene
    }
}

fn token(key_id: &str) -> String {
    let signer = Signer::from_pem(testing::P256)
        .expect("a key")
        .named(key_id);
    signer.sign(&json!({"sub": "42"})).expect("a token")
}

/// Goal: the settings say where keys are fetched, for each section that has an endpoint.
#[test]
fn endpoints_are_named() {
    let keys = Keys::new(&AuthSettings {
        connection: settings(),
        subscription: Some(TokenSettings {
            jwks_public_endpoint: "https://issuer.example/a".to_owned(),
            ..TokenSettings::default()
        }),
    })
    .expect("good settings");
    let named: Vec<_> = keys.endpoints().collect();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].0, Section::Subscription);
    assert_eq!(named[0].1.url(), "https://issuer.example/a");
}

/// Goal: tokens of fetched keys are good; a token without a name, of another key, or by a secret that is
/// configured beside them is not.
#[test]
fn only_named_keys_count() {
    let mut scene = Scene::started();
    assert_eq!(scene.show(&token("a")), Some(0));
    let unnamed = Signer::from_pem(testing::P256).expect("a key");
    let unnamed = unnamed.sign(&json!({"sub": "42"})).expect("a token");
    assert_eq!(scene.show(&unnamed), Some(3500));
    let other = Signer::from_pem(testing::P384).expect("a key").named("a");
    let other = other.sign(&json!({"sub": "42"})).expect("a token");
    assert_eq!(scene.show(&other), Some(3500));
    assert_eq!(scene.show(&sign(&json!({"sub": "42"}))), Some(3500));
    let secret = Signer::from_secret("secret").named("a");
    let secret = secret.sign(&json!({"sub": "42"})).expect("a token");
    assert_eq!(scene.show(&secret), Some(3500));
    // Names that nobody could have are not asked about.
    assert_eq!(scene.show(&token(&"n".repeat(300))), Some(3500));
    assert_eq!(scene.fetches, 1);
}

/// Goal: keys of a file count in the same way, and nothing is asked about them.
#[test]
fn keys_of_a_file_are_final() {
    let document = json!({ "keys": [testing::jwk(testing::P256_PUBLIC, "a")] });
    let keys = keys(TokenSettings {
        jwks: document.to_string(),
        ..settings()
    });
    assert_eq!(keys.endpoints().count(), 0);
    assert_eq!(shown(&keys, &token("a"))[0], 0);
    let found = keys.connection(&token("b"), NOW);
    assert_eq!(found, Err(TokenError::Invalid(Fault::UnknownKey)));
}

/// Goal: after a rotation the first token of the new key waits for one fetch and is welcome, all that come
/// meanwhile too, and tokens of the old key are refused from then on.
#[test]
fn a_rotation_refuses_nobody() {
    let mut scene = Scene::started();
    assert_eq!(scene.show(&token("a")), Some(0));
    scene.endpoint = Some(vec!["b"]);
    assert_eq!(scene.show(&token("b")), None);
    assert_eq!(scene.show(&token("b")), None);
    assert_eq!(scene.show(&token("a")), Some(0));
    scene.wait(1);
    scene.arrive();
    assert_eq!(scene.answers.len(), 2);
    assert!(
        scene.answers.iter().all(Result::is_ok),
        "{:?}",
        scene.answers
    );
    assert_eq!(scene.show(&token("b")), Some(0));
    assert_eq!(scene.show(&token("a")), Some(3500));
    assert_eq!(scene.fetches, 2);
}

/// Goal: before the first keys came, and while the endpoint is down, nobody is refused for good; the keys
/// that are known stay good.
#[test]
fn an_outage_refuses_nobody_for_good() {
    let mut scene = Scene::new();
    scene.endpoint = None;
    assert_eq!(scene.show(&token("a")), None);
    scene.wait(3);
    scene.arrive();
    assert_eq!(scene.answers.pop(), Some(Err(TokenError::Unavailable)));
    assert_eq!(scene.show(&token("a")), Some(100));
    // The keeper goes on trying by itself.
    scene.endpoint = Some(vec!["a"]);
    scene.wait(2);
    assert!(scene.cache.poll_fetch(scene.clocks.1));
    scene.arrive();
    assert_eq!(scene.show(&token("a")), Some(0));
    scene.endpoint = None;
    for _ in 0..100 {
        scene.wait(40);
        assert_eq!(scene.show(&token("b")), None);
        scene.arrive();
        assert_eq!(scene.answers.pop(), Some(Err(TokenError::Unavailable)));
        assert_eq!(scene.show(&token("a")), Some(0));
    }
}

/// Goal: ten thousand tokens with made-up names cost one fetch, and each is refused.
#[test]
fn made_up_names_cost_one_fetch() {
    let mut scene = Scene::started();
    let (_, rest) = token("a")
        .split_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("parts");
    let made_up = |number: u32| {
        let header = json!({"alg": "ES256", "kid": format!("made up {number}")});
        format!("{}.{rest}", part(&header.to_string()))
    };
    let mut told = std::collections::HashMap::new();
    for number in 0..10_000 {
        let answer = scene.show(&made_up(number));
        *told.entry(answer).or_insert(0) += 1;
        // The answer comes when more wait than there is room for.
        if number == 2_000 {
            scene.wait(1);
            scene.arrive();
        }
    }
    assert_eq!(
        scene.fetches, 2,
        "the one at the start, and one for all of them"
    );
    assert_eq!(told[&None], crate::auth::waiting::WAITING_MAX);
    assert_eq!(told[&Some(100)], 2_001 - crate::auth::waiting::WAITING_MAX);
    assert_eq!(told[&Some(3500)], 7_999);
    let unknown = Err(TokenError::Invalid(Fault::UnknownKey));
    assert!(scene.answers.iter().all(|answer| *answer == unknown));
    assert_eq!(scene.answers.len(), crate::auth::waiting::WAITING_MAX);
}

/// Goal: a wall clock that is set by an hour, either way, neither condemns new keys nor has the endpoint
/// asked more often.
#[test]
fn a_clock_that_is_set_changes_nothing() {
    for hour in [3_600_i64, -3_600] {
        let mut scene = Scene::started();
        assert_eq!(scene.show(&token("made up")), None);
        scene.arrive();
        assert_eq!(scene.fetches, 2);
        scene.clocks.0 = scene.clocks.0.checked_add_signed(hour).expect("in range");
        // The shard asks; the keeper, whose clock is monotonic, answers at once.
        assert_eq!(scene.show(&token("made up")), None);
        assert_eq!(scene.answers.len(), 2);
        assert_eq!(scene.show(&token("made up")), Some(3500));
        scene.endpoint = Some(vec!["b"]);
        scene.wait(30);
        assert_eq!(scene.show(&token("b")), None);
        scene.arrive();
        assert_eq!(scene.show(&token("b")), Some(0));
        assert_eq!(scene.fetches, 3);
    }
}
