//! Whether a listing is proven complete: by its pages, by a manifest, or not at all.
//! Pure. A wrong "proven" deletes rows, so every doubt means "unproven", with the reason.

use super::facts::Listing;
use super::files::{Piece, pieces};

/// What list pages and loose records say about one kind of record.
#[derive(Debug, Default, Clone)]
pub(super) struct Evidence {
    /// Records outside list pages.
    pub loose: u64,
    /// Records inside list pages.
    pub paged: u64,
    /// In reading order.
    pub pages: Vec<Page>,
    /// A reason why these records can't be a whole listing.
    pub doubt: Option<String>,
}

/// One list page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// The file's index in reading order.
    pub file: usize,
    pub has_more: Option<bool>,
}

/// What a manifest says about one kind of record.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// What proves: the manifest and its extent, in words.
    pub by: String,
}

/// Judges a kind of record. `names` are the files' names in reading order, `noun` the records'.
pub(super) fn judge(
    evidence: &Evidence,
    claim: Option<Claim>,
    malformed: u64,
    names: &[String],
    noun: &str,
) -> Listing {
    let is_absent = evidence.loose + evidence.paged == 0 && evidence.pages.is_empty();
    let proof = match claim {
        None if is_absent => return Listing::NotCovered,
        // A manifest vouches for the files, not for pages that were never fetched.
        Some(claim) => match contradiction(&evidence.pages, names) {
            Some(why) => Err(why),
            None => Ok(claim.by),
        },
        None => by_pages(evidence, names, noun),
    };
    match proof {
        Ok(_) if malformed > 0 => Listing::Unproven {
            why: format!(
                "{malformed} malformed record{} may be among the {noun}",
                if malformed == 1 { "" } else { "s" }
            ),
        },
        Ok(by) => Listing::Proven { by },
        Err(why) => Listing::Unproven { why },
    }
}

fn by_pages(evidence: &Evidence, names: &[String], noun: &str) -> Result<String, String> {
    let pages = &evidence.pages;
    if let Some(doubt) = &evidence.doubt {
        return Err(doubt.clone());
    }
    if evidence.loose > 0 || pages.is_empty() {
        return Err(format!(
            "{noun} outside list pages carry no proof of completeness; add a manifest, or give \
             list pages"
        ));
    }
    let name = |page: &Page| names.get(page.file).map_or("", String::as_str);
    if let Some(why) = contradiction(pages, names) {
        return Err(why);
    }
    if let Some(silent) = pages.iter().find(|page| page.has_more.is_none()) {
        return Err(format!("a list page in {} is no `list` that says has_more", name(silent)));
    }
    let finals: Vec<&Page> = pages.iter().filter(|page| page.has_more == Some(false)).collect();
    if finals.len() > 1 {
        return Err(format!(
            "{} list pages say has_more: false, so these are several listings; give one, or add \
             a manifest",
            finals.len()
        ));
    }
    // By file, not by name: of two directories' page-1, one may lack its page-2.
    let mut first_of_file: Vec<&Page> = pages.iter().collect();
    first_of_file.dedup_by_key(|page| page.file);
    let files: Vec<&str> = first_of_file.into_iter().map(name).collect();
    numbered_without_gap(&files)?;
    let count = pages.len();
    let plural = if count == 1 { "" } else { "s" };
    Ok(format!("{count} list page{plural}, the last of which says has_more: false"))
}

/// What the last page itself says against completeness.
fn contradiction(pages: &[Page], names: &[String]) -> Option<String> {
    let last = pages.last()?;
    let name = names.get(last.file).map_or("", String::as_str);
    (last.has_more == Some(true)).then(|| {
        format!("the last list page, in {name}, says has_more: true; fetch the pages after it")
    })
}

/// Whether the numbers in the names count from 0 or 1 without a gap.
fn numbered_without_gap(names: &[&str]) -> Result<(), String> {
    let [first, ..] = names else { return Ok(()) };
    let all: Vec<_> = names.iter().map(|name| pieces(name)).collect();
    if names.len() == 1 {
        return single_page_is_first(first, &all[0]);
    }
    let varying = |at: &usize| all.iter().any(|other| other[*at] != all[0][*at]);
    let is_alike = all.iter().all(|other| other.len() == all[0].len());
    let places: Vec<usize> =
        if is_alike { (0..all[0].len()).filter(varying).collect() } else { Vec::new() };
    let [place] = places[..] else {
        return Err(unnumbered(names));
    };
    let numbers: Vec<Option<u64>> = all.iter().map(|pieces| number(pieces[place])).collect();
    if numbers.contains(&None) {
        return Err(unnumbered(names));
    }
    if !matches!(numbers[0], Some(0 | 1)) {
        return Err(format!("the list pages before {first} are missing"));
    }
    for (pair, numbers) in names.windows(2).zip(numbers.windows(2)) {
        let is_next = matches!(numbers, [Some(a), Some(b)] if a.checked_add(1) == Some(*b));
        if !is_next {
            let (before, after) = (pair[0], pair[1]);
            return Err(format!("a list page is missing between {before} and {after}"));
        }
    }
    Ok(())
}

