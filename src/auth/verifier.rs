//! One section of keys: which key a token is held against, and what else must be so before its claims
//! are read.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, AlgorithmFamily, Header, Validation, decode, decode_header};
use regex::Regex;
use serde::Deserialize;

use super::claims::Claims;
use super::error::{Fault, TOKEN_BYTES_MAX, TokenError};
use super::jwks::cache::KeyNews;
use super::jwks::endpoint::Endpoint;
use super::jwks::{Found, KeySet};
use super::key::VerifyingKey;
use super::pem::{self, PemFault};
use super::settings::{KeyError, KeyProblem, Section, TokenSettings};

/// Longest compiled form of a pattern, as Rust's regular expressions bound it: they take linear time.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Bytes of a key's name that anybody is asked about.
const KEY_ID_BYTES_MAX: usize = 256;

/// A section of keys, ready to verify.
#[derive(Debug, Clone)]
pub(super) struct Verifier {
    section: Section,
    source: Source,
    audience: Demand,
    issuer: Demand,
    user_claim: Option<String>,
}

/// Where keys come from.
#[derive(Debug, Clone)]
enum Source {
    Own(Box<OwnKeys>),
    /// From a file, which stays as it was.
    Set(Arc<KeySet>),
    Fetched(Fetched),
}

/// Keys of the settings themselves.
#[derive(Debug, Clone, Default)]
struct OwnKeys {
    hmac: Option<VerifyingKey>,
    /// And until when, in seconds of the Unix epoch.
    previous: Option<(VerifyingKey, u64)>,
    rsa: Option<VerifyingKey>,
    ecdsa: Option<VerifyingKey>,
}

/// The keys of an endpoint, as far as they are known here.
#[derive(Debug, Clone)]
struct Fetched {
    endpoint: Endpoint,
    keys: Arc<KeySet>,
    settled: Option<Settled>,
}

/// Until when what is unknown stays so.
#[derive(Debug, Clone, Copy)]
struct Settled {
    from: u64,
    seconds: u64,
    is_fresh: bool,
}

/// What a claim must be.
#[derive(Debug, Clone)]
enum Demand {
    Nothing,
    This(String),
    Like(Regex),
}

/// The keys a token may be held against: two while a secret is being changed.
type Candidates<'a> = [Option<&'a VerifyingKey>; 2];

impl Verifier {
    pub(super) fn new(section: Section, settings: &TokenSettings) -> Result<Self, KeyError> {
        let refused = |key: &'static str, problem: KeyProblem| KeyError {
            section,
            key,
            problem,
        };
        let demand = |(name, text): (&'static str, &str),
                      (like_name, like): (&'static str, &str)| {
            match (text, like) {
                ("", "") => Ok(Demand::Nothing),
                (text, "") => Ok(Demand::This(text.to_owned())),
                ("", like) => pattern(like).map_err(|problem| refused(like_name, problem)),
                _ => Err(refused(like_name, KeyProblem::Beside(name))),
            }
        };
        let (audience, issuer) = (settings.audience.as_str(), settings.issuer.as_str());
        Ok(Self {
            section,
            source: Source::new(settings).map_err(|(key, problem)| refused(key, problem))?,
            audience: demand(
                ("audience", audience),
                ("audience_regex", settings.audience_regex.as_str()),
            )?,
            issuer: demand(
                ("issuer", issuer),
                ("issuer_regex", settings.issuer_regex.as_str()),
            )?,
            user_claim: Some(settings.user_id_claim.clone()).filter(|claim| !claim.is_empty()),
        })
    }

    pub(super) fn section(&self) -> Section {
        self.section
    }

    /// The claim with the user's id, if it is not `sub`.
    pub(super) fn user_claim(&self) -> Option<&str> {
        self.user_claim.as_deref()
    }

