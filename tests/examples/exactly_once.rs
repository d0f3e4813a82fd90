//! Tests the duplicate check and the store of the example `exactly_once`.

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

/// A row whose changes came from these channels. The last position is 10.
fn row(channels: &[&str]) -> Row {
    let mut row = Row::new(channels[0]);
    for channel in channels {
        row.advance_to(channel, at(10));
    }
    row
}

#[test]
fn duplicates_are_detected_by_channel_and_position() {
    let (parent, child) = (row(&["parent"]), row(&["parent", "child"]));
    let same = |row: &Row| Check::New(Condition::ExpectSame(row.clone()));
    for (what, state, channel, position, expected) in [
        (
            "the first record",
            None,
            "parent",
            1,
            Check::New(Condition::ExpectNotExist),
        ),
        (
            "the next record",
            Some(&parent),
            "parent",
            11,
            same(&parent),
        ),
        (
            "the same record",
            Some(&parent),
            "parent",
            10,
            Check::Duplicated,
        ),
        (
            "an earlier record",
            Some(&parent),
            "parent",
            9,
            Check::Duplicated,
        ),
        (
            "the first record after a split",
            Some(&parent),
            "child",
            1,
            same(&parent),
        ),
        (
            "the same record after a split",
            Some(&child),
            "child",
            10,
            Check::Duplicated,
        ),
        (
            "a late record from before a split",
            Some(&child),
            "parent",
            99,
            Check::Duplicated,
        ),
        (
            "the first record after two splits",
            Some(&child),
            "grandchild",
            1,
            same(&child),
        ),
    ] {
        let check = check_record(channel, at(position), state).expect("a position");
        assert_eq!(check, expected, "{what}");
    }
}

#[test]
fn a_row_is_put_only_if_its_condition_holds() {
    let file = TemporaryFile::new("conditions");
    let store = Store::open(&file.0).expect("a store");
    let (first, second) = (row(&["a"]), row(&["a", "b"]));
    let put = |row: &Row, condition: &Condition| store.put_row("id", row.clone(), condition);
    put(&first, &Condition::ExpectSame(first.clone())).expect_err("the row does not exist");
    put(&first, &Condition::ExpectNotExist).expect("the row does not exist");
    put(&second, &Condition::ExpectNotExist).expect_err("the row exists");
    put(&second, &Condition::ExpectSame(second.clone())).expect_err("the row is different");
    put(&second, &Condition::ExpectSame(first)).expect("the row is the same");
    assert_eq!(store.get_row("id"), Some(second));
}

#[test]
fn an_incomplete_put_is_ignored() {
    let file = TemporaryFile::new("incomplete");
    let store = Store::open(&file.0).expect("a store");
    for id in ["complete", "also complete"] {
        let put = store.put_row(id, row(&["a"]), &Condition::ExpectNotExist);
        put.expect("the row does not exist");
    }
    store.sync().expect("a file");
    let append = |bytes: &[u8]| {
        let mut file = OpenOptions::new()
            .append(true)
            .open(&file.0)
            .expect("the file");
        file.write_all(bytes).expect("a file");
    };
    append(b"{\"id\":\"incomplete\",\"row\":{\"bal");
    let store = Store::open(&file.0).expect("a store");
    store
        .put_row("incomplete", row(&["b"]), &Condition::ExpectNotExist)
        .expect("the row does not exist");
    let (rows, length) = store::read(&file.0).expect("complete lines");
    assert_eq!(rows.len(), 3);
    assert_eq!(rows["incomplete"], row(&["b"]));
    assert_eq!(length, fs::metadata(&file.0).expect("the file").len());
}

/// A file that is removed when dropped.
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