fn unnumbered(names: &[&str]) -> String {
    format!(
        "the names of the list pages' files ({}, {}, ...) do not number them; name them page-1, \
         page-2, ..., or add a manifest",
        names[0], names[1]
    )
}

/// A lone `page-3.json` or `charges-3.json` is the end of a listing, not the whole. A longer
/// number, or several, is taken as a date.
fn single_page_is_first(name: &str, pieces: &[Piece<'_>]) -> Result<(), String> {
    let is_later = pieces.windows(2).any(|pair| match pair {
        [Piece::Text(text), Piece::Number(digits)] => {
            let text = text.trim_end_matches(['-', '_', '.', ' ']).to_ascii_lowercase();
            let is_counter = text.ends_with("page") || text.ends_with("part");
            is_counter && !matches!(*digits, "" | "1")
        }
        _ => false,
    });
    let mut numbers = pieces.iter().filter_map(|piece| match piece {
        Piece::Number(digits) => Some(*digits),
        Piece::Text(_) => None,
    });
    let only = numbers.next().filter(|_| numbers.next().is_none());
    let is_later =
        is_later || only.is_some_and(|digits| !matches!(digits, "" | "1") && digits.len() <= 3);
    if is_later { Err(format!("the list pages before {name} are missing")) } else { Ok(()) }
}

fn number(piece: Piece<'_>) -> Option<u64> {
    match piece {
        Piece::Number("") => Some(0),
        Piece::Number(digits) => digits.parse().ok(),
        Piece::Text(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page's file and what it says of `has_more`.
    type FileAndMore = (usize, Option<bool>);

    fn judged(pages: &[FileAndMore], names: &[&str]) -> Listing {
        let pages = pages.iter().map(|&(file, has_more)| Page { file, has_more }).collect();
        let evidence = Evidence { paged: 1, pages, ..Evidence::default() };
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        judge(&evidence, None, 0, &names, "payments")
    }

    fn why(listing: Listing) -> String {
        match listing {
            Listing::Unproven { why } => why,
            other => panic!("{other:?}"),
        }
    }

    const MORE: Option<bool> = Some(true);
    const LAST: Option<bool> = Some(false);

    #[test]
    fn pages_prove_a_listing_when_only_the_last_one_ends_it() {
        assert!(judged(&[(0, LAST)], &["charges-2025-11-23.json"]).is_proven());
        assert!(judged(&[(0, MORE), (0, MORE), (0, LAST)], &["all.json"]).is_proven());
        let three = [(0, MORE), (1, MORE), (2, LAST)];
        assert!(judged(&three, &["page-1.json", "page-2.json", "page-3.json"]).is_proven());
        assert!(judged(&three, &["p0-of-2", "p1-of-2", "p2-of-2"]).is_proven());
    }

    #[test]
    fn every_gap_in_the_proof_is_told() {
        let three = [(0, MORE), (1, MORE), (2, LAST)];
        let cases: [(&[FileAndMore], &[&str], &str); 10] = [
            (&[(0, MORE)], &["a"], "says has_more: true"),
            (&[(0, LAST), (0, LAST)], &["a"], "2 list pages say has_more: false"),
            (&[(0, None)], &["a"], "is no `list` that says has_more"),
            (&three, &["page-1", "page-2", "page-4"], "between page-2 and page-4"),
            (&three, &["page-2", "page-3", "page-4"], "before page-2 are missing"),
            (&three, &["a", "b", "c"], "do not number them"),
            (&three, &["a-1", "b-2", "c-3"], "do not number them"),
            (&three, &["page-1", "page-1", "page-2"], "between page-1 and page-1"),
            (&[(0, LAST)], &["page-3.json"], "before page-3.json are missing"),
            (&[(0, LAST)], &["charges-3.json"], "before charges-3.json are missing"),
        ];
        for (pages, names, expected) in cases {
            let why = why(judged(pages, names));
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn a_manifest_proves_unless_a_record_is_malformed_or_a_page_says_otherwise() {
        let claim = || Some(Claim { by: "manifest".into() });
        let mut evidence = Evidence { loose: 2, ..Evidence::default() };
        assert!(judge(&evidence, claim(), 0, &[], "payments").is_proven());
        let malformed = why(judge(&evidence, claim(), 1, &[], "payments"));
        assert_eq!(malformed, "1 malformed record may be among the payments");
        evidence.pages.push(Page { file: 0, has_more: Some(true) });
        assert!(!judge(&evidence, claim(), 0, &["a".into()], "payments").is_proven());
    }

    #[test]
    fn without_records_and_claims_nothing_is_covered() {
        assert_eq!(judge(&Evidence::default(), None, 3, &[], "payments"), Listing::NotCovered);
    }
}
