//! Tests that the English and Chinese editions of a document have the same
//! structure, and that links to files resolve.

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The documents that exist in English and in Chinese.
const TRANSLATED: [(&str, &str); 2] = [
    ("README.md", "README.zh-CN.md"),
    ("docs/porting-from-go.md", "docs/porting-from-go.zh-CN.md"),
];

/// The parts of a document that a translation must not change.
#[derive(Debug, Default, PartialEq)]
struct Structure {
    /// The markers of headings and list items, and the column separators of tables.
    marks: Vec<String>,
    /// The code blocks, with their fences.
    code: Vec<String>,
    blocks: Vec<Block>,
}

/// The links and code spans of a paragraph, list item or table row. They are
/// sorted, because the word order of the languages differs.
#[derive(Debug, Default, PartialEq)]
struct Block {
    /// The files that links point to. Anchors are left out, because headings are
    /// translated.
    links: Vec<String>,
    /// The text in backticks.
    quoted: Vec<String>,
}

fn structure(text: &str) -> Structure {
    let mut found = Structure::default();
    let mut is_code = false;
    let mut block = String::new();
    for line in text.lines() {
        let is_fence = line.starts_with("```");
        let mark = mark(line).filter(|_| !is_code);
        if line.is_empty() || mark.is_some() || is_fence {
            found
                .blocks
                .extend(self::block(&std::mem::take(&mut block)));
        }
        if is_code || is_fence {
            found.code.push(line.to_owned());
            is_code ^= is_fence;
            continue;
        }
        found.marks.extend(mark);
        block += line;
        block.push('\n');
    }
    found.blocks.extend(self::block(&block));
    found
}

fn block(text: &str) -> Option<Block> {
    let links = links(text).map(|link| link.split('#').next().map(str::to_owned));
    let mut found = Block {
        links: links.flatten().collect(),
        quoted: text
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect(),
    };
    found.links.sort();
    found.quoted.sort();
    (!text.trim().is_empty()).then_some(found)
}

/// The targets of links, including definitions such as `[name]: target`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let inline = text.split("](").skip(1);
    let inline = inline.filter_map(|link| Some(link.split_once(')')?.0));
    let definitions = text.lines().filter(|line| line.starts_with('['));
    inline.chain(definitions.filter_map(|line| Some(line.split_once("]: ")?.1)))
}

fn mark(line: &str) -> Option<String> {
    let first = line.split(' ').next()?;
    if line.starts_with('|') {
        return Some("|".repeat(line.matches('|').count()));
    }
    let is_mark = first.starts_with('#') || first == "-";
    is_mark.then(|| first.to_owned())
}

#[test]
fn both_languages_have_the_same_structure() {
    for (english, chinese) in TRANSLATED {
        let (original, translation) = (structure(&read(english)), structure(&read(chinese)));
        assert!(original.marks.len() > 30 && original.code.len() > 50);
        assert_eq!(original.marks, translation.marks, "{chinese}");
        assert_eq!(original.code, translation.code, "{chinese}");
        let pairs = original.blocks.iter().zip(&translation.blocks);
        for (block, translated) in pairs {
            assert_eq!(block, translated, "{chinese}");
        }
        assert_eq!(original.blocks.len(), translation.blocks.len(), "{chinese}");
    }
}

#[test]
fn every_link_to_a_file_resolves() {
    let others = ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let translated = TRANSLATED.iter().flat_map(|(one, other)| [*one, *other]);
    for file in translated.chain(others) {
        let folder = root().join(file);
        let folder = folder.parent().expect("a folder");
        let text = read(file);
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            assert!(folder.join(path).exists(), "{file}: {link}");
            let exists = !path.is_empty() || anchors(&text).any(|anchor| anchor == heading);
            assert!(exists, "{file}: {link}");
        }
    }
}

/// The anchors of the headings.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter(|line| line.starts_with("## "));
    headings.map(|heading| {
        let words = heading.trim_start_matches("## ");
        words.to_lowercase().replace(' ', "-")
    })
}

/// `.ci/readme-commands` runs the shell blocks. This test checks that there are
/// some, and that each is a single command of cargo.
#[test]
fn shell_blocks_contain_single_cargo_commands() {
    let commands = read("README.md");
    let commands: Vec<&str> = commands
        .split("```sh\n")
        .skip(1)
        .filter_map(|block| Some(block.split_once("```")?.0.trim_end()))
        .collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        assert!(command.starts_with("cargo ") && !command.contains('\n'));
    }
}
