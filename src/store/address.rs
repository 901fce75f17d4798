//! A `DATABASE_URL` read into places to connect to. Several hosts (`h1:5432,h2:5433`) are one
//! server and its replicas, as libpq's URLs write them: connections go to the primary, whichever
//! that is. A password never leaves this file.

use super::error::DatabaseError;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr as _;

/// The only values of `target_session_attrs` that suit a program that writes.
const PRIMARY: [&str; 2] = ["read-write", "primary"];

/// The places that a URL names, in its order; at least one.
///
/// # Errors
/// [`DatabaseError::Url`], which never quotes the URL: it holds a password.
pub(super) fn places(url: &str) -> Result<Vec<PgConnectOptions>, DatabaseError> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(DatabaseError::Url("it is not a postgres:// URL".to_owned()));
    }
    if let Some(why) = misread(url) {
        return Err(DatabaseError::Url(why));
    }
    let url = without_target(url)?;
    per_host(&url).iter().map(|url| place(url)).collect()
}

fn place(url: &str) -> Result<PgConnectOptions, DatabaseError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|e| DatabaseError::Url(without_url(&e, url)))?
        .application_name("payment-monitor")
        .options([("timezone", "UTC"), ("client_min_messages", "warning")])
        .disable_statement_logging();
    Ok(options)
}

/// The same URL once for each of its hosts.
fn per_host(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (format!("{login}@"), hosts),
        None => (String::new(), authority),
    };
    hosts.split(',').map(|host| format!("{scheme}://{login}{host}{path}")).collect()
}

/// The URL without libpq's `target_session_attrs`, which the driver does not know: what it asks
/// for is what is done with several hosts anyway.
fn without_target(url: &str) -> Result<String, DatabaseError> {
    let Some((before, query)) = url.split_once('?') else { return Ok(url.to_owned()) };
    let mut kept = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some(("target_session_attrs", value)) if PRIMARY.contains(&value) => {}
            Some(("target_session_attrs", value)) => {
                return Err(DatabaseError::Url(format!(
                    "target_session_attrs={value} is not possible: the job writes, and only on \
                     the primary is it seen whether a run is going on; leave it out, or write \
                     read-write"
                )));
            }
            _ => kept.push(parameter),
        }
    }
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    Ok(format!("{before}{query}"))
}

/// Why a URL would be read otherwise than it was meant: an unencoded `/`, `?` or `#` in the
/// password ends what the URL takes for the address, and the rest of the password is taken for
/// a database's name, which errors quote.
fn misread(url: &str) -> Option<String> {
    let (_, url) = url.split_once("://")?;
    let end = url.find(['/', '?', '#'])?;
    url[end..].contains('@').then(|| {
        "an @ follows a /, ? or #, as if it were part of the password: write them as %40, %2F, \
         %3F and %23 there"
            .to_owned()
    })
}

/// The driver's words about a bad URL, with the URL itself taken out should it be quoted.
fn without_url(error: &sqlx::Error, url: &str) -> String {
    error.to_string().replace(url, "<url>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<(String, u16)> {
        let places = places(url).unwrap();
        places.iter().map(|place| (place.get_host().to_owned(), place.get_port())).collect()
    }

    #[test]
    fn several_hosts_are_several_places_with_ports_of_their_own() {
        let url = "postgres://job:a%40b@one:5433,two/shop?sslmode=disable&\
            target_session_attrs=read-write";
        assert_eq!(hosts(url), [("one".to_owned(), 5433), ("two".to_owned(), 5432)]);
        for place in places(url).unwrap() {
            assert_eq!((place.get_username(), place.get_database()), ("job", Some("shop")));
        }
        assert_eq!(hosts("postgres://[::1]:1,[::2]/x").len(), 2);
        assert_eq!(hosts("postgres://one?target_session_attrs=primary").len(), 1);
    }

    #[test]
    fn a_target_that_may_be_a_replica_is_refused() {
        let error = places("postgres://a,b/x?target_session_attrs=any").unwrap_err().to_string();
        assert!(error.contains("target_session_attrs=any is not possible"), "{error}");
    }

    #[test]
    fn a_bad_url_is_never_quoted() {
        for url in ["postgres://u:secret@one:x,two/db", "postgres://u:sec/ret@one/db"] {
            let error = places(url).unwrap_err().to_string();
            assert!(!error.contains("sec"), "{error}");
        }
    }
}