    /// Where this section's keys are to be fetched, if they are.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        match &self.source {
            Source::Fetched(fetched) => Some(&fetched.endpoint),
            Source::Own(_) | Source::Set(_) => None,
        }
    }

    /// Whether any token could be good.
    pub(super) fn has_keys(&self) -> bool {
        match &self.source {
            Source::Own(keys) => keys.all().next().is_some(),
            Source::Set(_) | Source::Fetched(_) => true,
        }
    }

    /// Takes what the keeper tells of this section.
    pub(super) fn handle_news(&mut self, news: &KeyNews, now: u64) {
        if let Source::Fetched(fetched) = &mut self.source {
            fetched.keys = Arc::clone(&news.keys);
            fetched.settled = Some(Settled {
                from: now,
                seconds: news.settled_seconds,
                is_fresh: news.is_fresh,
            });
        }
    }

    /// The claims of a token that is signed with a key of this section, for this audience and by this
    /// issuer. Whether it is its time is not looked at yet.
    pub(super) fn claims(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid(Fault::TooLong));
        }
        let header = decode_header(token).map_err(|_| TokenError::Invalid(header_fault(token)))?;
        if header.crit.is_some() {
            return Err(TokenError::Invalid(Fault::Critical));
        }
        let claims = self.decode(token, &header, now)?;
        self.check_demands(&claims).map_err(TokenError::Invalid)?;
        Ok(claims)
    }

    fn decode(&self, token: &str, header: &Header, now: u64) -> Result<Claims, TokenError> {
        let validation = self.validation(header.alg);
        let mut fault = Fault::Algorithm;
        for key in self.candidates(header, now)?.into_iter().flatten() {
            match decode::<Claims>(token, key.decoding(), &validation) {
                Ok(decoded) => return Ok(decoded.claims),
                Err(error) => fault = fault_of(error.kind()),
            }
            if fault != Fault::Signature {
                break;
            }
        }
        Err(TokenError::Invalid(fault))
    }

    /// What the library is to look at, each on purpose. The algorithm was found among those of the key.
    /// The times are read elsewhere: the library has one leeway for all of them, and a clock of its own.
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let audience = self.audience.text();
        let issuer = self.issuer.text();
        let required = [audience.map(|_| "aud"), issuer.map(|_| "iss")];
        Validation {
            required_spec_claims: required.into_iter().flatten().map(str::to_owned).collect(),
            leeway: 0,
            reject_tokens_expiring_in_less_than: 0,
            validate_exp: false,
            validate_nbf: false,
            // An audience that nobody asks for is not one that was not meant.
            validate_aud: audience.is_some(),
            aud: audience.map(|text| [text.to_owned()].into()),
            iss: issuer.map(|text| [text.to_owned()].into()),
            sub: None,
            algorithms: vec![algorithm],
        }
    }

    fn candidates(&self, header: &Header, now: u64) -> Result<Candidates<'_>, TokenError> {
        let keys = match &self.source {
            Source::Own(keys) => return keys.candidates(header.alg, now),
            Source::Set(keys) => keys,
            Source::Fetched(fetched) => &fetched.keys,
        };
        let Some(key_id) = header.kid.as_deref() else {
            return Err(TokenError::Invalid(Fault::NoKeyId));
        };
        match keys.find(key_id, header.alg) {
            Found::Key(key) => Ok([Some(key), None]),
            Found::OtherAlgorithm => Err(TokenError::Invalid(Fault::Algorithm)),
            Found::Unknown => Err(self.unknown_key(key_id, now)),
        }
    }

    /// What is to be done about a name that no key has.
    fn unknown_key(&self, key_id: &str, now: u64) -> TokenError {
        let fetched = match &self.source {
            Source::Fetched(fetched) if key_id.len() <= KEY_ID_BYTES_MAX => fetched,
            _ => return TokenError::Invalid(Fault::UnknownKey),
        };
        // A clock that was set back is not waited for.
        let is_settled = |settled: &Settled| {
            let age = now.checked_sub(settled.from);
            age.is_some_and(|age| age < settled.seconds)
        };
        match fetched.settled.filter(is_settled) {
            None => TokenError::KeyWanted {
                section: self.section,
                key_id: key_id.into(),
            },
            Some(settled) if settled.is_fresh => TokenError::Invalid(Fault::UnknownKey),
            Some(_) => TokenError::Unavailable,
        }
    }

    /// The patterns; what is to be equal, the library has looked at.
    fn check_demands(&self, claims: &Claims) -> Result<(), Fault> {
        for (name, demand, fault) in [
            ("aud", &self.audience, Fault::Audience),
            ("iss", &self.issuer, Fault::Issuer),
        ] {
            if let Demand::Like(pattern) = demand
                && !claims
                    .texts(name)?
                    .iter()
                    .any(|text| pattern.is_match(text))
            {
                return Err(fault);
            }
        }
        Ok(())
    }
}

