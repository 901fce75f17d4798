//! Which program this is: version, commit and the schema that it needs. The commit is found out by
//! `build.rs`.

use crate::store::schema;

/// The commit that was compiled: 12 hexadecimal digits, with `-dirty` where tracked files differed
/// from it; what `PAYMENT_MONITOR_COMMIT` said at the time; or `unknown`.
pub const COMMIT: &str = env!("PAYMENT_MONITOR_COMMIT");

/// The version with its commit as build metadata (Semantic Versioning, section 10), where that is
/// known: `0.1.0+8c03df1a2b3c`. A run's row and its telemetry have it.
pub const VERSION: &str = if is_known(COMMIT) {
    concat!(env!("CARGO_PKG_VERSION"), "+", env!("PAYMENT_MONITOR_COMMIT"))
} else {
    env!("CARGO_PKG_VERSION")
};

/// What `--version` tells after the program's name.
pub fn long() -> String {
    format!("{VERSION}\ncommit {COMMIT}\nschema version {}", schema::version_needed())
}

const fn is_known(commit: &str) -> bool {
    !matches!(commit.as_bytes(), b"unknown")
}
