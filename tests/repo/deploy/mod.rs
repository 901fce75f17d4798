//! deploy/: what systemd, cron and logrotate read, checked by themselves and against each other.

mod cron;
mod kubernetes;
mod units;

use crate::files::root;

fn read(path: &str) -> String {
    let path = root().join("deploy").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
