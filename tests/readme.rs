//! What there is in English and in Chinese says the same in both, and what it
//! points to is there.

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What is there in English and in Chinese.
const TRANSLATED: [(&str, &str); 2] = [
    ("README.md", "README.zh-CN.md"),
    ("docs/porting-from-go.md", "docs/porting-from-go.zh-CN.md"),
];

/// What a translation must not change.
#[derive(Debug, Default, PartialEq)]
struct Structure {
    /// Headings and list items by their marks, tables by their columns.
    marks: Vec<String>,
    /// Fences with all that is in them.
    code: Vec<String>,
    blocks: Vec<Block>,
}

/// What stands in one paragraph, list item or row, sorted: word order differs.
#[derive(Debug, Default, PartialEq)]
struct Block {
    /// The files that links lead to; headings have a name in each language.
    links: Vec<String>,
    /// What stands in backticks.
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

/// Where links lead, those of `[name]: place` included.
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
fn every_link_to_a_file_leads_to_one() {
    let others = ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    let translated = TRANSLATED.iter().flat_map(|(one, other)| [*one, *other]);
    for file in translated.chain(others) {
        let folder = root().join(file);
        let folder = folder.parent().expect("a folder");
        let text = read(file);
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            assert!(folder.join(path).exists(), "{file}: {link}");
            let is_there = !path.is_empty() || anchors(&text).any(|anchor| anchor == heading);
            assert!(is_there, "{file}: {link}");
        }
    }
}

/// The headings as links name them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter(|line| line.starts_with("## "));
    headings.map(|heading| {
        let words = heading.trim_start_matches("## ");
        words.to_lowercase().replace(' ', "-")
    })
}

/// `.ci/readme-commands` runs what stands in shell blocks; this is that there
/// is something to run, and that it is for the repository's own tools.
#[test]
fn shell_blocks_hold_commands_that_can_be_run() {
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
