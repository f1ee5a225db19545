//! What README.md shows: its fenced blocks, which are run as they stand there.

/// The blocks of a language, in their order.
pub fn blocks(language: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).expect("README.md is there");
    let begin = format!("```{language}");
    let mut lines = text.lines();
    let mut blocks = Vec::new();
    while lines.any(|line| line == begin) {
        let block = lines.by_ref().take_while(|line| *line != "```");
        blocks.push(block.map(|line| format!("{line}\n")).collect());
    }
    blocks
}

/// The one block of a language that has this line.
#[track_caller]
pub fn block(language: &str, line: &str) -> String {
    let mut found = blocks(language);
    found.retain(|block| block.lines().any(|known| known == line));
    assert_eq!(
        found.len(),
        1,
        "README.md: {language} with {line:?}: {found:?}"
    );
    found.remove(0)
}
