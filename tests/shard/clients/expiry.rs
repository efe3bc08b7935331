//! When those go whose tokens end, and what they are told before: by the shard's own clock and that of the wall.

use std::time::Duration;

use fanring::wire::frame::OpCode;
use serde_json::{Value, json};

use super::begin_with;
use super::limits::{NOW, bench, connect, pass_time, set_wall, settings, token};
use crate::bench::Bench;

const TOKENS: &str = r#"
client.token.hmac_secret_key = "secret"
client.expired_close_delay = "1s"
client.expired_sub_close_delay = "1s"
channel.namespaces = [{ name = "open", allow_plain = true, allow_subscribe_for_client = true }]
"#;

/// Goal: a plain member goes when the token ends that it came in by, of either kind, and not before; one whose token has no
/// end stays, and so does one in insecure mode.
#[test]
fn plain_members_end_with_their_tokens() {
    for insecure in [false, true] {
        let text = format!("client.insecure = {insecure}\n{TOKENS}");
        let mut bench = bench(2, &text);
        let mut enters = |shard, claims: Value| {
            bench.join(
                shard,
                &format!("/ws/open:a?presence=0&token={}", token(&claims)),
            )
        };
        let short = enters(0, json!({"sub": "42", "exp": NOW + 10}));
        let subscribed = enters(
            1,
            json!({"sub": "42", "channel": "open:a", "exp": NOW + 10}),
        );
        let until = enters(
            0,
            json!({"sub": "42", "exp": NOW + 5, "expire_at": NOW + 60}),
        );
        let long = enters(1, json!({"sub": "42"}));
        let early = enters(1, json!({"sub": "42", "exp": NOW + 10}));
        bench.fail(early);
        bench.settle();
        // The clock on the wall is asked once.
        set_wall(&mut bench, Duration::from_secs(NOW + 3_600));
        let all = [short, subscribed, until, long];
        let heard = |bench: &mut Bench, seconds| {
            pass_time(bench, Duration::from_millis(seconds));
            all.map(|client| bench.heard(client).pop().unwrap_or_default())
        };
        assert_eq!(heard(&mut bench, 9_900), [""; 4]);
        let first = if insecure { "" } else { "close 4002" };
        assert_eq!(heard(&mut bench, 10_300), [first, "close 4002", "", ""]);
        let last = if insecure { "" } else { "close 4002" };
        // Of the others the connection is gone.
        let there: &[usize] = if insecure {
            &[short, until, long]
        } else {
            &[until, long]
        };
        for second in 11..60 {
            heard(&mut bench, second * 1_000);
            for &client in there {
                bench.say(client, OpCode::Pong, b"");
            }
        }
        assert_eq!(heard(&mut bench, 60_300), ["", "", last, ""]);
    }
}

/// Goal: what is told of the time that is left is no more than that, never nothing, and not the same to all that have it.
#[test]
fn ttls_are_spread_and_never_too_long() {
    let mut bench = bench(1, TOKENS);
    for (part_ms, left) in [(0, 60), (999, 60), (999, 1), (500, 3_600)] {
        set_wall(&mut bench, Duration::from_millis(NOW * 1_000 + part_ms));
        let mut ttls = Vec::new();
        for _ in 0..40 {
            let client = bench.newcomer(0);
            let claims = json!({"sub": "42", "exp": NOW + left});
            bench.command(client, &connect(&token(&claims)));
            let told = bench.told(client).remove(0);
            let reply: Value = serde_json::from_str(&told).expect("JSON");
            ttls.push(reply["connect"]["ttl"].as_u64().expect("a ttl"));
            bench.fail(client);
            bench.settle();
        }
        let whole = ((left * 1_000 - part_ms) / 1_000).max(1);
        let least = (whole - whole / 10).max(1);
        assert!(
            ttls.iter().all(|ttl| (least..=whole).contains(ttl)),
            "{ttls:?} of {whole}"
        );
        ttls.sort_unstable();
        ttls.dedup();
        assert!(ttls.len() > 3 || left == 1, "{ttls:?} of {whole}");
    }
}

