//! Tests `docs/porting-from-go.md`: it lists every exported name of the Go SDK's
//! package `tunnel`, and it names only existing tests and names of this crate that
//! `cargo doc` resolves. The Chinese edition must list the same names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

type Names = BTreeSet<String>;

/// An edition of the guide, with the headings of the sections under test.
struct Edition {
    file: &'static str,
    names: &'static str,
    differences: &'static str,
}

const ENGLISH: Edition = Edition {
    file: "docs/porting-from-go.md",
    names: "\n## Every name",
    differences: "\n## What behaves differently",
};

const CHINESE: Edition = Edition {
    file: "docs/porting-from-go.zh-CN.md",
    names: "\n## 名称对照表",
    differences: "\n## 行为差异",
};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The section that starts with the heading `from`.
fn section<'a>(text: &'a str, from: &str) -> &'a str {
    let (_, rest) = text.split_once(from).expect("the section");
    rest.split("\n## ").next().expect("a first part")
}

/// The text in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of the table of names.
fn rows(edition: &Edition) -> Vec<[String; 3]> {
    let guide = read(edition.file);
    let rows = section(&guide, edition.names).lines();
    rows.filter(|row| row.starts_with("| `"))
        .map(|row| {
            let cells = row.split(" | ").map(str::to_owned);
            let cells: Vec<String> = cells.collect();
            cells
                .try_into()
                .unwrap_or_else(|_| panic!("expected three cells: {row}"))
        })
        .collect()
}

/// The Go names and the Rust names in the table of names.
fn table() -> (Names, Names) {
    let (mut go, mut rust) = (Names::new(), Names::new());
    for [go_cell, rust_cell, _] in rows(&ENGLISH) {
        assert!(
            rust_cell == "–" || quoted(&rust_cell).next().is_some(),
            "neither a name nor a dash: {go_cell}"
        );
        for name in quoted(&go_cell) {
            assert!(go.insert(name.to_owned()), "listed twice: {name}");
        }
        rust.extend(quoted(&rust_cell).map(str::to_owned));
    }
    (go, rust)
}

#[test]
fn both_editions_list_the_same_names_and_notes() {
    let (english, chinese) = (rows(&ENGLISH), rows(&CHINESE));
    assert!(english.len() > 200, "rows: {}", english.len());
    for (row, translated) in english.iter().zip(&chinese) {
        assert_eq!(row[..2], translated[..2]);
        assert_eq!(
            row[2] == "|",
            translated[2] == "|",
            "the note of {}",
            row[0]
        );
    }
    assert_eq!(english.len(), chinese.len());
}

#[test]
fn every_exported_name_of_the_go_package_has_a_row() {
    let (rows, _) = table();
    let exported = read("tests/porting/go-names.txt");
    let exported: Names = exported.lines().map(str::to_owned).collect();
    assert!(exported.len() > 300, "the list of names is too short");
    let missing: Vec<_> = exported
        .iter()
        .filter(|name| !covers(&rows, name))
        .collect();
    assert!(missing.is_empty(), "names without a row: {missing:?}");
    let is_stale = |row: &&String| !is_exported(&exported, row);
    let stale: Vec<_> = rows.iter().filter(is_stale).collect();
    assert!(stale.is_empty(), "not exported by Go: {stale:?}");
}

/// Whether a row covers the name. `Type.*` covers a type and all its members.
fn covers(rows: &Names, name: &str) -> bool {
    let kind = name.split('.').next().expect("a first part");
    rows.contains(name) || rows.contains(&format!("{kind}.*"))
}

fn is_exported(exported: &Names, row: &str) -> bool {
    exported.contains(row.trim_end_matches(".*"))
}

/// `cargo doc` fails on a link that it cannot resolve, so every linked name exists.
#[test]
fn every_rust_name_is_a_link_in_the_crate_docs() {
    let (_, names) = table();
    let links = read("src/guide/porting_names.md");
    let links: Names = links.lines().skip(2).map(str::to_owned).collect();
    // The crate docs cannot link to another package.
    let wanted = names
        .iter()
        .filter(|name| *name != "tablestore-emulator")
        .map(|name| format!("- [`{name}`](crate::{name})"));
    let wanted: Names = wanted.collect();
    let missing: Vec<_> = wanted.difference(&links).collect();
    assert!(missing.is_empty(), "add to the list of links: {missing:#?}");
    let stale: Vec<_> = links.difference(&wanted).collect();
    assert!(stale.is_empty(), "not in the table: {stale:#?}");
}

#[test]
fn every_difference_names_a_test_that_exists() {
    let tests = test_names();
    for edition in [ENGLISH, CHINESE] {
        let guide = read(edition.file);
        let differences = section(&guide, edition.differences);
        let items: Vec<&str> = differences.split("\n- ").skip(1).collect();
        assert!(items.len() > 25, "differences: {}", items.len());
        for item in items {
            let item = item.split("\n\n").next().expect("an item");
            let mut sentences = item.trim_end().rsplit(['.', '?', '。']);
            let named: Vec<&str> = quoted(sentences.next().expect("an end")).collect();
            assert!(!named.is_empty(), "no test is named at the end: {item}");
            for name in named {
                assert!(tests.contains(name), "no such test: {name}");
            }
        }
    }
}

/// The names of all functions with `#[test]`, including those in `proptest!`.
fn test_names() -> Names {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "tests", "emulator"].map(|folder| root.join(folder));
    let mut names = Names::new();
    for file in folders.iter().flat_map(|folder| rust_files(folder)) {
        let text = fs::read_to_string(file).expect("source");
        for after in text.split("#[test]").skip(1) {
            let (_, function) = after.split_once("fn ").expect("a function");
            let name = function.split('(').next().expect("a name");
            names.insert(name.to_owned());
        }
    }
    names
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let is_rust = |file: &PathBuf| file.extension().is_some_and(|end| end == "rs");
    let inner = folders.iter().flat_map(|folder| rust_files(folder));
    files.into_iter().filter(is_rust).chain(inner).collect()
}
