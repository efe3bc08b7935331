//! The SDK for Rust, as a puppet of tests/sdk/puppet.py: does what it reads, and prints what happens, both as lines of JSON.
//!
//! `sdk-puppet json|protobuf`

mod told;

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use centrifuge::{
    Client, HistoryOptions, Protocol, ProxyConfig, StreamPosition, Subscription, TokenError,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use self::told::{person, publication, subscribed, tell};

#[tokio::main]
async fn main() -> ExitCode {
    let protocol = match std::env::args().nth(1).as_deref() {
        Some("protobuf") => Protocol::Protobuf,
        _ => Protocol::Json,
    };
    match obey(protocol).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "the puppet gives up: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what it reads, until nobody says more.
async fn obey(protocol: Protocol) -> Result<(), Box<dyn Error>> {
    let mut clients = HashMap::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command: Value = serde_json::from_str(&line)?;
        let name = text(&command, "client");
        if text(&command, "do") == "open" {
            clients.insert(name, open(&command, protocol)?);
        } else {
            let client: &Client = clients.get(&name).ok_or("no such client")?;
            perform(client, command)?;
        }
    }
    Ok(())
}

/// A member of a command that is a text, or none.
fn text(command: &Value, name: &str) -> String {
    command[name].as_str().unwrap_or_default().to_owned()
}

/// Hands out the next token each time, and the last one again.
struct Tokens {
    client: String,
    channel: String,
    left: Mutex<Vec<String>>,
}

impl Tokens {
    fn of(command: &Value, channel: &str) -> Option<Arc<Self>> {
        let tokens = command["tokens"].as_array()?;
        let left = tokens.iter().rev().filter_map(Value::as_str);
        Some(Arc::new(Self {
            client: text(command, "client"),
            channel: channel.to_owned(),
            left: Mutex::new(left.map(str::to_owned).collect()),
        }))
    }

    fn next(&self) -> String {
        let channel = &self.channel;
        tell(&self.client, "token", json!({ "channel": channel }));
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.len() {
            0 | 1 => left.first().cloned().unwrap_or_default(),
            _ => left.pop().unwrap_or_default(),
        }
    }
}

fn open(command: &Value, protocol: Protocol) -> Result<Client, Box<dyn Error>> {
    let name = text(command, "client");
    let ping_delay = Duration::from_millis(command["ping_delay_ms"].as_u64().unwrap_or(10_000));
    let mut builder = Client::builder(text(command, "url"))
        .protocol(protocol)
        .proxy(ProxyConfig::None)
        .min_reconnect_delay(Duration::from_millis(100))
        .max_reconnect_delay(Duration::from_secs(1))
        .max_server_ping_delay(ping_delay);
    if let Some(tokens) = Tokens::of(command, "") {
        builder = builder.get_token(move |_| {
            let token = tokens.next();
            async move { Ok::<_, TokenError>(Some(token)) }
        });
    } else {
        builder = builder.token(text(command, "token"));
    }
    let client = builder.build()?;
    listen(&client, &name);
    Ok(client)
}

/// Tells what happens to a client and in its server-side channels.
fn listen(client: &Client, name: &str) {
    let says = |event: &'static str| {
        let name = name.to_owned();
        move |fields: Value| tell(&name, event, fields)
    };
    let connecting = says("connecting");
    client.on_connecting(move |_, e| connecting(json!({ "code": e.code })));
    let connected = says("connected");
    client.on_connected(move |_, e| connected(json!({ "id": e.client_id })));
    let disconnected = says("disconnected");
    client.on_disconnected(move |_, e| disconnected(json!({ "code": e.code })));
    let error = says("error");
    client.on_error(move |_, _| error(json!({ "code": 0 })));
    let server = |event: &'static str| {
        let name = name.to_owned();
        move |channel: &str, mut fields: Value| {
            fields["channel"] = channel.into();
            fields["server"] = true.into();
            tell(&name, event, fields);
        }
    };
    let begun = server("subscribed");
    client.on_subscribed(move |_, e| begun(&e.channel, subscribed(&e.info)));
    let waits = server("subscribing");
    client.on_subscribing(move |_, e| waits(&e.channel, json!({ "code": 0 })));
    let ended = server("unsubscribed");
    client.on_unsubscribed(move |_, e| ended(&e.channel, json!({ "code": 0 })));
    let published = server("publication");
    client.on_publication(move |_, e| published(&e.channel, publication(&e.publication)));
    let joined = server("join");
    client.on_join(move |_, e| joined(&e.channel, person(&e.info)));
    let left = server("leave");
    client.on_leave(move |_, e| left(&e.channel, person(&e.info)));
}