/// Goal: setting the clock on the wall, forward or back, neither ends nor prolongs connections and subscriptions that are
/// there; new tokens are judged by it.
#[test]
fn the_wall_does_not_end_what_is_there() {
    for moved in [NOW + 3_600, NOW - 3_600] {
        let mut bench = bench(1, TOKENS);
        let client = bench.newcomer(0);
        let claims = json!({"sub": "42", "exp": NOW + 20});
        bench.command(client, &connect(&token(&claims)));
        let pass = token(&json!({"sub": "42", "channel": "$a", "exp": NOW + 10}));
        let subscribing = json!({"id": 2, "subscribe": {"channel": "$a", "token": pass}});
        bench.command(client, &subscribing.to_string());
        assert_eq!(bench.told(client).len(), 2);
        set_wall(&mut bench, Duration::from_secs(moved));
        pass_time(&mut bench, Duration::from_millis(10_500));
        assert_eq!(bench.told(client), [""; 0]);
        pass_time(&mut bench, Duration::from_millis(11_500));
        begin_with(
            &bench.told(client),
            &[r#"{"push":{"channel":"$a","unsubscribe":{"code":2501,"#],
        );
        let other = bench.newcomer(0);
        bench.command(other, &connect(&token(&claims)));
        let expected = if moved > NOW {
            r#"{"id":1,"error":{"code":109,"#
        } else {
            r#"{"id":1,"connect":{"#
        };
        begin_with(&bench.told(other), &[expected]);
        pass_time(&mut bench, Duration::from_millis(19_500));
        let told = bench.told(client);
        assert!(told.iter().all(|one| one == "{}"), "{told:?}");
        pass_time(&mut bench, Duration::from_millis(21_500));
        assert_eq!(
            bench.told(client).last().map(String::as_str),
            Some("close 3005")
        );
    }
}

/// Goal: of a thousand clients whose tokens end in the same second few refresh in one.
#[test]
fn a_thousand_equal_ends_do_not_come_back_together() {
    let mut config = settings(1, TOKENS);
    config.descriptors_max = 2_000;
    let mut bench = Bench::with(config);
    set_wall(&mut bench, Duration::from_secs(NOW));
    let command = connect(&token(&json!({"sub": "42", "exp": NOW + 3_600})));
    let mut seconds = std::collections::HashMap::new();
    for _ in 0..1_000 {
        let client = bench.newcomer(0);
        bench.command(client, &command);
        let told = bench.told(client).remove(0);
        let reply: Value = serde_json::from_str(&told).expect("JSON");
        let ttl = reply["connect"]["ttl"].as_u64().expect("a ttl");
        *seconds.entry(ttl).or_insert(0) += 1;
        bench.fail(client);
        bench.settle();
    }
    let busiest = seconds.values().max().copied().unwrap_or_default();
    assert!(busiest <= 14, "{busiest} of 1,000 in one second");
}

/// Goal: what the server has put a client into lasts as long as its connection: no token renews it, and the room's own
/// tokens don't end it.
#[test]
fn what_the_server_has_joined_is_not_renewed() {
    let mut bench = bench(1, TOKENS);
    let client = bench.newcomer(0);
    let claims = json!({"sub": "42", "channels": ["open:a"]});
    bench.command(client, &connect(&token(&claims)));
    bench.told(client);
    let pass = token(&json!({"sub": "42", "channel": "open:a", "exp": NOW + 10}));
    let again = json!({"id": 2, "subscribe": {"channel": "open:a", "token": pass}});
    bench.command(client, &again.to_string());
    begin_with(&bench.told(client), &[r#"{"id":2,"error":{"code":105,"#]);
    let renewing = json!({"id": 3, "sub_refresh": {"channel": "open:a", "token": pass}});
    bench.command(client, &renewing.to_string());
    assert_eq!(bench.told(client), ["close 3501"]);
}