impl Source {
    /// A key set goes before keys of the settings, of which none counts beside it.
    fn new(settings: &TokenSettings) -> Result<Self, (&'static str, KeyProblem)> {
        let (set, endpoint) = (&settings.jwks, &settings.jwks_public_endpoint);
        let at = |key: &'static str| move |problem: KeyProblem| (key, problem);
        let read =
            |key: &'static str, text: &str, read: fn(&str) -> Result<VerifyingKey, PemFault>| {
                let text = Some(text).filter(|text| !text.is_empty());
                text.map(read)
                    .transpose()
                    .map_err(|fault| (key, fault.into()))
            };
        let own = OwnKeys {
            hmac: secret(&settings.hmac_secret_key),
            previous: secret(&settings.hmac_previous_secret_key).map(|key| {
                let until = settings.hmac_previous_secret_key_valid_until;
                (key, if until == 0 { u64::MAX } else { until })
            }),
            rsa: read("rsa_public_key", &settings.rsa_public_key, pem::rsa)?,
            ecdsa: read("ecdsa_public_key", &settings.ecdsa_public_key, pem::ecdsa)?,
        };
        match (set.as_str(), endpoint.as_str()) {
            ("", "") => Ok(Self::Own(Box::new(own))),
            (set, "") => {
                let keys = KeySet::parse(set.as_bytes());
                let keys = keys.map_err(KeyProblem::from).map_err(at("jwks_file"))?;
                Ok(Self::Set(Arc::new(keys)))
            }
            ("", endpoint) => {
                let endpoint = Endpoint::parse(endpoint);
                let endpoint = endpoint.map_err(KeyProblem::from);
                Ok(Self::Fetched(Fetched {
                    endpoint: endpoint.map_err(at("jwks_public_endpoint"))?,
                    keys: Arc::default(),
                    settled: None,
                }))
            }
            _ => Err(("jwks_public_endpoint", KeyProblem::Beside("jwks_file"))),
        }
    }
}

impl OwnKeys {
    fn all(&self) -> impl Iterator<Item = &VerifyingKey> {
        let previous = self.previous.as_ref().map(|(key, _)| key);
        [
            self.hmac.as_ref(),
            previous,
            self.rsa.as_ref(),
            self.ecdsa.as_ref(),
        ]
        .into_iter()
        .flatten()
    }

    fn candidates(&self, algorithm: Algorithm, now: u64) -> Result<Candidates<'_>, TokenError> {
        let previous = self.previous.as_ref();
        let previous = previous
            .filter(|(_, until)| now <= *until)
            .map(|(key, _)| key);
        let keys = match algorithm.family() {
            AlgorithmFamily::Hmac => [self.hmac.as_ref(), previous],
            AlgorithmFamily::Rsa => [self.rsa.as_ref(), None],
            AlgorithmFamily::Ec => [self.ecdsa.as_ref(), None],
            AlgorithmFamily::Ed => [None, None],
        };
        let keys = keys.map(|key| key.filter(|key| key.allows(algorithm)));
        if keys.iter().all(Option::is_none) {
            let fault = match self.all().next() {
                Some(_) => Fault::Algorithm,
                None => Fault::NoKeys,
            };
            return Err(TokenError::Invalid(fault));
        }
        Ok(keys)
    }
}

impl Demand {
    fn text(&self) -> Option<&str> {
        match self {
            Self::This(text) => Some(text),
            Self::Nothing | Self::Like(_) => None,
        }
    }
}

fn secret(text: &str) -> Option<VerifyingKey> {
    (!text.is_empty()).then(|| VerifyingKey::hmac(text))
}

fn pattern(text: &str) -> Result<Demand, KeyProblem> {
    let mut builder = regex::RegexBuilder::new(text);
    let pattern = builder.size_limit(REGEX_BYTES_MAX).build();
    pattern.map(Demand::Like).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        let problem = last.strip_prefix("error: ").unwrap_or(last);
        KeyProblem::Regex(problem.to_owned())
    })
}

fn fault_of(kind: &ErrorKind) -> Fault {
    match kind {
        ErrorKind::InvalidSignature => Fault::Signature,
        ErrorKind::InvalidAlgorithm => Fault::Algorithm,
        ErrorKind::InvalidAudience => Fault::Audience,
        ErrorKind::InvalidIssuer => Fault::Issuer,
        ErrorKind::MissingRequiredClaim(name) if name == "aud" => Fault::Audience,
        ErrorKind::MissingRequiredClaim(name) if name == "iss" => Fault::Issuer,
        _ => Fault::Malformed,
    }
}

/// Why the library did not read a header: an algorithm that it does not have (`none`, ES512) is told apart
/// from what is no header.
fn header_fault(token: &str) -> Fault {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "alg")]
        _algorithm: String,
    }
    let named = || {
        let (header, _) = token.split_once('.')?;
        let json = URL_SAFE_NO_PAD.decode(header).ok()?;
        serde_json::from_slice::<Named>(&json).ok()
    };
    let has_three_parts = token.bytes().filter(|&byte| byte == b'.').count() == 2;
    match named() {
        Some(_) if has_three_parts => Fault::Algorithm,
        _ => Fault::Malformed,
    }
}
