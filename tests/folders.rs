//! No import cycles between the folders of a package.
//!
//! Among the children of each directory (subfolders and files), imports may go
//! in one direction only. The test reads the sources: `use` declarations, and
//! paths that begin with `crate`, `self`, `super`, a child module or an imported
//! name. It follows re-exports to the file that declares the item. The `mod.rs`
//! (or `lib.rs`) of a directory is not one of its children: it may name all of
//! them, and they may name what it declares. Cycles between files alone are
//! allowed. Test modules are skipped.
//!
//! In reading order: the tests, [`Package`] (modules and the paths in them), the
//! search for cycles, and [`tokens`], which splits a source file.

#[path = "folders/tokens.rs"]
mod tokens;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use self::tokens::{Token, is_name, tokens};

/// The directories that are checked.
const ROOTS: &[&str] = &["src", "emulator/src"];

#[test]
fn folders_have_no_import_cycles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cycles = Vec::new();
    for folder in ROOTS {
        let mut package = Package::default();
        package.read(&root.join(folder), folder, &[]);
        assert!(package.modules.len() > 10, "{folder} has sources");
        cycles.extend(package.cycles());
    }
    assert!(cycles.is_empty(), "\n{}", cycles.join("\n"));
}

/// The cycles of a package with these files.
fn cycles(files: &[(&str, &str)]) -> Vec<String> {
    let mut package = Package::default();
    for (file, source) in files {
        let names: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
        let names = names
            .into_iter()
            .filter(|name| !["lib", "mod"].contains(name));
        let path: ModulePath = names.map(str::to_owned).collect();
        package.add_file(&path, file, source);
    }
    package.cycles()
}

#[test]
fn a_cycle_is_reported_with_its_lines() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod x;"),
        ("a/x.rs", "//! Text.\n\nuse crate::b::{B, other};\n"),
        ("b.rs", "pub struct B;\nfn f() -> crate::a::A { todo!() }"),
    ];
    let report = "a -> b -> a\n  a -> b: a/x.rs:3 (crate::b::B), a/x.rs:3 (crate::b::other)\n  b -> a: b.rs:2 (crate::a::A)";
    assert_eq!(cycles(&files), [report]);
}

#[test]
fn cycles_are_found_in_every_form_of_a_path() {
    for back in [
        "use crate::a::A;",
        "use super::a::A;",
        "use super::{a::{A, x as y}, c};",
        "use crate::{self as root, a};",
        "pub(crate) use super::a::*;",
        "fn f() { let _ = super::a::new(); }",
        "fn f() { let _ = r#\"\"#; crate::a::x::new() }",
        "mod inner { use super::super::a::A; }",
        "use super::A;",
        "use crate::c; fn f() { c::A::new() }",
    ] {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; use a::A;"),
            ("a/mod.rs", "mod x; pub use self::x::A; use super::b::B;"),
            ("a/x.rs", "pub struct A;"),
            ("b.rs", back),
            ("c.rs", "pub use crate::a::A;"),
        ];
        assert_eq!(cycles(&files).len(), 1, "{back}");
    }
}

#[test]
fn paths_that_make_no_cycle_are_not_reported() {
    for harmless in [
        "// use crate::a::A;",
        "/* /* */ use crate::a::A; */",
        "//! See [`crate::a::A`].",
        "const A: &str = \"use crate::a::A;\";",
        "const A: &str = r#\"\"use crate::a::A;\"#;",
        "#[cfg(test)] mod tests { use crate::a::A; }",
        "#[cfg(test)]\nuse crate::a::A;",
        "use a::A;",
        "use std::{fmt, io};",
        "pub(in crate::b) fn f<'a>(a: &'a str) -> char { '\"' }",
        // Declared in `c` and only re-exported by `a`.
        "use crate::a::C;",
    ] {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            (
                "a/mod.rs",
                "mod x; mod y; use super::b::B; pub use crate::c::C;",
            ),
            ("a/x.rs", "use super::y;"),
            ("a/y.rs", "use super::x;"),
            ("a/tests.rs", "use crate::d;"),
            ("a/big_tests.rs", "use crate::d;"),
            ("b.rs", harmless),
            ("c.rs", "pub struct C;"),
        ];
        assert_eq!(cycles(&files), [""; 0], "{harmless}");
    }
}

