//! A network of a test's own: a namespace with nothing in it but a loopback of a chosen size.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace with a name; dropped, it is removed.
#[derive(Debug)]
pub(crate) struct NetworkNamespace {
    name: String,
}

impl NetworkNamespace {
    /// A namespace whose loopback carries segments of `mtu` bytes under CUBIC, where the kernel has
    /// it. `None`, with a notice, where this process may not make one.
    pub(crate) fn with_mtu(mtu: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fanring-test-{}-{count}", std::process::id());
        if let Err(refusal) = ip(&["netns", "add", &name]) {
            eprintln!("SKIPPED: no network namespace can be made here: {refusal}");
            return None;
        }
        let namespace = Self { name };
        let name = &namespace.name;
        let up = ip(&["-n", name, "link", "set", "lo", "mtu", mtu, "up"]);
        if let Err(refusal) = up {
            eprintln!("SKIPPED: a network namespace without a loopback: {refusal}");
            return None;
        }
        for addresses in ["127.0.0.0/8", "127.0.0.1"] {
            let route = [
                "-n", name, "route", "replace", "local", addresses, "dev", "lo",
            ];
            let rest = [
                "table",
                "local",
                "src",
                "127.0.0.1",
                "congctl",
                "lock",
                "cubic",
            ];
            if let Err(refusal) = ip(&[route.as_slice(), &rest].concat()) {
                eprintln!("notice: no CUBIC for {addresses}: {refusal}");
            }
        }
        Some(namespace)
    }

    /// Runs `work` in a thread that has this network, and so have the threads and processes that it
    /// starts. A panic in there is a panic here.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file =
            File::open(format!("/run/netns/{}", self.name)).expect("a namespace by its name");
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(file.as_fd(), kind).expect("setns");
                work()
            });
            match inside.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl Drop for NetworkNamespace {
    fn drop(&mut self) {
        if let Err(refusal) = ip(&["netns", "del", &self.name]) {
            eprintln!(
                "notice: the network namespace {} stays: {refusal}",
                self.name
            );
        }
    }
}

/// Runs `ip`, which only root may ask for this, wherever Debian keeps it.
fn ip(arguments: &[&str]) -> Result<(), String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("ip")
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .args(arguments)
        .output();
    match output {
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(Output { stderr, .. }) => Err(String::from_utf8_lossy(&stderr).trim().to_owned()),
        Err(error) => Err(format!("ip: {error}")),
    }
}
