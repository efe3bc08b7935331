//! Flags for how the server is reached.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use crate::cli::target::Target;
use crate::session::reach::{Choice, Reach, Turns};
use crate::session::tls::{Client, Trust};

/// Flags for the way to the server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct ReachArgs {
    /// Certificates to trust with wss://, in PEM, instead of those of this machine.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,
    /// Take anybody's certificate with wss://.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Sessions take turns over all addresses of the target's name that answer, instead of the first that does.
    #[arg(long)]
    pub(crate) all_addresses: bool,
    /// Percent of the sessions that may fail to open, so that it shows how many a server holds: the run goes on with the
    /// others, and tells how those were refused. Publishers are opened first then.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) allow_failures: f64,
    /// Process of the server on this machine, for its processor time and memory; its children count with it. May be
    /// given several times: all of them are added up, and each is told.
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Vec<u32>,
}

impl ReachArgs {
    /// The way to all targets.
    ///
    /// # Errors
    /// One sentence: no such host, nobody there, certificates that are none.
    pub(crate) fn reach(&self, targets: &[Target], turns: Turns) -> anyhow::Result<Reach> {
        let percent = self.allow_failures;
        ensure!(
            (0.0..100.0).contains(&percent),
            "--allow-failures {percent}: want 0 or more and less than 100 percent"
        );
        let target = &targets[0];
        for other in &targets[1..] {
            let is_alike = other.path == target.path && other.is_secure == target.is_secure;
            ensure!(
                is_alike && (!target.is_secure || other.host == target.host),
                "--target {} and --target {}: several must have the same path and be spoken to alike, \
                 with wss:// under the same name",
                target.told(),
                other.told()
            );
            ensure!(
                !self.all_addresses,
                "--all-addresses is for one --target: leave it away, or the others"
            );
        }
        ensure!(
            target.is_secure || (self.ca.is_none() && !self.insecure),
            "--ca and --insecure are for TLS: want a --target such as wss://HOST/PATH"
        );
        let trust = match &self.ca {
            Some(path) => Trust::File(path),
            None if self.insecure => Trust::Anybody,
            None => Trust::System,
        };
        let tls = target.is_secure.then(|| Client::new(&target.host, trust));
        let choice = match self.all_addresses {
            true => Choice::All,
            false => Choice::First,
        };
        let reach = Reach::new(
            &target.resolve()?,
            &target.authority(),
            choice,
            tls.transpose()?,
        )?;
        if targets.len() == 1 {
            return Ok(reach);
        }
        let others = targets[1..].iter();
        let others =
            others.map(|other| Reach::new(&other.resolve()?, &other.authority(), choice, None));
        let others = others.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(reach.over(others.into_iter(), turns))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;
    use crate::cli::settings::Settings;

    fn check(flags: &[&str]) -> Result<Settings, String> {
        let all = ["fanload"].iter().chain(flags);
        let cli = Cli::try_parse_from(all).map_err(|error| error.to_string())?;
        cli.run.check().map_err(|error| format!("{error:#}"))
    }

    /// Goal: a path in a URL is the path, and without one --path is, or the root.
    #[test]
    fn paths_of_urls_count() {
        for (flags, path) in [
            (&["--target", "ws://127.0.0.1/a?b=c"][..], "/a?b=c"),
            (&["--target", "ws://127.0.0.1"], "/"),
            (&["--target", "ws://127.0.0.1", "--path", "/x"], "/x"),
            (
                &["--target", "ws://127.0.0.1/a", "--preset", "server-root"],
                "/a",
            ),
            (&["--target", "127.0.0.1:80"], "/ws?presence=0"),
        ] {
            let settings = check(flags).unwrap();
            assert_eq!(settings.target().path, path, "{flags:?}");
        }
    }

    /// Goal: so many sessions may fail as are asked for, rounded down, and not all.
    #[test]
    fn failures_are_a_share() {
        let flags = ["--subscribers", "19", "--allow-failures"];
        let with = |percent| check(&[&flags[..], &[percent]].concat());
        assert_eq!(check(&flags[..2]).unwrap().failures_max(), 0);
        assert_eq!(with("12.5").unwrap().failures_max(), 2, "of 20");
        assert!(with("100").unwrap_err().contains("less than 100"));
    }

    /// Goal: several servers are told together, each has a room at least, and what does not go together is refused.
    #[test]
    fn several_targets_have_rooms_of_their_own() {
        let both = ["--target", "127.0.0.1:81", "--target", "127.0.0.1:82"];
        let with = |flags: &[&str]| check(&[&both[..], flags].concat());
        let settings = with(&["--rooms", "3"]).unwrap();
        assert_eq!(settings.target().address, "127.0.0.1:81,127.0.0.1:82");
        assert_eq!(settings.target().reached, ["127.0.0.1:81", "127.0.0.1:82"]);
        let host = |session, room| settings.reach.of(session, room).host.clone();
        let [first, second] = ["127.0.0.1:81", "127.0.0.1:82"];
        assert_eq!([host(1, 0), host(0, 1), host(0, 2)], [first, second, first]);
        let idle = with(&["--idle", "5"]).unwrap();
        assert_eq!(
            idle.reach.of(1, 0).address.port(),
            82,
            "sessions take turns"
        );
        for (flags, fix) in [
            (&["--rooms", "1"][..], "--rooms 1: want at least one"),
            (&["--rooms", "2", "--all-addresses"], "one --target"),
            (
                &["--rooms", "3", "--target", "ws://127.0.0.1/x"],
                "the same path",
            ),
        ] {
            let error = with(flags).unwrap_err();
            assert!(error.contains(fix), "{flags:?}: {error}");
        }
    }

    /// Goal: what TLS can't work with is refused by the name of its flag.
    #[test]
    fn bad_trust_names_its_flag() {
        let secure = ["--target", "wss://127.0.0.1"];
        assert!(check(&["--insecure"]).unwrap_err().contains("wss://"));
        let with = |flags: &[&str]| check(&[&secure[..], flags].concat());
        let missing = with(&["--ca", "/nowhere/at.all"]).unwrap_err();
        assert!(missing.contains("--ca /nowhere/at.all"), "{missing}");
        let name = format!("fanload-no-certificate-{}", std::process::id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, "nothing").unwrap();
        let empty = with(&["--ca", file.to_str().unwrap()]).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert!(empty.contains("it has none"), "{empty}");
        assert!(with(&["--insecure"]).unwrap().reach.tls.is_some());
    }
}