#[test]
fn cycles_inside_a_folder_are_found() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod x; mod y;"),
        ("a/x/mod.rs", "use super::y::Y;"),
        ("a/y.rs", "use crate::a::x; pub struct Y;"),
    ];
    let cycles = cycles(&files);
    assert_eq!(cycles.len(), 1);
    assert!(cycles[0].starts_with("x -> y -> x"), "{cycles:?}");
}

/// The names from the root of a package to a module.
type ModulePath = Vec<String>;

/// The modules of a package, with the paths in their sources.
#[derive(Default)]
struct Package {
    modules: BTreeMap<ModulePath, Module>,
    folders: BTreeSet<ModulePath>,
}

/// A module: a file, a folder with its `mod.rs`, or a block in a file.
#[derive(Default)]
struct Module {
    /// The module path of the file that contains it.
    file: ModulePath,
    items: BTreeSet<String>,
    imports: Vec<Import>,
    paths: Vec<NamedPath>,
    /// Modules that are compiled for tests only.
    tests: BTreeSet<String>,
}

/// A name that a `use` declaration brings into a module; `*` for all names.
#[derive(Clone)]
struct Import {
    name: String,
    path: ModulePath,
}

/// A path as it is written, with its file and line.
struct NamedPath {
    names: ModulePath,
    place: String,
}

impl Package {
    fn read(&mut self, folder: &Path, shown: &str, path: &[String]) {
        let entries = fs::read_dir(folder).expect("a folder");
        for entry in entries.map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_name().expect("a name").to_string_lossy();
            let name = name.into_owned();
            let shown = format!("{shown}/{name}");
            let stem = name.trim_end_matches(".rs").to_owned();
            let mut inner = path.to_vec();
            if entry.is_dir() {
                inner.push(stem);
                self.read(&entry, &shown, &inner);
            } else if name.ends_with(".rs") && name != "main.rs" {
                if !["lib", "mod"].contains(&stem.as_str()) {
                    inner.push(stem);
                }
                let source = fs::read_to_string(&entry).expect("text");
                self.add_file(&inner, &shown, &source);
            }
        }
    }

    fn add_file(&mut self, path: &[String], shown: &str, source: &str) {
        let folders = (1..path.len()).map(|depth| path[..depth].to_vec());
        self.folders.extend(folders);
        if shown.ends_with("mod.rs") {
            self.folders.insert(path.to_vec());
        }
        Reader {
            package: self,
            file: path.to_vec(),
            shown,
            tokens: tokens(source),
            at: 0,
        }
        .items(path.to_vec());
    }

    fn module(&mut self, path: &[String], file: &[String]) -> &mut Module {
        let module = self.modules.entry(path.to_vec()).or_default();
        module.file = file.to_vec();
        module
    }

    /// Whether a module is a test module or inside one.
    fn is_test(&self, path: &[String]) -> bool {
        (0..path.len()).any(|depth| {
            let (parent, name) = (&path[..depth], &path[depth]);
            let declared = self.modules.get(parent);
            name == "tests"
                || name.ends_with("_tests")
                || declared.is_some_and(|module| module.tests.contains(name))
        })
    }

    /// The file that declares the item of a path; `None` if the item belongs to
    /// another package.
    fn resolve(&self, from: &[String], names: &[String], depth: usize) -> Option<ModulePath> {
        // Imports can refer to one another without end.
        if depth > 16 {
            return None;
        }
        let (first, rest) = names.split_first()?;
        match first.as_str() {
            "crate" => self.walk(Vec::new(), rest, depth),
            "self" => self.walk(from.to_vec(), rest, depth),
            "super" => self.walk(from.split_last()?.1.to_vec(), rest, depth),
            name => {
                let module = self.modules.get(from)?;
                let child = [from, &[name.to_owned()]].concat();
                let imported = module.imports.iter().any(|import| import.name == name);
                let known = self.modules.contains_key(&child) || imported;
                known.then(|| self.walk(from.to_vec(), names, depth))?
            }
        }
    }

    fn walk(&self, module: ModulePath, names: &[String], depth: usize) -> Option<ModulePath> {
        let found = self.modules.get(&module)?;
        let Some((first, rest)) = names.split_first() else {
            return Some(found.file.clone());
        };
        if first == "super" {
            return self.walk(module.split_last()?.1.to_vec(), rest, depth);
        }
        let child = [&module[..], std::slice::from_ref(first)].concat();
        if self.modules.contains_key(&child) {
            return self.walk(child, rest, depth);
        }
        if found.items.contains(first) {
            return Some(found.file.clone());
        }
        for import in &found.imports {
            let path = match import.name.as_str() {
                // An import of a package by its own name is no re-export.
                name if name == first && import.path != [first.clone()] => {
                    [&import.path[..], rest].concat()
                }
                "*" => {
                    let source = self.resolve(&module, &import.path, depth + 1)?;
                    let declared = self.modules.get(&source);
                    match declared.is_some_and(|source| source.items.contains(first)) {
                        true => return Some(source),
                        false => continue,
                    }
                }
                _ => continue,
            };
            return self.resolve(&module, &path, depth + 1);
        }
        Some(found.file.clone())
    }

    /// A report for each cycle: the children, and the source lines that import.
    fn cycles(&self) -> Vec<String> {
        let mut graphs: BTreeMap<ModulePath, Graph> = BTreeMap::new();
        for (path, module) in &self.modules {
            if self.is_test(path) {
                continue;
            }
            for named in &module.paths {
                let Some(target) = self.resolve(path, &named.names, 0) else {
                    continue;
                };
                if self.is_test(&target) {
                    continue;
                }
                let source = &module.file;
                let common = source.iter().zip(&target);
                let common = common.take_while(|(one, other)| one == other).count();
                if let (Some(from), Some(to)) = (source.get(common), target.get(common)) {
                    let graph = graphs.entry(source[..common].to_vec()).or_default();
                    let edge = graph.entry(from.clone()).or_default();
                    let shown = named.names.join("::");
                    let line = format!("{} ({shown})", named.place);
                    edge.entry(to.clone()).or_default().push(line);
                }
            }
        }
        let cycles = graphs.iter().map(|(directory, graph)| {
            let is_folder = |child: &str| {
                let path = [&directory[..], &[child.to_owned()]].concat();
                self.folders.contains(&path)
            };
            cycles_of(graph, is_folder)
        });
        cycles.flatten().collect()
    }
}

