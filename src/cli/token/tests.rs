//! Flags and files in, tokens and sentences out.

use std::fs;

use serde_json::json;

use super::*;
use crate::auth::testing;

const NOW: u64 = 1_800_000_000;

/// A folder with settings files and keys.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("written");
        }
        Self(folder)
    }

    /// What `fanring token` with these arguments says; `@x` is the file x of the folder.
    fn say(&self, args: &[&str]) -> Result<String, String> {
        let place = |arg: &&str| match arg.strip_prefix('@') {
            Some(name) => self.0.path().join(name).display().to_string(),
            None => (*arg).to_owned(),
        };
        let args = std::iter::once("token".to_owned()).chain(args.iter().map(place));
        let flags = command().try_get_matches_from(args);
        let flags = flags.map_err(|error| error.to_string())?;
        let command = TokenCommand::read(&flags).map_err(|error| error.to_string())?;
        command.answer(NOW).map_err(|error| error.to_string())
    }

    fn refusal(&self, args: &[&str]) -> String {
        let said = self.say(args).expect_err("refused");
        said.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn claims(token: &str) -> Value {
    Parts::read(token).expect("a token").claims.into()
}

/// Goal: a secret and a user are all it takes, and what is made is taken by a server with that secret.
#[test]
fn a_token_is_made_with_a_secret() {
    let folder = Folder::new(&[]);
    let token = folder
        .say(&["--user", "42", "--key", "secret"])
        .expect("a token");
    assert_eq!(
        claims(&token),
        json!({"sub": "42", "iat": NOW, "exp": NOW + 3600})
    );
    let args = ["--inspect", &token, "--key", "secret"];
    let said = folder.say(&args).expect("a text");
    assert!(said.ends_with("to connect: good, as user 42\n"), "{said}");
    assert!(
        said.contains("exp: Fri, 15 Jan 2027 09:00:00 GMT, in 1 h\n"),
        "{said}"
    );
    let token = folder.say(&[
        "--user",
        "",
        "--channel",
        "$news",
        "--expires",
        "never",
        "--kid",
        "k",
        "--key",
        "secret",
        "--claims",
        r#"{"info": {"name": "Ann"}, "iat": 5}"#,
    ]);
    let token = token.expect("a token");
    let expected = json!({"sub": "", "iat": 5, "channel": "$news", "info": {"name": "Ann"}});
    assert_eq!(claims(&token), expected);
    let said = folder
        .say(&["--inspect", &token, "--key", "secret"])
        .expect("a text");
    assert!(said.contains(r#""kid": "k""#), "{said}");
    assert!(
        said.ends_with("to subscribe to $news: good, anonymously\n"),
        "{said}"
    );
}

/// Goal: what a settings file demands is in the token, signed with the secret of the section that counts,
/// in both forms of files.
#[test]
fn a_token_fits_the_settings_file() {
    let toml = "log_bytes = \"64MiB\"\n[client]\nallowed_origins = [\"*\"]\n[client.token]\nhmac_secret_key = \"one\"\n\
        audience = \"chat\"\nissuer = \"me\"\nuser_id_claim = \"uid\"\n[client.subscription_token]\nenabled = true\n\
        hmac_secret_key = \"two\"\n[[channel.namespaces]]\nname = \"xx\"\n";
    let json = json!({"client": {"token": {
        "hmac_secret_key": "one", "audience": "chat", "issuer": "me", "user_id_claim": "uid",
    }, "subscription_token": {"enabled": true, "hmac_secret_key": "two"}}});
    let folder = Folder::new(&[("a.toml", toml), ("a.json", &json.to_string())]);
    for file in ["@a.toml", "@a.json"] {
        let token = folder
            .say(&["--user", "7", "--file", file])
            .expect("a token");
        let expected =
            json!({"uid": "7", "aud": "chat", "iss": "me", "iat": NOW, "exp": NOW + 3600});
        assert_eq!(claims(&token), expected);
        let said = folder
            .say(&["--inspect", &token, "--file", file])
            .expect("a text");
        assert!(said.ends_with("to connect: good, as user 7\n"), "{said}");
        let args = [
            "--user",
            "7",
            "--channel",
            "xx:1",
            "--expires",
            "2d",
            "--file",
            file,
        ];
        let token = folder.say(&args).expect("a token");
        assert_eq!(claims(&token)["exp"], json!(NOW + 172_800));
        let said = folder
            .say(&["--inspect", &token, "--file", file])
            .expect("a text");
        assert!(
            said.ends_with("to subscribe to xx:1: good, as user 7\n"),
            "{said}"
        );
        let said = folder
            .say(&["--inspect", &token, "--key", "one"])
            .expect("a text");
        assert!(
            said.ends_with("refused with 103, it is not signed with the key\n"),
            "{said}"
        );
    }
}

/// Goal: private keys sign for their public halves.
#[test]
fn a_token_is_made_with_a_private_key() {
    let quoted = |key: &str, pem: &str| format!("[client.token]\n{key} = \"\"\"{pem}\"\"\"\n");
    let set = json!({"keys": [testing::jwk(testing::ED25519_PUBLIC, "k")]}).to_string();
    let sets = Folder::new(&[("ed.json", &set)]);
    let set = sets.0.path().join("ed.json").display().to_string();
    let folder = Folder::new(&[
        ("rsa.pem", testing::RSA),
        ("p256.pem", testing::P256),
        ("ed.pem", testing::ED25519),
        ("rsa.toml", &quoted("rsa_public_key", testing::RSA_PUBLIC)),
        (
            "p256.toml",
            &quoted("ecdsa_public_key", testing::P256_PUBLIC),
        ),
        (
            "ed.toml",
            &format!("[client.token]\njwks_file = \"{set}\"\n"),
        ),
        (
            "url.toml",
            "[client.token]\njwks_public_endpoint = \"https://a.example/\"\n",
        ),
    ]);
    for name in ["rsa", "p256", "ed"] {
        let (key, file) = (format!("@{name}.pem"), format!("@{name}.toml"));
        let args = ["--user", "7", "--kid", "k", "--private-key", &key];
        let token = folder.say(&args).expect("a token");
        let said = folder
            .say(&["--inspect", &token, "--file", &file])
            .expect("a text");
        assert!(said.ends_with("to connect: good, as user 7\n"), "{said}");
        let said = folder
            .say(&["--inspect", &token, "--file", "@url.toml"])
            .expect("a text");
        assert!(
            said.contains("to connect: not checked; the server fetches the key k"),
            "{said}"
        );
    }
}

/// Goal: an inspected token is told in full, with why it would be refused, and never trusted.
#[test]
fn refused_tokens_are_told_why() {
    let folder = Folder::new(&[]);
    let token = |claims: &str| {
        let args = [
            "--user",
            "7",
            "--expires",
            "5m",
            "--key",
            "secret",
            "--claims",
            claims,
        ];
        folder.say(&args).expect("a token")
    };
    let said = |token: &str| {
        folder
            .say(&["--inspect", token, "--key", "secret"])
            .expect("a text")
    };
    let expired = format!(r#"{{"exp":{}}}"#, NOW - 30);
    assert!(
        said(&token(&expired)).ends_with("to connect: refused with 109, it expired 30 s ago\n")
    );
    let early = format!(r#"{{"nbf":{}}}"#, NOW + 3600);
    let early = said(&token(&early));
    assert!(
        early.ends_with("refused with 109, it is not good before 3600 s from now\n"),
        "{early}"
    );
    let other = folder
        .say(&["--user", "7", "--key", "other"])
        .expect("a token");
    assert!(
        said(&other).ends_with("to connect: refused with 3500, it is not signed with the key\n")
    );
    let unchecked = folder.say(&["--inspect", &other]).expect("a text");
    assert!(unchecked.contains("\"sub\": \"7\""), "{unchecked}");
    assert!(unchecked.ends_with("name --key SECRET or --file FILE to have it checked\n"));
    assert!(said("no token").starts_with("This is no token: "));
    // Spaces around a pasted token do not matter.
    assert!(said(&format!(" {other}\n")).contains("\"sub\": \"7\""));
}

/// Arguments, and what is said of them.
const MISTAKES: &[(&[&str], &str)] = &[
    (
        &["--user", "7"],
        "there is nothing to sign with; name --key SECRET",
    ),
    (
        &["--user", "7", "--file", "@none.toml"],
        "none.toml has no client.token.hmac_secret_key to sign with",
    ),
    (
        &["--user", "7", "--channel", "a", "--file", "@own.toml"],
        "own.toml has no client.subscription_token.hmac_secret_key to sign with",
    ),
    (
        &["--user", "7", "--file", "@no.toml"],
        "can't read the settings file no.toml: No such file",
    ),
    (
        &["--user", "7", "--file", "@broken.toml"],
        "line 1 of broken.toml is not TOML (",
    ),
    (
        &["--user", "7", "--file", "@broken.json"],
        "line 1 of broken.json is not JSON (",
    ),
    (
        &["--user", "7", "--file", "@type.toml"],
        "line 2 of type.toml: client.token.hmac_secret_key ",
    ),
    (
        &["--user", "7", "--file", "@no_set.toml"],
        "in no_set.toml, client.token.jwks_file names /nonexistent.json, which can't be read: No such",
    ),
    (
        &["--user", "7", "--file", "@key.toml"],
        "in key.toml, client.token.rsa_public_key is not PEM",
    ),
    (
        &["--user", "7", "--private-key", "@p.pem"],
        "p.pem holds a private key in a form older than PKCS#8",
    ),
    (
        &["--user", "7", "--key", "a", "--expires", "1w"],
        "--expires is `1w`, which is no duration",
    ),
    (
        &["--user", "7", "--key", "a", "--expires", ""],
        "--expires is ``, which is no duration",
    ),
    (
        &["--user", "7", "--key", "a", "--claims", "[]"],
        "--claims is `[]`, which is no JSON object",
    ),
    (
        &["--key", "a"],
        "error: the following required arguments were not provided",
    ),
];

/// Goal: each mistake is one sentence that names what to write.
#[test]
fn mistakes_are_sentences() {
    let folder = Folder::new(&[
        ("none.toml", "log_bytes = \"64MiB\"\n"),
        (
            "own.toml",
            "[client.token]\nhmac_secret_key = \"a\"\n[client.subscription_token]\nenabled = true\n",
        ),
        ("broken.toml", "[client.token\n"),
        (
            "no_set.toml",
            "[client.token]\njwks_file = \"/nonexistent.json\"\n",
        ),
        ("type.toml", "[client.token]\nhmac_secret_key = [5]\n"),
        ("key.toml", "[client.token]\nrsa_public_key = \"secret\"\n"),
        ("broken.json", "{"),
        ("p.pem", testing::P256_SEC1),
    ]);
    for (args, expected) in MISTAKES {
        let said = folder.refusal(args);
        assert!(said.starts_with(expected), "{said} instead of {expected}");
        assert!(
            said.starts_with("error: ") || !said.contains('\n'),
            "{said}"
        );
    }
}

/// Goal: secrets of the command line and of files are not in what is logged of a command.
#[test]
fn secrets_are_not_shown() {
    let folder = Folder::new(&[("p.pem", testing::P256)]);
    let key = folder.0.path().join("p.pem");
    let key = key.to_str().expect("a text");
    for args in [["--key", "horse battery"], ["--private-key", key]] {
        let flags =
            command().try_get_matches_from(["token", "--user", "7"].into_iter().chain(args));
        let command = TokenCommand::read(&flags.expect("flags")).expect("a command");
        let shown = format!("{command:?}");
        assert!(
            !shown.contains("horse") && !shown.contains("PRIVATE"),
            "{shown}"
        );
    }
}
