//! The settings of `fanring serve`: each one's name, help and heading, in one table.
//!
//! A setting `idle_timeout` is the flag `--idle-timeout`, the variable `FANRING_IDLE_TIMEOUT` and
//! the key `idle_timeout` of the file; all three come from this table, so none can be forgotten.
//! Values stay text here: [`super::resolve`] reads them, wherever they come from.

use clap::{Arg, ArgAction, Command};

/// How many values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value, whose placeholder in the help this is.
    One(&'static str),
    /// Any number of values: a repeated flag, a list in the file, commas in the environment.
    Many(&'static str),
    /// On by the flag alone, true or false elsewhere.
    Switch,
    /// A switch with a flag for either side; the name of the flag that turns it off.
    Either(&'static str),
}

/// A setting of `fanring serve`.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its key in the file.
    pub(super) name: &'static str,
    /// The flag, without dashes in front.
    pub(super) flag: &'static str,
    pub(super) shape: Shape,
    heading: &'static str,
    help: &'static str,
}

const NETWORK: &str = "Network";
const THREADS: &str = "Threads";
const LIMITS: &str = "Limits";
const SESSIONS: &str = "Sessions and rooms";
const HTTP: &str = "HTTP";

/// Every setting, in the order of the help text.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        flag: "listen",
        shape: Shape::Many("ADDR"),
        heading: NETWORK,
        help: "Address and port to listen on, IPv4 or IPv6; may be given several times. Port 0 \
               picks a free one, which the start line names [default: 127.0.0.1:9001]",
    },
    Setting {
        name: "static",
        flag: "static",
        shape: Shape::One("DIR"),
        heading: NETWORK,
        help: "Folder whose files are served [default: the built-in chat page]",
    },
    Setting {
        name: "content_security_policy",
        flag: "content-security-policy",
        shape: Shape::One("TEXT|none"),
        heading: HTTP,
        help: "Content-Security-Policy of the files of --static, or none for no such header; the \
               built-in page has a stricter one of its own [default: own files, inline styles, \
               data: and blob: pictures, WebAssembly, workers, WebSockets; no inline scripts]",
    },
    Setting {
        name: "allow_origin",
        flag: "allow-origin",
        shape: Shape::Many("ORIGIN"),
        heading: NETWORK,
        help: "Origin whose pages may open a WebSocket, as scheme://host[:port], also of an app's own \
               scheme, null for pages that have none, or * for any; may be given several times \
               [default: only pages of this host, and clients that send no Origin]",
    },
    Setting {
        name: "subprotocol",
        flag: "subprotocol",
        shape: Shape::Many("NAME"),
        heading: NETWORK,
        help: "Subprotocol that clients may offer and are answered with; may be given several times. \
               Clients that offer only others are refused [default: none]",
    },
    Setting {
        name: "echo",
        flag: "echo",
        shape: Shape::Switch,
        heading: NETWORK,
        help: "Serve /echo too, which sends each message back to its sender [default: off]",
    },
    Setting {
        name: "shards",
        flag: "shards",
        shape: Shape::One("N|auto"),
        heading: THREADS,
        help: "Shard threads, 1 to 64; auto is one for each processor this process may use \
               [default: auto]",
    },
    Setting {
        name: "pin",
        flag: "pin",
        shape: Shape::Either("no-pin"),
        heading: THREADS,
        help: "Bind each shard to a processor of its own, or leave that to the kernel [default: \
               bound when there is one shard for each processor]",
    },
    Setting {
        name: "log_bytes",
        flag: "log-bytes",
        shape: Shape::One("SIZE"),
        heading: LIMITS,
        help: "Size of each shard's message log, at least 1MiB; rounded up to a power of two \
               [default: 64MiB]",
    },
    Setting {
        name: "connections_max",
        flag: "connections-max",
        shape: Shape::One("COUNT"),
        heading: LIMITS,
        help: "WebSocket sessions open at once; one more is answered 503 [default: what the hard \
               descriptor limit allows, 1048576 at most]",
    },
    Setting {
        name: "message_bytes_max",
        flag: "message-bytes-max",
        shape: Shape::One("SIZE"),
        heading: LIMITS,
        help: "Largest message, reassembled; a larger one closes its session with 1009. At most a \
               quarter of --log-bytes [default: 64KiB]",
    },
    Setting {
        name: "lag_bytes_max",
        flag: "lag-bytes-max",
        shape: Shape::One("SIZE"),
        heading: LIMITS,
        help: "How far a session may fall behind its room before it counts as a slow consumer; at \
               most half of --log-bytes [default: a quarter of --log-bytes]",
    },
    Setting {
        name: "head_bytes_max",
        flag: "head-bytes-max",
        shape: Shape::One("SIZE"),
        heading: LIMITS,
        help: "Longest request head, cookies and all, from 8KiB to 256KiB; a longer one is answered 431 \
               [default: 16KiB]",
    },
    Setting {
        name: "session_buffers_max",
        flag: "session-buffers-max",
        shape: Shape::One("SIZE"),
        heading: LIMITS,
        help: "Memory of a shard for messages and request heads of which the rest has not come, and \
               replies that were not read; beyond it whoever holds some longest is dropped, with \
               1013 or 503 [default: a message of each session, up to 64MiB]",
    },
    Setting {
        name: "slow_consumer",
        flag: "slow-consumer",
        shape: Shape::One("close|skip"),
        heading: SESSIONS,
        help: "What becomes of a slow consumer: close ends it with 4001, skip tells it what it \
               missed and goes on at the newest message [default: close]",
    },
    Setting {
        name: "ping_interval",
        flag: "ping-interval",
        shape: Shape::One("DURATION"),
        heading: SESSIONS,
        help: "Silence after which a session is sent a ping, like 500ms, 20s or 1m [default: 20s]",
    },
    Setting {
        name: "idle_timeout",
        flag: "idle-timeout",
        shape: Shape::One("DURATION"),
        heading: SESSIONS,
        help: "Silence after which a session is closed; longer than --ping-interval [default: 60s]",
    },
    Setting {
        name: "presence_members_max",
        flag: "presence-members-max",
        shape: Shape::One("COUNT"),
        heading: SESSIONS,
        help: "Members up to which a room announces each join and leave; above it only their \
               number, at most once a second [default: 2000]",
    },
    Setting {
        name: "spread_members_min",
        flag: "spread-members-min",
        shape: Shape::One("COUNT"),
        heading: SESSIONS,
        help: "Members from which a room spreads over all shards [default: 64]",
    },
    Setting {
        name: "http_connections_max",
        flag: "http-connections-max",
        shape: Shape::One("COUNT"),
        heading: HTTP,
        help: "Connections for pages, files and figures at once. When all are taken, the one that \
               has been idle longest gives way, and if none is idle, a new one is answered 503 \
               [default: 256, or a sixteenth of a small descriptor limit]",
    },
    Setting {
        name: "http_keep_alive",
        flag: "http-keep-alive",
        shape: Shape::One("DURATION"),
        heading: HTTP,
        help: "How long a connection without a request stays open; longer than a proxy in front \
               keeps its own, or it may send a request into the close [default: 620s]",
    },
    Setting {
        name: "drain_timeout",
        flag: "drain-timeout",
        shape: Shape::One("DURATION"),
        heading: HTTP,
        help: "How long downloads may go on after the signal to stop; meanwhile /healthz says 503, \
               for a second at least. 0s ends at once [default: 3s]",
    },
    CONFIG,
];

