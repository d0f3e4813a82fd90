//! `README.md` and `README.zh-CN.md` say the same, and what they point to is
//! there.

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What a translation must not change, line by line.
#[derive(Debug, Default, PartialEq)]
struct Structure {
    /// Headings and list items by their marks, tables by their columns.
    marks: Vec<String>,
    /// Fences with all that is in them.
    code: Vec<String>,
    /// Where links lead.
    links: Vec<String>,
    /// What stands in backticks, sorted: word order differs.
    quoted: Vec<String>,
}

fn structure(text: &str) -> Structure {
    let mut found = Structure::default();
    let mut is_code = false;
    for line in text.lines() {
        let is_fence = line.starts_with("```");
        if is_code || is_fence {
            found.code.push(line.to_owned());
            is_code ^= is_fence;
            continue;
        }
        found.marks.extend(mark(line));
        let links = line.split("](").skip(1);
        found
            .links
            .extend(links.filter_map(|link| Some(link.split_once(')')?.0.to_owned())));
        found
            .quoted
            .extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    found.quoted.sort();
    found
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
    let (english, chinese) = (read("README.md"), read("README.zh-CN.md"));
    let (english, chinese) = (structure(&english), structure(&chinese));
    assert!(english.marks.len() > 30 && english.code.len() > 50);
    assert_eq!(english, chinese);
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let files = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ];
    for file in files {
        for link in structure(&read(file)).links {
            let path = link.split('#').next().expect("a path");
            let is_local = !link.contains("://") && !path.is_empty();
            assert!(!is_local || root().join(path).exists(), "{file}: {link}");
        }
    }
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
