//! What Centrifugo's file has besides the sections that are read here, and what to do without it.

use super::key::{Absent, Group};
use super::options::keys::{NO_HOOKS, NO_MAPS};

/// The file itself: nothing in it is read but its sections.
pub(super) const FILE: Group<()> = Group {
    keys: &[],
    absent: &[
        Absent::refused(
            "http_server",
            "addresses, ports and who speaks TLS are set otherwise; remove it, write listen = \
             [\"0.0.0.0:8000\"], and leave TLS to the proxy in front",
        ),
        Absent::refused(
            "log",
            "lines go to stderr; remove it, and set their level with the variable FANRING_LOG",
        )
        .but_for(&[("level", "info")]),
        Absent::refused("engine", ONE_NODE).but_for(&[
            ("type", "memory"),
            ("redis.prefix", "centrifugo"),
            ("redis.address", "redis://127.0.0.1:6379"),
            ("redis.connect_timeout", "1s"),
            ("redis.io_timeout", "4s"),
            ("redis.presence_ttl", "60s"),
        ]),
        Absent::refused("broker", ONE_NODE),
        Absent::refused("presence_manager", ONE_NODE),
        Absent::refused("map_broker", NO_MAPS).but_for(&[("type", "memory")]),
        Absent::refused("controller", ONE_NODE),
        Absent::refused("shared_poll", NO_MAPS),
        Absent::refused("rpc", NO_HOOKS).but_for(&[
            ("namespace_boundary", ":"),
            ("proxy.timeout", "1s"),
            ("without_namespace.proxy_name", "default"),
            ("ping.method", "ping"),
        ]),
        Absent::refused("proxies", NO_HOOKS),
        Absent::refused("http_api", NO_API).but_for(&[("handler_prefix", "/api")]),
        Absent::refused("grpc_api", NO_API),
        Absent::refused(
            "consumers",
            "nothing is read from queues and databases; remove it, and publish as a client",
        ),
        Absent::refused("sse", WEBSOCKETS_ONLY),
        Absent::refused("http_stream", WEBSOCKETS_ONLY),
        Absent::refused("webtransport", WEBSOCKETS_ONLY),
        Absent::refused("uni_sse", WEBSOCKETS_ONLY),
        Absent::refused("uni_http_stream", WEBSOCKETS_ONLY),
        Absent::refused("uni_websocket", WEBSOCKETS_ONLY),
        Absent::refused("uni_grpc", WEBSOCKETS_ONLY),
        Absent::told("emulation", WEBSOCKETS_ONLY).but_for(&[
            ("handler_prefix", "/emulation"),
            ("max_request_body_size", "65536"),
        ]),
        Absent::refused(
            "admin",
            "there is no page for administrators; remove it, and read figures from /healthz",
        ),
        Absent::refused("prometheus", "remove it, and read figures from /healthz"),
        Absent::refused("health", "remove it, and ask for /healthz"),
        Absent::refused(
            "swagger",
            "there is no page that describes an API; remove it",
        ),
        Absent::refused(
            "debug",
            "there are no profiles over HTTP; remove it, and use perf",
        ),
        Absent::refused("init", "a connection needs no request before it; remove it"),
        Absent::refused("opentelemetry", "there are no traces; remove it"),
        Absent::refused(
            "graphite",
            "figures are not sent anywhere; remove it, and read them from /healthz",
        ),
        Absent::told("usage_stats", "nothing is ever reported to anybody"),
        Absent::told("node", "there is one node, which needs no name")
            .but_for(&[("info_metrics_aggregate_interval", "60s")]),
        Absent::refused(
            "shutdown",
            "remove it, and write drain_timeout; a stop takes two seconds more at most",
        )
        .but_for(&[("timeout", "30s")]),
        Absent::refused(
            "pid_file",
            "whoever starts the server knows its number; remove it",
        ),
        Absent::refused(
            "enable_unreleased_features",
            "there are none to enable; remove it",
        ),
    ],
    sections: &["client", "channel", "websocket"],
};

const ONE_NODE: &str = "one server keeps all in its own memory, and others don't hear of it; remove \
     it, and run one node";
const NO_API: &str = "there is no API for the application's servers; remove it, and publish as a \
     client with a token of its own";
const WEBSOCKETS_ONLY: &str = "clients connect by WebSocket only; remove it, and the transport from \
     the clients' lists";
