//! What a list page lists, by its `url`: all payments, all subscriptions, some of them, or others.
//! Pure; it leaves out whether all pages are there.

/// What the pages of a url list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lists {
    Payments,
    Subscriptions,
    /// A part of them, and why.
    SomePayments(String),
    SomeSubscriptions(String),
    Other,
}

/// Parameters that change neither what is listed nor where the listing starts. A cursor is none
/// of them: a listing that starts in the middle is not the whole.
const PAGING: [&str; 3] = ["limit", "expand", "status=all"];

/// Judges a page's url, with or without scheme, host and parameters.
pub(super) fn lists(url: &str) -> Lists {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.find("/v1/").map_or(path, |at| &path[at..]).trim_end_matches('/');
    let is_payments = path.contains("/charges");
    let some = |why: &str| {
        let why = why.to_owned();
        if is_payments { Lists::SomePayments(why) } else { Lists::SomeSubscriptions(why) }
    };
    match path {
        "/v1/charges/search" | "/v1/subscriptions/search" => {
            some("a search lists what matched its query only; list all instead")
        }
        "/v1/charges" | "/v1/subscriptions" if is_filtered(query) => {
            some("the list pages were asked for with a filter; list all instead")
        }
        "/v1/charges" => Lists::Payments,
        "/v1/subscriptions" => Lists::Subscriptions,
        _ if path.starts_with("/v1/customers/")
            && (path.ends_with("/charges") || path.ends_with("/subscriptions")) =>
        {
            some("the list pages are of one customer only; list all instead")
        }
        _ => Lists::Other,
    }
}

fn is_filtered(query: &str) -> bool {
    query.split('&').any(|parameter| {
        let name = parameter.split(['=', '[', '%']).next().unwrap_or_default();
        !parameter.is_empty() && !PAGING.contains(&name) && !PAGING.contains(&parameter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_listings_count_as_such() {
        assert_eq!(lists("/v1/charges"), Lists::Payments);
        assert_eq!(lists("https://api.stripe.com/v1/charges?limit=100"), Lists::Payments);
        assert_eq!(lists("/v1/subscriptions?status=all&expand[]=data"), Lists::Subscriptions);
        assert_eq!(lists("/v1/customers"), Lists::Other);
        assert_eq!(lists("/v1/charges/ch_1/refunds"), Lists::Other);
        for part in ["/v1/charges/search", "/v1/charges?customer=c", "/v1/customers/c/charges"] {
            assert!(matches!(lists(part), Lists::SomePayments(_)), "{part}");
        }
        for part in ["/v1/subscriptions?status=active", "/v1/customers/c/subscriptions"] {
            assert!(matches!(lists(part), Lists::SomeSubscriptions(_)), "{part}");
        }
    }
}
