//! Proof of completeness and the manifest, on whole statements.

use super::*;

const SINCE: &str = "2025-01-01T00:00:00Z";

/// A manifest over files, with further members.
fn manifest(files: &[(&str, u64, &[u8])], members: &str) -> String {
    use sha2::{Digest, Sha256};
    let entries: Vec<_> = files
        .iter()
        .map(|(name, records, content)| {
            let sha256 = hex::encode(Sha256::digest(content));
            format!(r#"{{"name":"{name}","records":{records},"sha256":"{sha256}"}}"#)
        })
        .collect();
    format!(r#"{{"version":1,"files":[{}]{members}}}"#, entries.join(","))
}

#[test]
fn list_pages_prove_what_they_list() {
    let folder = Folder::new();
    folder.write("charges-1.json", page("/v1/charges", &[charge(1)], true));
    folder.write("charges-2.json", page("/v1/charges", &[charge(2)], false));
    folder.write("subs.json", pretty(&page("/v1/subscriptions", &[subscription(1)], false)));
    let facts = folder.facts();
    assert!(facts.payments_listing.is_proven(), "{:?}", facts.payments_listing);
    assert!(facts.subscriptions_listing.is_proven(), "{:?}", facts.subscriptions_listing);
    folder.write("charges-4.json", page("/v1/charges", &[charge(3)], false));
    folder.write("charges-2.json", page("/v1/charges", &[charge(2)], true));
    let Listing::Unproven { why } = folder.facts().payments_listing else { panic!() };
    assert!(why.contains("between charges-2.json and charges-4.json"), "{why}");
}

#[test]
fn an_empty_listing_is_proven_empty() {
    let facts = Folder::with("x.json", page("/v1/charges", &[], false)).facts();
    assert!(facts.payments_listing.is_proven());
    assert_eq!(facts.subscriptions_listing, Listing::NotCovered);
}

#[test]
fn a_page_without_url_lists_what_its_elements_are() {
    let text = page("/v1/charges", &[charge(1)], false).replace(r#","url":"/v1/charges""#, "");
    assert!(Folder::with("x.json", text).facts().payments_listing.is_proven());
}

#[test]
fn a_part_of_a_listing_proves_nothing() {
    let whole = page("/v1/charges", &[charge(1)], false);
    for text in [
        lines(&[charge(1)]),
        format!("[{}]", charge(1)),
        page("/v1/charges", &[charge(1)], true),
        page("/v1/charges/search", &[charge(1)], false),
        page("/v1/customers/cus_1/charges", &[charge(1)], false),
        page("/v1/customers", &[charge(1)], false),
        page("/v1/charges?customer=cus_1", &[charge(1)], false),
        format!("{whole}\n{}", charge(2)),
        format!("{whole}\n{whole}"),
        whole.replace(r#""has_more":false,"#, ""),
        whole.replace(r#""object":"list""#, r#""object":"search_result""#),
    ] {
        let facts = Folder::with("x.json", &text).facts();
        assert!(matches!(facts.payments_listing, Listing::Unproven { .. }), "{text}");
    }
}

#[test]
fn a_manifest_beside_a_file_proves_and_describes_it() {
    let folder = Folder::new();
    let content = gzip(lines(&[charge(1), charge(2)]).as_bytes());
    folder.write("x.gz", &content);
    let members = format!(
        r#","as_of":"2025-11-01T02:00:00.1234567Z","account":"acct_1","livemode":true,
            "window":{{"since":"{SINCE}"}},"covers":["payments","subscriptions"]"#
    );
    folder.write("x.gz.manifest.json", manifest(&[("x.gz", 2, &content)], &members));
    let options = Options { paths: vec![folder.path().join("x.gz")], ..Options::default() };
    let (_, facts) = read(options.clone()).unwrap();
    assert!(facts.payments_listing.is_proven());
    assert!(facts.subscriptions_listing.is_proven(), "covered, and there are none");
    assert_eq!(facts.account.as_deref(), Some("acct_1"));
    assert_eq!(facts.as_of_from, AsOfFrom::Manifest);
    assert_eq!(facts.as_of.to_rfc3339(), "2025-11-01T02:00:00.123456+00:00");
    assert_eq!(facts.window.unwrap().since.unwrap().to_rfc3339(), "2025-01-01T00:00:00+00:00");
    let given = SINCE.parse().unwrap();
    let (_, facts) = read(Options { as_of: Some(given), ..options }).unwrap();
    assert_eq!((facts.as_of, facts.as_of_from), (given, AsOfFrom::Flag));
}

#[test]
fn a_manifest_covers_what_occurs_unless_it_says_more() {
    let content = lines(&[charge(1)]);
    let folder = Folder::with("a", &content);
    folder.write("manifest.json", manifest(&[("a", 1, content.as_bytes())], ""));
    let facts = folder.facts();
    assert!(facts.payments_listing.is_proven());
    assert_eq!(facts.subscriptions_listing, Listing::NotCovered);
}

#[test]
fn only_a_manifest_that_says_so_vouches_for_a_part_of_a_listing() {
    let content = page("/v1/charges/search", &[charge(1)], false);
    let folder = Folder::with("a", &content);
    let files = [("a", 1, content.as_bytes())];
    folder.write("manifest.json", manifest(&files, ""));
    assert!(!folder.facts().payments_listing.is_proven());
    folder.write("manifest.json", manifest(&files, r#","covers":["payments"]"#));
    assert!(folder.facts().payments_listing.is_proven());
}

#[test]
fn pages_of_the_same_name_in_two_directories_prove_nothing() {
    let (first, second) = (Folder::new(), Folder::new());
    first.write("page-1.json", page("/v1/charges", &[charge(1)], true));
    second.write("page-1.json", page("/v1/charges", &[charge(2)], true));
    second.write("page-2.json", page("/v1/charges", &[charge(3)], false));
    let paths = vec![first.path().to_owned(), second.path().to_owned()];
    let (_, facts) = read(Options { paths, ..Options::default() }).unwrap();
    assert!(!facts.payments_listing.is_proven(), "the first one's page-2 is missing");
}

#[test]
fn a_manifest_that_does_not_match_refuses_the_statement() {
    let content = lines(&[charge(1), charge(2)]);
    let full = manifest(&[("a", 2, content.as_bytes())], "");
    for (text, manifest, expected) in [
        (lines(&[charge(1)]), full.clone(), "number of records should be 2 and is 1"),
        (lines(&[charge(1), charge(3)]), full.clone(), "the SHA-256 should be"),
        (content.clone(), full.replace(']', r#"],"livemode":false"#), "manifest manifest.json"),
    ] {
        let folder = Folder::with("a", text);
        folder.write("manifest.json", manifest);
        let error = folder.error();
        assert!(error.contains(expected) && error.contains("`a`"), "{error}");
    }
}

#[test]
fn a_malformed_record_takes_the_manifests_proof_away() {
    let content = lines(&[charge(1), "{}".into()]);
    let folder = Folder::with("a", &content);
    folder.write("manifest.json", manifest(&[("a", 2, content.as_bytes())], ""));
    assert!(!folder.facts().payments_listing.is_proven());
}

#[test]
fn the_oldest_files_time_is_the_statements() {
    let folder = Folder::with("a", lines(&[charge(1)]));
    folder.write("b", lines(&[charge(2)]));
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    std::fs::File::options()
        .append(true)
        .open(folder.path().join("b"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    let statement = Statement::open(folder.options()).unwrap();
    assert_eq!(statement.as_of().timestamp(), 1_700_000_000);
}
