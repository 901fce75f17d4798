//! Cutting: what becomes a value, where broken structure is told, and any chunking.

use super::super::lines::VALUE_BYTES_MAX;
use super::*;
use proptest::prelude::*;

fn cut(text: &[u8], chunk_bytes: usize) -> (Vec<(String, u64)>, Option<Broken>) {
    let mut framer = Framer::new(true);
    let mut taken = Vec::new();
    let mut take = |frame: Frame<'_>, place: Place| {
        let text = match frame {
            Frame::TooLong => "too long".to_owned(),
            Frame::PageElement(b) => format!("p{}", b.escape_ascii()),
            Frame::ArrayElement(b) => format!("a{}", b.escape_ascii()),
            Frame::Value(b) => format!("v{}", b.escape_ascii()),
        };
        taken.push((text, place.line));
        Ok::<(), ()>(())
    };
    for chunk in text.chunks(chunk_bytes) {
        if let Err(Cut::Broken(broken)) = framer.feed(chunk, &mut take) {
            return (taken, Some(broken));
        }
    }
    let end = framer.finish().err();
    (taken, end)
}

const PAGE: &[u8] = br#"{"object":"list","data":[{"a":"]}\"[{"},
{"b":[1,{"data":[]}]} ],"has_more":false}
{"id":1,"x":{"data":[1]},"\"data":[2]}
[ {"c":1},2,
"x"]"#;

#[test]
fn pages_arrays_and_values_are_cut_into_elements() {
    let (frames, broken) = cut(PAGE, usize::MAX);
    assert_eq!(broken, None);
    let texts: Vec<_> = frames.iter().map(|(text, line)| (text.as_str(), *line)).collect();
    assert_eq!(texts[0], (r#"p{\"a\":\"]}\\\"[{\"}"#, 1));
    assert_eq!(texts[1], (r#"p{\"b\":[1,{\"data\":[]}]} "#, 2));
    assert_eq!(texts[2].1, 1);
    assert!(texts[2].0.starts_with(r#"v{\"object\":\"list\",\"data\":["#), "{}", texts[2].0);
    assert!(texts[2].0.ends_with(r#"],\"has_more\":false}"#), "{}", texts[2].0);
    assert_eq!(texts[3].1, 3);
    assert_eq!(texts[4..], [(r#"a{\"c\":1}"#, 4), ("a2", 4), (r#"a\"x\""#, 5)]);
}

#[test]
fn broken_structure_is_told_with_its_place() {
    for (text, line, column) in [
        ("{\"a\":1}\nx", 2, 1),
        ("[1,]", 1, 4),
        ("[,1]", 1, 2),
        ("{\"a\":1]", 1, 7),
        ("[\n  {\"a\":1}\n", 3, 1),
        ("{\"a\":\"b\n\"}", 1, 8),
        ("}", 1, 1),
    ] {
        let (_, broken) = cut(text.as_bytes(), usize::MAX);
        assert_eq!(broken.map(|b| b.at), Some(Place { line, column }), "{text}");
    }
    assert!(cut("[".repeat(DEPTH_MAX + 1).as_bytes(), 7).1.is_some());
}

#[test]
fn an_element_beyond_the_bound_is_skipped_and_the_next_one_read() {
    let text = format!("[\"{}\",{{}}]", "x".repeat(VALUE_BYTES_MAX));
    for chunk_bytes in [1000, usize::MAX] {
        let (frames, _) = cut(text.as_bytes(), chunk_bytes);
        assert_eq!(frames, [("too long".to_owned(), 1), ("a{}".to_owned(), 1)]);
    }
}

proptest! {
    #[test]
    fn frames_are_the_same_in_any_chunking(chunk_bytes in 1_usize..60) {
        prop_assert_eq!(cut(PAGE, chunk_bytes), cut(PAGE, usize::MAX));
    }

    #[test]
    fn any_bytes_are_cut_alike_in_any_chunking(
        text in "[\\[\\]{}\",:\\\\ \\n1data]{0,40}", chunk_bytes in 1_usize..8
    ) {
        prop_assert_eq!(cut(text.as_bytes(), chunk_bytes), cut(text.as_bytes(), usize::MAX));
    }
}
