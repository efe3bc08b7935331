//! `fanring token`: makes and inspects tokens, for development.
//!
//! Files are read here, as those of other settings are; the time comes with [`TokenCommand::answer`], whose
//! text is all there is to print.

pub(super) mod refusal;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use serde_json::{Map, Value};

use self::refusal::{TokenRefusal, read};
use super::error::CliError;
use super::file::File;
use crate::auth::Keys;
use crate::auth::claims::Bearer;
use crate::auth::error::{TokenError, WayIn, outcome};
use crate::auth::inspect::Parts;
use crate::auth::settings::{AuthSettings, TokenSettings};
use crate::auth::sign::Signer;
use crate::config::chat::Sections;

/// What `--expires` is without one.
const EXPIRES_DEFAULT: &str = "1h";

/// A token to make or to inspect, with all that was read for it.
#[derive(Debug)]
pub struct TokenCommand {
    task: Task,
    /// What the settings file says, or `--key` instead.
    settings: Option<AuthSettings>,
}

#[derive(Debug)]
enum Task {
    Make(Box<Order>),
    Inspect(String),
}

#[derive(Debug)]
struct Order {
    user: String,
    channel: Option<String>,
    /// How long it is good; `None` for ever.
    expires: Option<Duration>,
    claims: Map<String, Value>,
    key_id: Option<String>,
    /// From a private key, if one is named.
    signer: Option<Signer>,
    /// Where a secret would stand.
    file: Option<PathBuf>,
}

/// The subcommand's flags.
pub(super) fn command() -> Command {
    let value = |name: &'static str, placeholder: &'static str, help: &'static str| {
        let long = name.replace('_', "-");
        Arg::new(name).long(long).value_name(placeholder).help(help)
    };
    let for_making = |arg: Arg| arg.conflicts_with("inspect").help_heading("Make");
    Command::new("token")
        .about("Make or inspect a token (JWT), for development")
        .long_about(
            "Make or inspect a token (JWT), for development: a client connects with one, and subscribes \
             with one that names a channel. In production the application's backend makes them.",
        )
        .after_help(
            "fanring token --user 42 --file fanring.toml\n\
             fanring token --user 42 --channel '$news' --expires 15m --key secret\n\
             fanring token --inspect TOKEN --file fanring.toml",
        )
        .arg(
            value("user", "ID", "The user; '' for somebody anonymous")
                .required_unless_present("inspect")
                .conflicts_with("inspect")
                .help_heading("Make"),
        )
        .args(
            [
                value("channel", "NAME", "Make a subscription token, for this channel"),
                value("expires", "DURATION", "How long it is good: 30s, 15m, 12h, 7d or never [default: 1h]"),
                value("claims", "JSON", "More claims, as an object; they go before those of other options"),
                value("private_key", "FILE", "Sign with this private key in PEM: RSA (RS256), P-256 (ES256), P-384 \
                     (ES384) or Ed25519 (EdDSA)"),
                value("kid", "NAME", "The name of the key in its key set"),
            ]
            .map(for_making),
        )
        .arg(
            value("inspect", "TOKEN", "Say what a token says, and whether it would be taken")
                .help_heading("Inspect"),
        )
        .args(
            [
                value("key", "SECRET", "The secret of HS256; other users of this machine can read it here")
                    .conflicts_with_all(["file", "private_key"]),
                value("file", "FILE", "A settings file, of which client.token and client.subscription_token count"),
            ]
            .map(|arg| arg.help_heading("Keys")),
        )
}

impl TokenCommand {
    /// Reads what is asked for, and the files it names.
    pub(super) fn read(flags: &ArgMatches) -> Result<Self, CliError> {
        let text = |name: &str| flags.get_one::<String>(name).cloned();
        let path = |name: &str| text(name).map(PathBuf::from);
        let settings = match (text("key"), path("file")) {
            (Some(secret), _) => Some(AuthSettings {
                connection: TokenSettings {
                    hmac_secret_key: secret,
                    ..TokenSettings::default()
                },
                subscription: None,
            }),
            (None, Some(path)) => Some(from_file(&path)?),
            (None, None) => None,
        };
        if let Some(token) = text("inspect") {
            let task = Task::Inspect(token.trim().to_owned());
            return Ok(Self { task, settings });
        }
        let expires = text("expires");
        let claims = text("claims");
        let signer = path("private_key").map(|path| {
            let signer = Signer::from_pem(&read(&path)?);
            signer.map_err(|fault| TokenRefusal::PrivateKey { path, fault })
        });
        let order = Order {
            user: text("user").unwrap_or_default(),
            channel: text("channel"),
            expires: duration(expires.as_deref().unwrap_or(EXPIRES_DEFAULT))?,
            claims: claims
                .map(|text| object(&text))
                .transpose()?
                .unwrap_or_default(),
            key_id: text("kid"),
            signer: signer.transpose()?,
            file: path("file"),
        };
        let task = Task::Make(Box::new(order));
        Ok(Self { task, settings })
    }

    /// The token, or what is to be said of it. `now` is in seconds of the Unix epoch.
    ///
    /// # Errors
    /// When there is nothing to sign with, or the keys can't be used.
    pub fn answer(&self, now: u64) -> Result<String, TokenRefusal> {
        match &self.task {
            Task::Make(order) => order.token(self.settings.as_ref(), now),
            Task::Inspect(token) => inspect(token, self.settings.as_ref(), now),
        }
    }
}

