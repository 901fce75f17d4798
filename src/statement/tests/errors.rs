//! Every error through the public API: each names the thing, and says what to do.

use super::*;

/// The variant's place in the list below. A new variant does not compile until it has a case.
fn kind(error: &StatementError) -> usize {
    use StatementError as E;
    match error {
        E::NoPath => 0,
        E::NotFound { .. } => 1,
        E::Unreadable { .. } => 2,
        E::NotAFile { .. } => 3,
        E::NoFiles { .. } => 4,
        E::GivenTwice { .. } => 5,
        E::Empty { .. } => 6,
        E::Truncated { .. } => 7,
        E::Corrupt { .. } => 8,
        E::Syntax { .. } => 9,
        E::NotAStatement { .. } => 10,
        E::UnknownFormat(_) => 11,
        E::MissingColumn { .. } => 12,
        E::Mapping { .. } => 13,
        E::Manifest { .. } => 14,
        E::ManifestMismatch { .. } => 15,
        E::MixedModes { .. } => 16,
        E::Changed { .. } => 17,
        E::Malformed { .. } => 18,
    }
}

fn error_of(options: Options) -> StatementError {
    read(options).unwrap_err()
}

fn error_in(content: impl AsRef<[u8]>) -> StatementError {
    error_of(Folder::with("x.json", content).options())
}

fn error_at(paths: &[&Path]) -> StatementError {
    let paths = paths.iter().map(|path| path.to_path_buf()).collect();
    error_of(Options { paths, ..Options::default() })
}

fn with_manifest(manifest: &str) -> StatementError {
    let folder = Folder::with("x.json", page("/v1/charges", &[charge(1)], false));
    folder.write("manifest.json", manifest);
    error_of(folder.options())
}

fn changed_before_reading() -> StatementError {
    let folder = Folder::with("x.json", lines(&[charge(1)]));
    let statement = Statement::open(folder.options()).unwrap();
    folder.write("x.json", lines(&[charge(1), charge(2)]));
    statement.read(&mut |_| ControlFlow::Continue(())).unwrap_err()
}

/// One of each kind, in order, with what its message must hold.
fn one_of_each() -> Vec<(StatementError, &'static str)> {
    let folder = Folder::with("x.json", lines(&[charge(1)]));
    let file = folder.path().join("x.json");
    let test = charge(2).replace("\"livemode\":true", "\"livemode\":false");
    let whole = gzip(lines(&[charge(1)]).as_bytes());
    let mut damaged = whole.clone();
    damaged[12..20].fill(0xaa);
    let csv = Options { format: Format::Csv, ..folder.options() };
    let strict = Folder::with("x.json", lines(&[charge(1), "{}".into()]));
    let strict = error_of(Options { strict: true, ..strict.options() });
    let listed = r#"{"version":1,"files":[{"name":"x.json","records":9,"sha256":"SHA"}]}"#;
    let listed = listed.replace("SHA", &"0".repeat(64));
    vec![
        (error_at(&[]), "name a file"),
        (error_at(&[&folder.path().join("y.json")]), "y.json"),
        (error_at(&[&file.join("inside")]), "x.json/inside"),
        (error_at(&[Path::new("/dev/null")]), "/dev/null"),
        (error_at(&[Folder::new().path()]), "holds no statement files"),
        (error_at(&[&file, &file]), "x.json"),
        (error_in(""), "x.json` is empty"),
        (error_in(&whole[..whole.len() - 9]), "x.json` ends in the middle"),
        (error_in(damaged), "x.json` is not valid gzip"),
        (error_in("{\n  \"a\": [1\n}"), "x.json` is not valid at line 3, column 1"),
        (error_in("hello\n"), "plain text"),
        ("pdf".parse::<Format>().unwrap_err(), "`pdf`"),
        (error_in("id,Amount,Currency,Status\n"), "`Created date (UTC)`"),
        (error_of(csv), "`mapping`"),
        (with_manifest("{}"), "manifest.json"),
        (with_manifest(&listed), "number of records should be 9 and is 1"),
        (error_in(lines(&[charge(1), test])), "line 2 is in test mode"),
        (changed_before_reading(), "x.json` was appended to"),
        (strict, "`x.json`, line 2"),
    ]
}

#[test]
fn every_error_names_the_thing_in_one_paragraph() {
    for (at, (error, expected)) in one_of_each().into_iter().enumerate() {
        let message = error.to_string();
        assert_eq!(kind(&error), at, "{message}");
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(!message.contains('\n') && message.len() < 500, "one paragraph: {message}");
    }
}
