//! Ends a server whose owner is gone. A small shell waits on a pipe that only we hold: however
//! we end (a panic, SIGKILL, a `static` that is never dropped), the kernel closes the pipe, and
//! the shell then stops the server and removes its folder.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::account::Account;
use super::error::PostgresError;

/// `$1` is the folder of the programs, `$2` that of the data. A folder that the server's user
/// can't remove (someone else's folder holds it) is emptied at least. Tried more than once,
/// because a process that is just starting may still write to it.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
if read -r word && [ "$word" = release ]; then exit 0; fi
"$1/pg_ctl" --pgdata "$2" --mode immediate --wait stop
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$2"
    [ -e "$2/PG_VERSION" ] || [ -e "$2/base" ] || break
    sleep 0.1
done
"#;

/// The shell, and with its standard input the only end of the pipe that keeps it waiting.
#[derive(Debug)]
pub(super) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Starts watching, before there is anything in `data_dir`.
    pub(super) fn start(
        account: &Account,
        bin_dir: &Path,
        data_dir: &Path,
    ) -> Result<Self, PostgresError> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "payment-monitor-watchdog"]).arg(bin_dir).arg(data_dir);
        // Its outputs must not hold open whatever pipe ours go to, nor its folder be busy. A
        // process group of its own keeps the terminal's Ctrl-C from it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.current_dir("/").process_group(0);
        account.apply(&mut command);
        let shell = command.spawn().map_err(PostgresError::io("start its watchdog", "/bin/sh"))?;
        Ok(Self { shell })
    }

    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn process(&self) -> u32 {
        self.shell.id()
    }

    /// Leaves the server alone from now on.
    pub(super) fn release(mut self) -> Result<(), PostgresError> {
        let released = match &mut self.shell.stdin {
            Some(pipe) => pipe.write_all(b"release\n"),
            None => Ok(()),
        };
        released.map_err(PostgresError::io("release its watchdog", "/bin/sh"))
    }
}

impl Drop for Watchdog {
    /// What happens when we die happens now: the pipe is closed. Waits until the server is gone.
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // A shell that can't be waited for was reaped by someone else; its work is done.
        let _ = self.shell.wait();
    }
}