impl Order {
    fn token(&self, settings: Option<&AuthSettings>, now: u64) -> Result<String, TokenRefusal> {
        let own = settings.and_then(|settings| settings.subscription.as_ref());
        let (section, keys) = match (&self.channel, own) {
            (Some(_), Some(own)) => ("client.subscription_token", Some(own)),
            _ => (
                "client.token",
                settings.map(|settings| &settings.connection),
            ),
        };
        let signer = match &self.signer {
            Some(signer) => signer.clone(),
            None => self.signer(section, keys)?,
        };
        let signer = match &self.key_id {
            Some(key_id) => signer.named(key_id),
            None => signer,
        };
        let claims = self.claims(keys, now);
        signer.sign(&claims).map_err(TokenRefusal::Sign)
    }

    /// Signs with the secret of the settings.
    fn signer(
        &self,
        section: &'static str,
        keys: Option<&TokenSettings>,
    ) -> Result<Signer, TokenRefusal> {
        let secret = keys.map(|keys| keys.hmac_secret_key.as_str());
        match (secret.filter(|secret| !secret.is_empty()), &self.file) {
            (Some(secret), _) => Ok(Signer::from_secret(secret)),
            (None, Some(path)) => Err(TokenRefusal::NoSecret {
                path: path.clone(),
                section,
            }),
            (None, None) => Err(TokenRefusal::NoKey),
        }
    }

    /// With what the settings demand, so that the token is taken where they hold.
    fn claims(&self, keys: Option<&TokenSettings>, now: u64) -> Map<String, Value> {
        let setting =
            |read: fn(&TokenSettings) -> &str| keys.map(read).filter(|text| !text.is_empty());
        let user_claim = setting(|keys| &keys.user_id_claim).unwrap_or("sub");
        let mut claims = Map::new();
        claims.insert(user_claim.to_owned(), self.user.as_str().into());
        claims.insert("iat".to_owned(), now.into());
        if let Some(expires) = self.expires {
            let expires_at = now.saturating_add(expires.as_secs());
            claims.insert("exp".to_owned(), expires_at.into());
        }
        for (name, text) in [
            ("channel", self.channel.as_deref()),
            ("aud", setting(|keys| &keys.audience)),
            ("iss", setting(|keys| &keys.issuer)),
        ] {
            if let Some(text) = text {
                claims.insert(name.to_owned(), text.into());
            }
        }
        claims.extend(self.claims.clone());
        claims
    }
}

fn inspect(token: &str, settings: Option<&AuthSettings>, now: u64) -> Result<String, TokenRefusal> {
    let Some(parts) = Parts::read(token) else {
        let sentence = "This is no token: it is not three parts of base64url with dots between, of which the \
                        first two are JSON objects.";
        return Ok(sentence.to_owned());
    };
    let mut text = parts.text(now);
    let Some(settings) = settings else {
        text.push_str(
            "signature: not checked; name --key SECRET or --file FILE to have it checked\n",
        );
        return Ok(text);
    };
    // What a file has was found good when it was read, and a secret always is.
    let Ok(keys) = Keys::new(settings) else {
        return Ok(text);
    };
    let (connection, subscription) = (&settings.connection, settings.subscription.as_ref());
    let section = match parts.channel() {
        Some(_) => subscription.unwrap_or(connection),
        None => connection,
    };
    let user = parts.user(&section.user_id_claim);
    let said = if let Some(channel) = parts.channel() {
        let bearer = Bearer {
            user: &user,
            client: parts.text_of("client"),
            channel,
        };
        let found = keys.subscription(token, &bearer, now);
        let purpose = format!("to subscribe to {channel}");
        said(&purpose, &user, WayIn::Subscribe, found.err())
    } else {
        let found = keys.connection(token, now);
        said("to connect", &user, WayIn::Connect, found.err())
    };
    // Writing to a String can't fail.
    let _ = writeln!(text, "{said}");
    Ok(text)
}

fn said(purpose: &str, user: &str, way_in: WayIn, error: Option<TokenError>) -> String {
    let user = if user.is_empty() {
        "anonymously".to_owned()
    } else {
        format!("as user {user}")
    };
    match error {
        None => format!("{purpose}: good, {user}"),
        Some(TokenError::KeyWanted { key_id, .. }) => format!(
            "{purpose}: not checked; the server fetches the key {key_id} from jwks_public_endpoint, which this \
             command does not"
        ),
        Some(error) => {
            let code = outcome(way_in, &error).code();
            format!("{purpose}: refused with {code}, {error}")
        }
    }
}

/// The keys of a settings file. What is wrong in its other sections is told, too: no server starts with it.
fn from_file(path: &Path) -> Result<AuthSettings, CliError> {
    let file = File::read(path).map_err(|no_file| no_file.error)?;
    let sections = Sections::read(&file.table);
    let mut mistakes = file.mistakes;
    mistakes.extend(sections.mistakes);
    if !mistakes.is_empty() {
        let path = path.to_owned();
        return Err(CliError::File { path, mistakes });
    }
    let refused = |error| TokenRefusal::Keys {
        path: path.to_owned(),
        error,
    };
    let settings = AuthSettings::read(&sections.chat).map_err(refused)?;
    Keys::new(&settings).map_err(refused)?;
    Ok(settings)
}

fn object(text: &str) -> Result<Map<String, Value>, TokenRefusal> {
    serde_json::from_str(text).map_err(|_| TokenRefusal::Claims(text.to_owned()))
}

/// A span of time, of which tokens have longer ones than other settings; `None` for `never`.
fn duration(text: &str) -> Result<Option<Duration>, TokenRefusal> {
    if text == "never" {
        return Ok(None);
    }
    let read = || {
        let unit = text.chars().last()?;
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        Some(Duration::from_secs(number.checked_mul(seconds)?))
    };
    let duration = read().ok_or_else(|| TokenRefusal::Expires(text.to_owned()))?;
    Ok(Some(duration))
}

#[cfg(test)]
mod tests;