/// The file itself, which cannot name another one.
pub(super) const CONFIG: Setting = Setting {
    name: "config",
    flag: "config",
    shape: Shape::One("FILE"),
    heading: "Configuration",
    help: "TOML file with these settings, named with underscores (log_bytes = \"64MiB\"). A flag \
           goes before its FANRING_* variable, that before the file, and that before the default",
};

impl Setting {
    /// The environment variable.
    pub(super) fn variable(&self) -> String {
        format!("FANRING_{}", self.name.to_ascii_uppercase())
    }

    fn args(&self) -> Vec<Arg> {
        let arg = Arg::new(self.name)
            .long(self.flag)
            .help(format!("{} [env: {}]", self.help, self.variable()))
            .help_heading(self.heading);
        let switch = ArgAction::SetTrue;
        match self.shape {
            Shape::One(value) => vec![arg.value_name(value)],
            Shape::Many(value) => {
                vec![
                    arg.value_name(value)
                        .action(ArgAction::Append)
                        .value_delimiter(','),
                ]
            }
            Shape::Switch => vec![arg.action(switch)],
            Shape::Either(off) => vec![
                arg.action(switch.clone()).overrides_with(off),
                Arg::new(off)
                    .long(off)
                    .action(switch)
                    .overrides_with(self.name)
                    .help(format!("The opposite of --{}", self.flag))
                    .help_heading(self.heading),
            ],
        }
    }
}

