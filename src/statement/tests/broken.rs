//! Bad input: records that cost only themselves, and statements that are refused as a whole.

use super::*;

#[test]
fn a_malformed_record_is_counted_by_file_and_line_and_reading_goes_on() {
    let good = charge(1);
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    let ten_kb = charge(2).replace("ch_2", &"x".repeat(10_240));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"{\"id\":\"ch_9\",\"obj".into(), "ends in the middle"),
        (b"SECRET".into(), "not JSON from column 1"),
        (b"{\"id\":SECRET}".into(), "not JSON from column"),
        (b"[1]".into(), "not a JSON object"),
        (b"42".into(), "not a JSON object"),
        (b"{\"id\":\"x\"} {\"id\":\"y\"}".into(), "not JSON from column"),
        (charge(2).replace("ch_2", "\\ud800SECRET").into(), "id is not valid Unicode"),
        (charge(2).replace("ch_2", "SECRET\\u0000").into(), "id contains a control character"),
        (b"{\"id\":\"SECRET\xff\",\"object\":\"charge\"}".into(), "id is not valid UTF-8"),
        (long.into(), "longer than 1 MiB"),
        (ten_kb.into(), "id is 10240 bytes long"),
        (charge(2).replace("\"amount\":2", "\"amount\":2.5").into(), "amount is not an integer"),
        (charge(2).replace("\"amount\":2", "\"amount\":1e999").into(), "amount is a number"),
        (charge(2).replace("1700000002", "-5").into(), "created is not between"),
        (charge(2).replace("1700000002", "99999999999").into(), "created is not between"),
        (charge(2).replace("\"status\"", "\"SECRET\"").into(), "status is missing"),
        (charge(2).replace("\"usd\"", "\"SECRET\"").into(), "currency is not three letters"),
        (charge(2).replace("true", "\"SECRET\"").into(), "livemode is neither"),
        (b"{\"items\":\"SECRET\",\"object\":\"subscription\"}".into(), "items is not a list"),
    ];
    for (bad, expected) in cases {
        let content = [good.as_bytes(), b"\n", &bad, b"\n", good.as_bytes()].concat();
        let facts = Folder::with("x.ndjson", content).facts();
        assert_eq!((facts.payments, facts.malformed), (2, 1), "{expected}");
        assert_eq!(facts.files[0].records, 3);
        let [example] = &facts.malformed_examples[..] else { panic!("{facts:?}") };
        assert_eq!((example.file.as_str(), example.line), ("x.ndjson", 2));
        assert!(example.reason.contains(expected), "{}: {expected}", example.reason);
        assert!(!example.reason.contains("SECRET"), "{}", example.reason);
    }
}

#[test]
fn a_malformed_element_of_a_page_costs_only_itself_and_the_proof() {
    let bad = [
        charge(2).replace("ch_2", "\\ud800").into_bytes(),
        b"{\"id\":\"\xff\",\"object\":\"charge\"}".to_vec(),
        charge(2).replace("\"amount\":2", "\"amount\":2.5").into_bytes(),
        b"7".to_vec(),
        format!("\"{}\"", "x".repeat(2 * 1024 * 1024)).into_bytes(),
    ];
    let text = page("/v1/charges", &[charge(1), "BAD".into(), charge(3)], false);
    let (before, after) = text.split_once("BAD").unwrap();
    for bad in bad {
        let content = [before.as_bytes(), b"\n", &bad, after.as_bytes()].concat();
        let facts = Folder::with("x.json", content).facts();
        assert_eq!((facts.payments, facts.malformed), (2, 1), "{}", bad[..20].escape_ascii());
        assert_eq!(facts.malformed_examples[0].line, 2);
        let why = "1 malformed record may be among the payments";
        assert_eq!(facts.payments_listing, Listing::Unproven { why: why.into() });
    }
}

#[test]
fn strict_mode_refuses_the_first_malformed_record() {
    let folder = Folder::with("x.ndjson", lines(&[charge(1), "{}".into(), "{".into()]));
    let error = read(Options { strict: true, ..folder.options() }).unwrap_err().to_string();
    assert!(error.contains("`x.ndjson`, line 2: object, which says"), "{error}");
}

#[test]
fn only_the_first_hundred_malformed_records_are_quoted() {
    let mut objects = vec!["{}".to_owned(); 150];
    objects.push(charge(1));
    let facts = Folder::with("x", lines(&objects)).facts();
    assert_eq!((facts.malformed, facts.malformed_examples.len()), (150, MALFORMED_EXAMPLES_MAX));
}

