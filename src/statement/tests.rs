//! Whole statements: every arrangement gives the same records, and every bad input its error.
//! Single fields and rules are tested beside their code.

use super::*;
use proptest::prelude::*;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

mod broken;
mod complete;
mod errors;
mod tables;

/// A directory of statement files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        folder.write(name, content);
        folder
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), content).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn options(&self) -> Options {
        Options { paths: vec![self.path().to_owned()], ..Options::default() }
    }

    fn read(&self) -> Result<(Vec<Record>, Facts), StatementError> {
        read(self.options())
    }

    fn facts(&self) -> Facts {
        self.read().unwrap().1
    }

    fn error(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

fn read(options: Options) -> Result<(Vec<Record>, Facts), StatementError> {
    let mut records = Vec::new();
    let facts = Statement::open(options)?.read(&mut |record| {
        records.push(record);
        ControlFlow::Continue(())
    })?;
    Ok((records, facts))
}

/// A charge, compact, with brackets and quotes where they must not mislead.
fn charge(id: u32) -> String {
    serde_json::json!({
        "id": format!("ch_{id}"), "object": "charge", "amount": id, "currency": "usd",
        "status": "succeeded", "created": 1_700_000_000 + id, "customer": format!("cus_{{{id}]"),
        "livemode": true, "description": "a \"quoted\" [text]", "refunds": {"data": []},
    })
    .to_string()
}

fn subscription(id: u32) -> String {
    serde_json::json!({
        "id": format!("sub_{id}"), "object": "subscription", "status": "active",
        "created": 1_700_000_000, "customer": format!("cus_{id}"),
        "items": {"object": "list", "data": [{"price": {"id": "gold"}}]},
    })
    .to_string()
}

fn lines(objects: &[String]) -> String {
    objects.join("\n") + "\n"
}

fn page(url: &str, objects: &[String], has_more: bool) -> String {
    let data = objects.join(",");
    format!(r#"{{"object":"list","data":[{data}],"has_more":{has_more},"url":"{url}"}}"#)
}

fn pretty(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

/// The same objects in every arrangement that is read.
fn arrangements(objects: &[String]) -> Vec<(&'static str, String)> {
    let whole = page("/v1/charges", objects, false);
    let prettily: Vec<_> = objects.iter().map(|object| pretty(object)).collect();
    let pages: String =
        objects.iter().map(|o| page("/v1/charges", std::slice::from_ref(o), true)).collect();
    vec![
        ("lines", lines(objects)),
        ("lines with carriage returns and blank ones", lines(objects).replace('\n', "\r\n\r\n")),
        ("a byte order mark", format!("\u{feff}{}", lines(objects))),
        ("a page", whole.clone()),
        ("a pretty page", pretty(&whole)),
        ("a page per line", pages.replace("}{\"object\":\"list\"", "}\n{\"object\":\"list\"")),
        ("pages in a row", pages.clone()),
        ("pretty documents", prettily.join("\n")),
        ("an array", format!("[{}]", objects.join(","))),
        ("a pretty array", pretty(&format!("[{}]", objects.join(",")))),
        ("an array of pages", format!("[{whole}]")),
        ("documents in a row", objects.concat()),
    ]
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn records_are_the_same_in_every_arrangement_and_compression(
        ids in prop::collection::vec(1_u32..1000, 1..40)
    ) {
        let objects: Vec<_> = ids.iter().map(|id| charge(*id)).collect();
        let (expected, _) = Folder::with("x", lines(&objects)).read().unwrap();
        prop_assert_eq!(expected.len(), ids.len());
        for (name, text) in arrangements(&objects) {
            let middle = text.floor_char_boundary(text.len() / 2);
            let (first, second) = text.as_bytes().split_at(middle);
            for content in [
                text.clone().into_bytes(),
                gzip(text.as_bytes()),
                [gzip(first), gzip(second)].concat(),
                zstd(text.as_bytes()),
                [zstd(first), zstd(second)].concat(),
            ] {
                let (records, facts) = Folder::with("x", content).read().unwrap();
                prop_assert_eq!(&records, &expected, "{}", name);
                prop_assert_eq!(facts.files[0].records, ids.len() as u64, "{}", name);
                prop_assert_eq!(facts.malformed, 0, "{}", name);
            }
        }
    }
}

#[test]
fn files_are_read_across_the_window_in_constant_memory() {
    let objects: Vec<_> = (1..=2_000).map(charge).collect();
    for (name, text) in arrangements(&objects) {
        let facts = Folder::with("x", text).facts();
        assert_eq!((facts.payments, facts.malformed), (2_000, 0), "{name}");
    }
}

#[test]
fn facts_count_what_was_read_and_what_was_passed_over() {
    let customer = r#"{"id":"cus_1","object":"customer","metadata":{"app_user":"7"},"x":1}"#;
    let other = r#"{"id":"in_1","object":"invoice","livemode":true}"#;
    let folder = Folder::new();
    folder.write("a.ndjson", lines(&[charge(5), charge(3), subscription(1), customer.into()]));
    folder.write("b.ndjson", lines(&[other.into(), other.into(), subscription(2)]));
    let options = Options { user_id_key: "app_user".into(), ..folder.options() };
    let (records, facts) = read(options).unwrap();
    assert_eq!((facts.payments, facts.subscriptions, facts.customers), (2, 2, 1));
    assert_eq!(facts.ignored, [("invoice".to_owned(), 2)].into());
    assert_eq!(facts.unknown_fields, 3, "description, refunds and x");
    assert_eq!(facts.livemode, Some(true));
    assert_eq!(facts.earliest_payment.unwrap().timestamp(), 1_700_000_003);
    let counts: Vec<_> = facts.files.iter().map(|f| (f.name.as_str(), f.records)).collect();
    assert_eq!(counts, [("a.ndjson", 4), ("b.ndjson", 3)]);
    let linked = StatementCustomer { provider_customer_id: "cus_1".into(), user_id: Some(7) };
    assert_eq!(records[3], Record::Customer(linked));
}

#[test]
fn facts_survive_being_stored_and_hold_no_null_and_no_float() {
    let folder = Folder::with("x", lines(&[charge(1), "{}".into()]));
    let facts = folder.facts();
    let json = serde_json::to_value(&facts).unwrap();
    assert_eq!(serde_json::from_value::<Facts>(json.clone()).unwrap(), facts);
    assert!(!json.to_string().contains("null"), "{json}");
    assert_eq!(json["as_of_from"], "modification time");
    assert_eq!(json["payments_listing"]["proof"], "unproven");
    assert_eq!(json["subscriptions_listing"]["proof"], "not_covered");
}

#[test]
fn a_caller_can_stop_and_then_nothing_is_proven() {
    let objects: Vec<_> = (1..=9).map(charge).collect();
    let folder = Folder::with("x", page("/v1/charges", &objects, false));
    let mut count = 0;
    let statement = Statement::open(folder.options()).unwrap();
    let facts = statement
        .read(&mut |_| {
            count += 1;
            if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((count, facts.payments), (3, 3));
    assert!(!facts.payments_listing.is_proven());
}
