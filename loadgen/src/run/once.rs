//! One run, and all that is told of it.

use crate::agents::lead::measure;
use crate::cli::settings::Settings;
use crate::results::files::OutputArgs;
use crate::results::output::Output;
use crate::run::interrupt::Interrupt;
use crate::run::verdict::exit_code;

/// Makes a run, prints its table and writes its files; gives the exit code. See [`measure`] for `flags`.
///
/// # Errors
/// One sentence: a run that can't be made, or a file that can't be written.
pub(crate) fn once(
    settings: &Settings,
    flags: &[String],
    args: &OutputArgs,
    interrupt: &Interrupt,
) -> anyhow::Result<u8> {
    let (target, parameters) = (settings.target(), settings.parameters());
    let mut output = Output::open(args, &target, &parameters, settings.lag_max)?;
    let mut results = measure(settings, flags, interrupt, &mut output)?;
    let code = exit_code(&results);
    output.finish(&mut results)?;
    Ok(code)
}
