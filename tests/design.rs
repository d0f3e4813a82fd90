//! Tests that the file map in `DESIGN.md` lists every source file of both packages.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_file_map_is_complete() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let design = fs::read_to_string(root.join("DESIGN.md")).expect("DESIGN.md");
    let (_, map) = design.split_once("## File map").expect("a file map");
    let folders = ["src", "emulator/src"].map(|folder| root.join(folder));
    let missing: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| files(folder))
        .filter(|file| !map.contains(&format!("`{}`", name(file))))
        .collect();
    assert!(missing.is_empty(), "not in the file map: {missing:?}");
}

fn name(file: &Path) -> String {
    let name = file.file_name().expect("a name");
    name.to_string_lossy().into_owned()
}

/// All files except `mod.rs`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|file| name(file) != "mod.rs");
    let inner = folders.iter().flat_map(|folder| self::files(folder));
    files.chain(inner).collect()
}