fn perform(client: &Client, command: Value) -> Result<(), Box<dyn Error>> {
    let channel = text(&command, "channel");
    match text(&command, "do").as_str() {
        "connect" => client.connect()?,
        "disconnect" => client.disconnect(),
        "subscribe" => match client.get_subscription(&channel) {
            Some(subscription) => subscription.subscribe(),
            None => subscribe(client, &command, &channel)?.subscribe(),
        },
        "unsubscribe" => {
            let subscription = client.get_subscription(&channel);
            subscription.ok_or("no such subscription")?.unsubscribe();
        }
        _ => {
            let client = client.clone();
            tokio::spawn(async move { call(&client, &command, &channel).await });
        }
    }
    Ok(())
}

fn subscribe(
    client: &Client,
    command: &Value,
    channel: &str,
) -> Result<Subscription, centrifuge::Error> {
    let mut builder = client
        .new_subscription(channel)
        .join_leave(command["join_leave"].as_bool().unwrap_or(false));
    if command["usual_delays"].is_null() {
        builder = builder
            .min_resubscribe_delay(Duration::from_millis(100))
            .max_resubscribe_delay(Duration::from_secs(1));
    }
    if let Some(tokens) = Tokens::of(command, channel) {
        builder = builder.get_token(move |_| {
            let token = tokens.next();
            async move { Ok::<_, TokenError>(token) }
        });
    } else {
        builder = builder.token(text(command, "token"));
    }
    let name = text(command, "client");
    let says = |event: &'static str| {
        let (name, channel) = (name.clone(), channel.to_owned());
        move |mut fields: Value| {
            fields["channel"] = channel.as_str().into();
            fields["server"] = false.into();
            tell(&name, event, fields);
        }
    };
    let waits = says("subscribing");
    let begun = says("subscribed");
    let ended = says("unsubscribed");
    let error = says("error");
    let published = says("publication");
    let joined = says("join");
    let left = says("leave");
    builder
        .on_subscribing(move |_, e| waits(json!({ "code": e.code })))
        .on_subscribed(move |_, e| begun(subscribed(&e)))
        .on_unsubscribed(move |_, e| ended(json!({ "code": e.code })))
        .on_error(move |_, _| error(json!({ "code": 0 })))
        .on_publication(move |_, e| published(publication(&e.publication)))
        .on_join(move |_, e| joined(person(&e.info)))
        .on_leave(move |_, e| left(person(&e.info)))
        .build()
}

/// Makes a call and tells how it ended.
async fn call(client: &Client, command: &Value, channel: &str) {
    let name = text(command, "client");
    let call = &command["call"];
    match answer(client, command, channel).await {
        Ok(value) => tell(&name, "result", json!({ "call": call, "value": value })),
        Err(error) => {
            let code = match error {
                centrifuge::Error::Server(error) => error.code,
                _ => 0,
            };
            tell(&name, "failure", json!({ "call": call, "code": code }));
        }
    }
}

async fn answer(
    client: &Client,
    command: &Value,
    channel: &str,
) -> Result<Value, centrifuge::Error> {
    Ok(match text(command, "do").as_str() {
        "publish" => {
            client.publish(channel, command["data"].to_string()).await?;
            json!({})
        }
        "presence" => {
            let found = client.presence(channel).await?.clients;
            let people = found
                .into_iter()
                .map(|(id, info)| (id, json!({ "user": info.user, "client": info.client })));
            Value::Object(people.collect())
        }
        "presence_stats" => {
            let found = client.presence_stats(channel).await?;
            json!({ "clients": found.num_clients, "users": found.num_users })
        }
        _ => {
            let found = client.history(channel, history_options(command)).await?;
            let publications: Vec<_> = found.publications.iter().map(publication).collect();
            json!({ "publications": publications, "offset": found.offset, "epoch": found.epoch })
        }
    })
}

fn history_options(command: &Value) -> HistoryOptions {
    let mut options = HistoryOptions::new();
    options = match command["limit"].as_i64().unwrap_or(0) {
        ..0 => options.all(),
        limit => options.limit(u32::try_from(limit).unwrap_or(u32::MAX)),
    };
    if let Some(offset) = command["since"]["offset"].as_u64() {
        options = options.since(StreamPosition::new(
            offset,
            text(&command["since"], "epoch"),
        ));
    }
    options.reverse(command["reverse"].as_bool().unwrap_or(false))
}
