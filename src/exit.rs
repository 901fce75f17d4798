//! The exit codes: a public interface, listed in `--help`.

/// All that was planned is done.
pub const DONE: u8 = 0;
/// Finished, but some operations failed or conflicted; `doctor` found something wrong.
pub const PARTLY: u8 = 1;
/// Wrong usage or settings.
pub const USAGE: u8 = 2;
/// The run, or another command, failed.
pub const FAILED: u8 = 3;
/// The plan is held until a person decides.
pub const HELD: u8 = 4;
/// Another run is going on.
pub const SKIPPED: u8 = 5;

/// How `--help` lists them.
pub const HELP: &str = "\
Exit codes:
  0    all that was planned is done
  1    finished, but some operations failed or conflicted; doctor: something is wrong
  2    wrong usage or settings, or nothing there to approve
  3    the run, or another command, failed
  4    held: the plan changes too much, a person has to approve it
  5    skipped: another run is going on
  130  stopped by SIGINT
  143  stopped by SIGTERM";
