//! 200 clients of Centrifugo's protocol and some plain members in 20 rooms over real sockets: they come, go, die and come
//! back with the places they know, some read nothing for a while, and 20 of them number what they say. Everything they
//! are told is checked as in the simulation, by the same model of what rooms can still have.
//!
//! `CHURN_SECONDS` makes it last longer than the few seconds that a check can spare, `CHURN_SEED` has them make other
//! choices; it says on standard error which they were.

#[path = "../support/mod.rs"]
mod support;

mod actor;
mod crowd;
mod rooms;

use std::time::Duration;

use self::crowd::Crowd;
use self::rooms::FILE;
use self::support::server::Server;
use self::support::wait::{Deadline, PATIENCE};

/// How often something is to have happened before it ends.
const RECOVERED_MIN: u64 = 100;
const LOST_MIN: u64 = 5;

/// Goal: over real sockets, on two shards, with a standstill of the server in the middle, whoever stays or is told that
/// it has recovered has everything once and in order, what is told to be lost is gone, and everybody agrees on what
/// was said in which order and on who is there.
#[test]
fn nobody_misses_anything_unawares() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seconds: u64 = variable("CHURN_SECONDS").unwrap_or(8);
    let seed = variable("CHURN_SEED").unwrap_or(1);
    // Whoever sees it fail is told.
    eprintln!("the same choices: CHURN_SEED={seed} cargo test --test churn");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("churn.toml");
    std::fs::write(&path, FILE).expect("a file");
    let path = path.display().to_string();
    let limits = ["--message-bytes-max", "8KiB", "--lag-bytes-max", "16KiB"];
    let arguments = [&["--shards", "2", "--config", &path][..], &limits].concat();
    let server = Server::start(&arguments);
    let mut crowd = Crowd::new(server, seed);
    let mut is_frozen = false;
    let mut deadline = Deadline::after(PATIENCE);
    let outcome = (|| {
        // On a slow machine the same takes longer.
        while crowd.start.elapsed() < Duration::from_secs(seconds)
            || crowd.recovered < RECOVERED_MIN
            || crowd.lost < LOST_MIN
        {
            deadline.renew(crowd.recovered + crowd.lost);
            deadline.check(|| "somebody recovers".to_owned());
            crowd.come_back();
            crowd.subscribe_where_missed();
            (0..4).try_for_each(|_| crowd.act())?;
            crowd.exchange()?;
            std::thread::sleep(Duration::from_millis(1));
            if !is_frozen && crowd.start.elapsed() > Duration::from_secs(seconds / 2) {
                is_frozen = true;
                crowd.server.freeze();
                std::thread::sleep(Duration::from_millis(300));
                crowd.server.thaw();
            }
        }
        crowd.rest()?;
        crowd.check_presence()
    })();
    outcome.unwrap_or_else(|why: String| panic!("{why}"));
    let Crowd {
        recovered,
        lost,
        put_out,
        heard,
        ..
    } = crowd;
    eprintln!("{recovered} recovered, {lost} lost, {put_out} put out, {heard} heard");
}
