//! Reading code and prose line by line: whole words, lengths of functions, links. Not a parser;
//! it relies on rustfmt's layout.

/// Whether `word` occurs with no letter, digit or underscore on either side.
pub fn mentions(line: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && (word.ends_with('!') || !after.is_some_and(is_part))
    })
}

/// The first line and the number of lines of each function, relying on rustfmt's indentation.
pub fn function_lengths(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = (0..lines.len()).filter(|&index| is_signature(lines[index]));
    starts.map(|start| (start + 1, function_length(&lines[start..]))).collect()
}

fn is_signature(line: &str) -> bool {
    const QUALIFIERS: [&str; 5] = ["async ", "const ", "unsafe ", "extern ", "pub "];
    let mut rest = line.trim_start();
    if let Some((visibility, after)) = rest.split_once(") ")
        && visibility.starts_with("pub(")
    {
        rest = after;
    }
    while let Some(after) = QUALIFIERS.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = after;
    }
    rest.starts_with("fn ")
}

fn function_length(lines: &[&str]) -> usize {
    let indent = lines[0].len() - lines[0].trim_start().len();
    if lines[0].ends_with('}') || lines[0].ends_with(';') {
        return 1;
    }
    let closes = |line: &&str| {
        let at_its_level = line.len() > indent && !line[..=indent].ends_with(' ');
        at_its_level && (line.trim_start().starts_with('}') || line.ends_with(';'))
    };
    let after = lines[1..].iter().position(closes).unwrap_or(lines.len() - 2);
    after + 2
}

/// The targets of relative links and images, without anchors and titles.
pub fn links(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2); // every second part is inside a fence
    let targets = prose.flat_map(|part| part.split("](").skip(1));
    let targets = targets.filter_map(|rest| rest.split([')', '#', ' ']).next());
    let relative = targets.filter(|link| !link.is_empty() && !link.contains(':'));
    relative.map(str::to_owned).collect()
}

mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_signature_to_closing_brace() {
        let wrapped = "    pub async fn wrapped(\n        self,\n    ) -> u8 {\n        1\n    }\n";
        let text = format!("fn one() {{}}\n\nimpl X {{\n{wrapped}    fn declared(&self);\n}}\n");
        assert_eq!(function_lengths(&text), [(1, 1), (4, 5), (9, 1)]);
    }

    #[test]
    fn words_are_found_whole_only() {
        assert!(mentions("use rand::Rng;", "rand"));
        assert!(mentions("anstream::println!()", "println!"));
        assert!(!mentions("let brand = operand;", "rand"));
        assert!(!mentions("eprintln!()", "println!"));
        assert!(!mentions("crate::runs", "crate::run"));
    }

    #[test]
    fn links_are_read_outside_of_code_and_without_their_anchors() {
        let text =
            "[a](b.md#c) [w](https://x.org) ![i](i.svg \"title\")\n```\n[no](no.md)\n```\n[h](#h)";
        assert_eq!(links(text), ["b.md", "i.svg"]);
    }
}