/// The children of a directory: the children that each imports, with the lines.
type Graph = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// The shortest cycle through each folder, without repetitions.
fn cycles_of(graph: &Graph, is_folder: impl Fn(&str) -> bool) -> Vec<String> {
    let mut reported = BTreeSet::new();
    let mut cycles = Vec::new();
    for folder in graph.keys().filter(|child| is_folder(child)) {
        let Some(cycle) = shortest_cycle(graph, folder) else {
            continue;
        };
        if !reported.insert(cycle.iter().cloned().collect::<BTreeSet<String>>()) {
            continue;
        }
        let mut report = cycle.join(" -> ");
        for pair in cycle.windows(2) {
            let lines = &graph[&pair[0]][&pair[1]];
            let shown: Vec<&str> = lines.iter().take(5).map(String::as_str).collect();
            let shown = shown.join(", ");
            report.push_str(&format!("\n  {} -> {}: {shown}", pair[0], pair[1]));
        }
        cycles.push(report);
    }
    cycles
}

/// The shortest cycle that begins and ends at a child.
fn shortest_cycle(graph: &Graph, start: &str) -> Option<Vec<String>> {
    let mut walks = VecDeque::from([vec![start.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(walk) = walks.pop_front() {
        let uses = graph.get(walk.last()?).into_iter().flat_map(BTreeMap::keys);
        for next in uses {
            let longer = [&walk[..], std::slice::from_ref(next)].concat();
            if next == start {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                walks.push_back(longer);
            }
        }
    }
    None
}

/// Goes through the tokens of a file.
struct Reader<'a> {
    package: &'a mut Package,
    file: ModulePath,
    shown: &'a str,
    tokens: Vec<Token>,
    at: usize,
}

const ITEMS: [&str; 9] = [
    "fn",
    "struct",
    "enum",
    "trait",
    "const",
    "static",
    "type",
    "union",
    "macro_rules",
];

impl Reader<'_> {
    fn text(&self, ahead: usize) -> &str {
        let token = self.tokens.get(self.at + ahead);
        token.map_or("", |token| token.text.as_str())
    }

    fn place(&self) -> String {
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        format!("{}:{line}", self.shown)
    }

    /// Reads the items of a module up to its closing brace.
    fn items(&mut self, module: ModulePath) {
        let file = self.file.clone();
        self.package.module(&module, &file);
        let mut depth = 0_usize;
        while self.at < self.tokens.len() {
            let before = self
                .at
                .checked_sub(1)
                .map(|at| self.tokens[at].text.as_str());
            let begins = !matches!(before, Some("::" | "."));
            match self.text(0) {
                "{" => depth += 1,
                "}" if depth == 0 => return,
                "}" => depth -= 1,
                "#" if self.is_cfg_test() => {
                    self.skip_test_item(&module);
                    continue;
                }
                // Not the captures of a type, as in `impl Sized + use<>`.
                "use" if self.text(1) != "<" => {
                    self.at += 1;
                    self.use_tree(&module, &[]);
                }
                "mod" if self.text(2) == "{" => {
                    let inner = [&module[..], &[self.text(1).to_owned()]].concat();
                    self.at += 3;
                    self.items(inner);
                }
                word if ITEMS.contains(&word) && depth == 0 => {
                    let name = self.tokens[self.at + 1..].iter();
                    let name = name.map(|token| &token.text).find(|name| is_name(name));
                    let name = name.cloned().unwrap_or_default();
                    self.package.module(&module, &file).items.insert(name);
                }
                word if begins && is_name(word) && self.text(1) == "::" => {
                    self.inline_path(&module);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Whether an attribute begins here that keeps an item for tests.
    fn is_cfg_test(&self) -> bool {
        let words = ["[", "cfg", "("];
        let is_cfg = (1..)
            .zip(words)
            .all(|(ahead, word)| self.text(ahead) == word);
        is_cfg && ["test", "doctest"].contains(&self.text(4)) && self.text(5) == ")"
    }

    /// Skips the item after `#[cfg(test)]`.
    fn skip_test_item(&mut self, module: &[String]) {
        let mut depth = 0_usize;
        let mut in_brackets = 0_usize;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "[" | "(" => in_brackets += 1,
                "]" | ")" => in_brackets -= 1,
                "mod" if depth == 0 => {
                    let (name, file) = (self.text(1).to_owned(), self.file.clone());
                    self.package.module(module, &file).tests.insert(name);
                }
                "{" => depth += 1,
                "}" if depth == 1 && in_brackets == 0 => {
                    self.at += 1;
                    // `use a::{b};` ends behind its semicolon.
                    if self.text(0) == ";" {
                        self.at += 1;
                    }
                    return;
                }
                "}" => depth -= 1,
                ";" if depth == 0 && in_brackets == 0 => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// One tree of a `use` declaration; ends before `,`, `}` or `;`.
    fn use_tree(&mut self, module: &ModulePath, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let place = self.place();
        loop {
            match self.text(0) {
                "::" => {}
                "{" => {
                    self.at += 1;
                    while !["}", ""].contains(&self.text(0)) {
                        self.use_tree(module, &path);
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "as" => {
                    let name = self.text(1).to_owned();
                    self.at += 2;
                    return self.import(module, name, path, place);
                }
                "," | "}" | ";" | "" => {
                    let name = path.last().cloned().unwrap_or_default();
                    return self.import(module, name, path, place);
                }
                "self" if !path.is_empty() => {}
                name => path.push(name.to_owned()),
            }
            self.at += 1;
        }
    }

    fn import(&mut self, module: &[String], name: String, mut path: ModulePath, place: String) {
        if name == "*" {
            path.pop();
        }
        let file = self.file.clone();
        let module = self.package.module(module, &file);
        let names = path.clone();
        module.paths.push(NamedPath { names, place });
        module.imports.push(Import { name, path });
    }

    /// A path in code, such as `crate::a::b` or `imported::c`.
    fn inline_path(&mut self, module: &[String]) {
        let place = self.place();
        let mut names = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && is_name(self.text(1)) {
            names.push(self.text(1).to_owned());
            self.at += 2;
        }
        let file = self.file.clone();
        let module = self.package.module(module, &file);
        module.paths.push(NamedPath { names, place });
    }
}
