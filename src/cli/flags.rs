//! The command line, made of the settings of [`crate::config`].
//!
//! A setting `idle_timeout` is the flag `--idle-timeout`, the variable `FANRING_IDLE_TIMEOUT` and
//! the key `idle_timeout` of the file; all three come from its definition, so none can be forgotten.

use clap::{Arg, ArgAction, Command};

use super::token;
use crate::config::{Preset, SECTIONS, Section, Setting, Shape};

/// The file itself, which cannot name another one.
pub(super) const FILE: Setting = Setting {
    name: "config",
    shape: Shape::One("FILE"),
    help: "TOML or JSON file with these settings, named with underscores (log_bytes = \"64MiB\"), and \
           with those of the chat backend: see `fanring config --default`. A flag goes before its \
           FANRING_* variable, that before the file, and that before the default",
    default: Preset::Nothing,
    // Whatever stands in it is a setting of its own.
    rule: |_, _| Ok(()),
};

const FILE_HEADING: &str = "Configuration";

/// The flags of a setting.
fn args(setting: &'static Setting, heading: &'static str) -> Vec<Arg> {
    let variable = setting.variable();
    let help = match setting.default {
        Preset::Nothing => format!("{} [env: {variable}]", setting.help),
        default => format!("{} [default: {default}] [env: {variable}]", setting.help),
    };
    let arg = Arg::new(setting.name)
        .long(setting.flag())
        .help(help)
        .help_heading(heading);
    let switch = ArgAction::SetTrue;
    match setting.shape {
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
                .overrides_with(setting.name)
                .help(format!("The opposite of --{}", setting.flag()))
                .help_heading(heading),
        ],
    }
}

fn all_args() -> impl Iterator<Item = Arg> {
    let of_section = |section: &'static Section| {
        let settings = section.settings.iter();
        settings.flat_map(|setting| args(setting, section.heading))
    };
    SECTIONS
        .iter()
        .flat_map(of_section)
        .chain(args(&FILE, FILE_HEADING))
}

/// The whole command line; `fanring` without a subcommand takes what `fanring serve` takes.
pub(super) fn command() -> Command {
    Command::new("fanring")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "An io_uring WebSocket fan-out server. Without a command it serves, with the options \
             of `fanring serve`.",
        )
        .after_help("Logs go to stderr; FANRING_LOG (or RUST_LOG) sets their level [default: info]")
        .args(all_args())
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .subcommand(
            Command::new("serve")
                .about("Serve WebSockets and files")
                .args(all_args()),
        )
        .subcommand(
            Command::new("config")
                .about("Print a settings file, or say what is wrong with one")
                .arg(
                    Arg::new("default")
                        .long("default")
                        .action(ArgAction::SetTrue)
                        .conflicts_with("check")
                        .help("Print a file with every setting, what it means and what it is by default"),
                )
                .arg(
                    Arg::new("check")
                        .long("check")
                        .value_name("FILE")
                        .help("Say all that is wrong with a file, and fail if anything is"),
                ),
        )
        .subcommand(
            Command::new("doctor")
                .about("Say what this machine lets Fanring do, and how to fix what it does not"),
        )
        .subcommand(token::command())
}

#[cfg(test)]
mod tests {
    use super::{FILE, command};
    use crate::config::settings;

    /// Goal: clap's own rules are kept (unique names, known overrides), which it checks only when
    /// asked.
    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }

    /// Goal: no setting lacks its flag, on the bare command line and behind `serve`, or its
    /// variable.
    #[test]
    fn every_setting_is_on_both_command_lines() {
        let mut command = command();
        let top = command.render_long_help().to_string();
        let serve = command.find_subcommand_mut("serve").expect("serve");
        let serve = serve.render_long_help().to_string();
        for setting in settings().chain([&FILE]) {
            let flag = format!("--{}", setting.flag());
            assert!(top.contains(&flag) && serve.contains(&flag), "{flag}");
            assert!(
                serve.contains(&setting.variable()),
                "{}",
                setting.variable()
            );
        }
    }
}
