//! What `exactly_once` takes for a duplicate, and its store.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use tablestore_tunnel::SequenceInfo;

use crate::check::{Check, check_record};
use crate::store::{self, Condition, Row, Store};

fn at(timestamp: i64) -> SequenceInfo {
    SequenceInfo {
        epoch: 0,
        timestamp,
        row_index: 0,
    }
}

/// A row whose changes came from these channels, the last at 10.
fn row(channels: &[&str]) -> Row {
    let mut row = Row::new(channels[0]);
    for channel in channels {
        row.advance_to(channel, at(10));
    }
    row
}

#[test]
fn a_record_is_known_by_its_channel_and_its_place_there() {
    let (parent, child) = (row(&["parent"]), row(&["parent", "child"]));
    let same = |row: &Row| Check::New(Condition::ExpectSame(row.clone()));
    for (what, state, channel, place, expected) in [
        (
            "the first",
            None,
            "parent",
            1,
            Check::New(Condition::ExpectNotExist),
        ),
        ("the next", Some(&parent), "parent", 11, same(&parent)),
        ("the same", Some(&parent), "parent", 10, Check::Duplicated),
        (
            "an earlier one",
            Some(&parent),
            "parent",
            9,
            Check::Duplicated,
        ),
        (
            "the first after a split",
            Some(&parent),
            "child",
            1,
            same(&parent),
        ),
        (
            "the same after a split",
            Some(&child),
            "child",
            10,
            Check::Duplicated,
        ),
        (
            "a late one from before a split",
            Some(&child),
            "parent",
            99,
            Check::Duplicated,
        ),
        (
            "the first after two splits",
            Some(&child),
            "grandchild",
            1,
            same(&child),
        ),
    ] {
        let check = check_record(channel, at(place), state).expect("a place");
        assert_eq!(check, expected, "{what}");
    }
}

#[test]
fn a_row_is_put_only_if_nobody_else_did() {
    let file = TemporaryFile::new("conditions");
    let store = Store::open(&file.0).expect("a store");
    let (first, second) = (row(&["a"]), row(&["a", "b"]));
    let put = |row: &Row, condition: &Condition| store.put_row("id", row.clone(), condition);
    put(&first, &Condition::ExpectSame(first.clone())).expect_err("no row");
    put(&first, &Condition::ExpectNotExist).expect("no row");
    put(&second, &Condition::ExpectNotExist).expect_err("a row");
    put(&second, &Condition::ExpectSame(second.clone())).expect_err("another row");
    put(&second, &Condition::ExpectSame(first)).expect("the same row");
    assert_eq!(store.get_row("id"), Some(second));
}

#[test]
fn a_put_that_was_cut_off_does_not_count() {
    let file = TemporaryFile::new("cut");
    let store = Store::open(&file.0).expect("a store");
    for id in ["whole", "also whole"] {
        let put = store.put_row(id, row(&["a"]), &Condition::ExpectNotExist);
        put.expect("no row");
    }
    store.sync().expect("a file");
    let cut = |end: &[u8]| {
        let mut file = OpenOptions::new()
            .append(true)
            .open(&file.0)
            .expect("the file");
        file.write_all(end).expect("a file");
    };
    cut(b"{\"id\":\"cut\",\"row\":{\"bal");
    let store = Store::open(&file.0).expect("a store");
    store
        .put_row("cut", row(&["b"]), &Condition::ExpectNotExist)
        .expect("no row");
    let (rows, length) = store::read(&file.0).expect("whole lines");
    assert_eq!(rows.len(), 3);
    assert_eq!(rows["cut"], row(&["b"]));
    assert_eq!(length, fs::metadata(&file.0).expect("the file").len());
}

/// Removed at the end.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str) -> TemporaryFile {
        let name = format!("exactly-once-{name}-{}.jsonl", std::process::id());
        TemporaryFile(std::env::temp_dir().join(name))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
