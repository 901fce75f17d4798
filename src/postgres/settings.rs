//! The server's `postgresql.conf`: everything that isn't PostgreSQL's own default, in one place.

use std::fmt::Write as _;

use super::HOST;

/// Fast rather than safe: a power failure may lose everything, a crash of the server nothing.
/// Listens on TCP only, because the path of a socket has a limit (107 bytes) that a deep
/// temporary folder exceeds.
const OURS: [(&str, &str); 11] = [
    ("listen_addresses", HOST),
    ("unix_socket_directories", ""),
    ("max_connections", "200"),
    ("shared_buffers", "256MB"),
    ("fsync", "off"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "off"),
    ("password_encryption", "scram-sha-256"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_line_prefix", "%m [%p] %u@%d "),
];

/// The whole file. Of a setting that occurs twice PostgreSQL takes the last, so `extra` wins.
pub(super) fn file(port: u16, extra: &[(String, String)]) -> String {
    let extra = extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut text = format!("port = {port}\n");
    for (name, value) in OURS.into_iter().chain(extra) {
        let quoted = value.replace('\\', "\\\\").replace('\'', "''");
        writeln!(text, "{name} = '{quoted}'").expect("writing to a string can't fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_settings_come_last_with_quotes_and_backslashes_escaped() {
        let extra = [("application_name".to_owned(), r"it's a \ test".to_owned())];
        let text = file(5433, &extra);
        assert!(text.starts_with("port = 5433\n"));
        assert!(text.ends_with("application_name = 'it''s a \\\\ test'\n"), "{text}");
    }
}