#[test]
fn a_broken_document_is_told_with_line_and_column() {
    let whole = pretty(&page("/v1/charges", &[charge(1), charge(2)], false));
    let cut = &whole[..whole.len() / 2];
    let missing_comma = whole.replacen("},\n    {", "}\n    {", 1);
    let word = whole.replacen("true", "truth", 1);
    for (text, expected) in [
        (cut.to_owned(), "ends in the middle"),
        (missing_comma, "not JSON"),
        (word, "line 10, column 22"),
        (format!("{whole}\ntrailing"), "an object or an array is expected"),
    ] {
        let error = Folder::with("x.json", text).error();
        assert!(error.contains("x.json") && error.contains(expected), "{error}");
        assert!(error.contains("line ") && error.contains("column "), "{error}");
    }
}

#[test]
fn what_is_no_statement_is_refused_in_words() {
    let cases: [(&[u8], &str); 9] = [
        (b"<!DOCTYPE html><title>Log in</title>", "a web page"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"a,b,c\n1,2,3\n", "CSV"),
        (b"hello\nworld\n", "plain text"),
        (b"{\"hello\":\"world\"}\n", "line 1: object, which says"),
        (b"{\"object\":\"event\",\"id\":\"evt_1\"}\n", "1 event"),
        (b"[]", "without any object"),
        (b"\n\n", "blank text"),
        (b"{\n  \"hello\": 1\n}\n", "line 1: object, which says"),
    ];
    for (content, expected) in cases {
        let error = Folder::with("x.json", content).error();
        assert!(error.contains(expected) && error.contains("x.json"), "{error}");
        assert!(error.contains("expected are Stripe objects"), "{error}");
    }
}

#[test]
fn empty_and_damaged_files_are_refused() {
    let text = lines(&(1..200).map(charge).collect::<Vec<_>>());
    let (gzip, zstd) = (gzip(text.as_bytes()), zstd(text.as_bytes()));
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let mut damaged = gzip.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8].fill(0xaa);
    let cases = [
        (Vec::new(), "is empty"),
        (super::gzip(b""), "is empty"),
        (half(&gzip), "ends in the middle of its gzip data"),
        (half(&zstd), "ends in the middle of its zstd data"),
        (damaged, "is not valid gzip data"),
        ([gzip, b"trailing".to_vec()].concat(), "gzip data"),
    ];
    for (content, expected) in cases {
        let error = Folder::with("x.gz", content).error();
        assert!(error.contains(expected) && error.contains("x.gz"), "{error}");
    }
}

#[test]
fn test_and_live_records_are_not_mixed() {
    let test = charge(2).replace("\"livemode\":true", "\"livemode\":false");
    let error = Folder::with("x", lines(&[charge(1), test])).error();
    assert!(error.contains("line 2 is in test mode, while live"), "{error}");
    assert!(error.contains("x, line 1"), "{error}");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("appended to", |path| {
            let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(b"\n").unwrap();
        }),
        ("truncated", |path| {
            std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(10).unwrap();
        }),
        ("deleted", |path| std::fs::remove_file(path).unwrap()),
        ("replaced", |path| {
            let other = path.with_extension("new");
            std::fs::write(&other, "x").unwrap();
            std::fs::rename(other, path).unwrap();
        }),
    ];
    for (how, change) in changes {
        let folder = Folder::with("x", lines(&(1..=2_000).map(charge).collect::<Vec<_>>()));
        let path = folder.path().join("x");
        let mut is_changed = false;
        let statement = Statement::open(folder.options()).unwrap();
        let error = statement
            .read(&mut |_| {
                if !std::mem::replace(&mut is_changed, true) {
                    change(&path);
                }
                ControlFlow::Continue(())
            })
            .unwrap_err()
            .to_string();
        assert!(error.contains(how), "{how}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Folder::with("x", &bytes).read();
        let header = b"id,Amount,Currency,Status,Created (UTC)\n".to_vec();
        let _ = Folder::with("x", [header, bytes].concat()).read();
    }

    #[test]
    fn a_charge_with_any_byte_altered_is_read_or_refused(at in 0_usize..200, byte in any::<u8>()) {
        let mut content = charge(1).into_bytes();
        let at = at % content.len();
        content[at] = byte;
        let _ = Folder::with("x", &content).read();
        let lines = [charge(2).as_bytes(), b"\n", &content, b"\n"].concat();
        // A byte that happens to flip the mode or split the line is told as such.
        match Folder::with("x", lines).read() {
            Ok((_, facts)) => prop_assert!(facts.payments >= 1),
            Err(error) => prop_assert!(error.to_string().contains('x')),
        }
    }
}