/// The whole command line; `fanring` without a subcommand takes what `fanring serve` takes.
pub(super) fn command() -> Command {
    let args = || SETTINGS.iter().flat_map(Setting::args);
    Command::new("fanring")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "An io_uring WebSocket fan-out server. Without a command it serves, with the options \
             of `fanring serve`.",
        )
        .after_help("Logs go to stderr; FANRING_LOG (or RUST_LOG) sets their level [default: info]")
        .args(args())
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand(
            Command::new("serve")
                .about("Serve WebSockets and files")
                .args(args()),
        )
        .subcommand(
            Command::new("doctor")
                .about("Say what this machine lets Fanring do, and how to fix what it does not"),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// Goal: clap's own rules are kept (unique names, known overrides), which it checks only when
    /// asked.
    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }

    /// Goal: a default that changes in `Config` changes in the help text too.
    #[test]
    fn help_names_the_real_defaults() {
        let config = Config::default();
        let defaults = [
            ("listen", config.listen[0].to_string()),
            ("log_bytes", format!("{}MiB", config.log_bytes >> 20)),
            (
                "message_bytes_max",
                format!("{}KiB", config.message_bytes_max >> 10),
            ),
            (
                "head_bytes_max",
                format!("{}KiB", config.head_bytes_max >> 10),
            ),
            (
                "ping_interval",
                format!("{}s", config.ping_interval.as_secs()),
            ),
            (
                "idle_timeout",
                format!("{}s", config.idle_timeout.as_secs()),
            ),
            (
                "presence_members_max",
                config.presence_members_max.to_string(),
            ),
            ("spread_members_min", config.spread_members_min.to_string()),
            ("slow_consumer", "close".to_owned()),
            (
                "drain_timeout",
                format!("{}s", config.drain_timeout.as_secs()),
            ),
            (
                "http_keep_alive",
                format!("{}s", config.http_keep_alive.as_secs()),
            ),
        ];
        for (name, default) in defaults {
            let setting = SETTINGS.iter().find(|each| each.name == name).expect(name);
            let text = format!("[default: {default}]");
            assert!(
                setting.help.ends_with(&text),
                "{name}: {} lacks {text}",
                setting.help
            );
        }
    }

    /// Goal: no setting lacks its flag, on the bare command line and behind `serve`, or its
    /// variable.
    #[test]
    fn every_setting_is_on_both_command_lines() {
        let mut command = command();
        let top = command.render_long_help().to_string();
        let serve = command.find_subcommand_mut("serve").expect("serve");
        let serve = serve.render_long_help().to_string();
        for setting in SETTINGS {
            let flag = format!("--{}", setting.flag);
            assert_eq!(setting.flag, setting.name.replace('_', "-"));
            assert!(top.contains(&flag) && serve.contains(&flag), "{flag}");
            assert!(
                serve.contains(&setting.variable()),
                "{}",
                setting.variable()
            );
        }
    }
}
