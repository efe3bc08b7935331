//! What machine and program a run was made on, read from `/proc`, `/sys` and the process's limits.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::system::uname;

use super::model::Environment;

/// Kernel settings that bear on a load over TCP, as paths below `/proc/sys`.
const SYSCTLS: [&str; 9] = [
    "net/core/netdev_max_backlog",
    "net/core/rmem_max",
    "net/core/somaxconn",
    "net/core/wmem_max",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/tcp_mem",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
];

impl Environment {
    /// Reads it now. What the kernel doesn't tell is left empty.
    pub(crate) fn gather() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let system = uname();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("FANLOAD_COMMIT").map(str::to_owned),
            started_unix_ms: unix_ms(),
            host: system.nodename().to_string_lossy().into_owned(),
            kernel: format!(
                "{} {}",
                system.release().to_string_lossy(),
                system.version().to_string_lossy()
            ),
            cpu_model: field(&cpuinfo, "model name").unwrap_or_default(),
            cpus: std::thread::available_parallelism()
                .map_or(0, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
            cpufreq_governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            mitigations: mitigations(Path::new("/sys/devices/system/cpu/vulnerabilities")),
            memory_bytes: field(&meminfo, "MemTotal").map_or(0, |text| kibibytes(&text) * 1024),
            descriptors_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            locked_bytes_max: getrlimit(Resource::Memlock).current,
            congestion_control: line("/proc/sys/net/ipv4/tcp_congestion_control")
                .unwrap_or_default(),
            sysctls: SYSCTLS
                .iter()
                .filter_map(|path| {
                    let value = line(&format!("/proc/sys/{path}"))?;
                    let words: Vec<_> = value.split_whitespace().collect();
                    Some((path.replace('/', "."), words.join(" ")))
                })
                .collect(),
        }
    }
}

/// Now, in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |time| {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    })
}

/// The only line of a small file.
fn line(path: &str) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn kibibytes(text: &str) -> u64 {
    text.trim_end_matches("kB").trim().parse().unwrap_or(0)
}

fn mitigations(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path()).ok()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            Some((name, text.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the figures every Linux gives are there, in their units.
    #[test]
    fn this_machine_is_described() {
        let here = Environment::gather();
        assert!(
            here.kernel
                .starts_with(|first: char| first.is_ascii_digit())
        );
        assert!(here.cpus > 0 && here.descriptors_max >= 64);
        assert!(here.memory_bytes > 64 << 20, "{}", here.memory_bytes);
        assert!(here.started_unix_ms > 1_700_000_000_000);
        assert!(here.sysctls["net.ipv4.ip_local_port_range"].contains(' '));
    }

    /// Goal: fields are found by their whole name.
    #[test]
    fn fields_are_found_by_name() {
        let text = "model\t: 1\nmodel name\t: A: b\nmodel name\t: C";
        assert_eq!(field(text, "model name").as_deref(), Some("A: b"));
        assert_eq!(field(text, "name"), None);
        assert_eq!(kibibytes("1024 kB"), 1024);
    }
}
