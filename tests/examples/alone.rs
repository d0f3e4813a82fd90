//! Runs every example on its built-in emulator, without environment variables.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::thread;

use crate::program::{Output, Program};

/// The example's name, its arguments, and the check of its output.
type Case = (&'static str, &'static [&'static str], fn(&Output));

const CASES: [Case; 14] = [
    ("create_tunnel", &[], prints_each_record),
    ("open_tunnel", &[], prints_each_record),
    ("async_open_tunnel", &[], commits_every_record),
    ("backfill_tunnel", &[], delivers_each_range),
    ("schedule", &[], delivers_nothing_while_suspended),
    ("exactly_once", &[], stores_correct_balances),
    ("sink_to_sqlite", &[], stores_a_correct_copy),
    ("many_workers", &[], delivers_to_all_workers),
    ("progress", &[], prints_progress),
    ("tail", &[], prints_readable_lines),
    ("tail", &["--json"], prints_json_lines),
    ("graceful_stop", &[], stops_cleanly),
    ("graceful_stop", &["--hang"], stops_at_its_deadline),
    ("quickstart", &[], loses_nothing),
];

#[test]
fn every_example_prints_the_expected_output() {
    let failed: Vec<&str> = thread::scope(|scope| {
        // The examples run at the same time, because they mostly wait.
        let running: Vec<_> = CASES.map(|case| scope.spawn(move || run(case))).into();
        let results = running.into_iter().zip(CASES);
        let failed = results.filter_map(|(run, case)| run.join().is_err().then_some(case.0));
        failed.collect()
    });
    assert!(failed.is_empty(), "failed: {failed:?}");
}

fn run((name, arguments, check): Case) {
    let output = Program::start(name, arguments, &[]).finish();
    let prefix = format!("{name}: ");
    let first = output
        .lines
        .first()
        .filter(|_| name != "tail" && name != "quickstart");
    assert!(
        first.is_none_or(|line| line.starts_with(&prefix)),
        "the first line does not introduce the example: {first:?}"
    );
    let result = std::panic::catch_unwind(|| check(&output));
    assert!(result.is_ok(), "{name} {arguments:?}: {output:#?}");
}

/// Fails if a new example has no entry in `CASES`.
#[test]
fn every_example_is_tested() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = fs::read_dir(examples).expect("the folder of examples");
    let is_example = |path: &Path| path.is_file() || path.join("main.rs").is_file();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let existing: BTreeSet<String> = paths
        .filter(|path| is_example(path))
        .map(|path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let tested: BTreeSet<String> = CASES.map(|(name, ..)| name.to_owned()).into();
    assert_eq!(existing, tested);
}

fn prints_each_record(output: &Output) {
    assert!(output.status.success());
    let records = output
        .lines
        .iter()
        .filter(|line| line.starts_with("tunnel record detail: "));
    let records: Vec<&String> = records.collect();
    let distinct: HashSet<&String> = records.iter().copied().collect();
    assert_eq!((records.len(), distinct.len()), (40, 40));
    assert!(output.has("user-defined information user custom value"));
    // There are four channels of base data and four stream channels.
    assert_eq!(output.count("shutdown hook"), 8);
    assert!(output.has("delivered 40 of 40 records"));
}

fn commits_every_record(output: &Output) {
    assert!(output.status.success());
    assert!(output.has("committed 2200 records"));
    assert!(output.has("delivered 2200 of 2200 records"));
    assert_eq!(output.count("shutdown hook"), 8);
}

fn delivers_each_range(output: &Output) {
    assert!(output.status.success());
    assert!(output.has("between two times: delivered 20 of 20 records"));
    assert!(output.has("from now to an end time: delivered 5 of 5 records"));
    assert!(output.has("from the oldest change to an end time: delivered 65 of 65 records"));
}

fn delivers_nothing_while_suspended(output: &Output) {
    assert!(output.status.success());
    assert!(output.has("while suspended: delivered 40 of 80 records"));
    assert!(output.has("after resuming: delivered 80 of 80 records"));
    let last = &output.lines[output.lines.len() - 4..];
    assert!(last.iter().all(|line| line.ends_with(" OPEN")));
}

fn stores_correct_balances(output: &Output) {
    assert!(output.status.success());
    assert_eq!(output.count("killed after "), 4);
    assert!(redelivered(output) > 0, "no record was redelivered");
    assert!(output.has("all 64 balances are correct: every change was counted exactly once"));
}

fn stores_a_correct_copy(output: &Output) {
    assert!(output.status.success());
    assert_eq!(output.count("killed after "), 4);
    assert!(redelivered(output) > 0, "no record was redelivered");
    assert_eq!(output.count("the copy matches the table: "), 1);
}

/// The number of redelivered records, from a line such as
/// `4000 records written, 9000 delivered`.
fn redelivered(output: &Output) -> u64 {
    let mut lines = output.lines.iter();
    let line = lines.find_map(|line| line.split_once(" records written, "));
    let (written, delivered) = line.expect("a line with both numbers");
    let delivered: u64 = delivered
        .trim_end_matches(" delivered")
        .parse()
        .expect("a number");
    delivered - written.parse::<u64>().expect("a number")
}

fn delivers_to_all_workers(output: &Output) {
    assert!(output.status.success());
    assert_eq!(output.count("delivered 3300 of 3300 records"), 3);
}

fn prints_progress(output: &Output) {
    assert!(output.status.success());
    assert!(output.count_containing(" of about 24000 rows, ") > 0);
    assert!(output.count_containing(" s left; stream: ") > 0);
    assert!(output.count_containing("base: 12 of 12 channels, 24000 rows; stream: ") > 0);
    assert!(output.has("delivered 24300 of 24300 records"));
}

fn prints_readable_lines(output: &Output) {
    assert!(output.status.success());
    assert_eq!(output.lines.len(), 50);
    let count = |part| output.count_containing(part);
    assert_eq!(count("row        \"order-0000"), 10);
    assert_eq!(count("PutRow     \"later-0000"), 20);
    assert_eq!(count("UpdateRow  \"order-0000"), 10);
    assert_eq!(count("DeleteRow  \"order-0000"), 10);
    assert_eq!(count("paid=true -note"), 10);
    assert_eq!(count("\x1b"), 0, "colours are for terminals only");
    assert!(output.errors.contains("delivered 50 of 50 records"));
}

fn prints_json_lines(output: &Output) {
    assert!(output.status.success());
    let parse = |line: &String| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    let lines: Vec<serde_json::Value> = output.lines.iter().map(parse).collect();
    let changes = lines.iter().filter(|line| line.get("action").is_some());
    assert_eq!((lines.len(), changes.count()), (50, 40));
    assert!(
        lines
            .iter()
            .all(|line| line["at"].is_u64() && line["key"].is_array())
    );
}

fn stops_cleanly(output: &Output) {
    assert!(output.status.success());
    assert!(output.has("no signal received, stopping anyway"));
    assert!(output.has("clean: true"));
    assert!(output.count("closed ") > 0);
}

fn stops_at_its_deadline(output: &Output) {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.has("clean: false"));
    let abandoned = ": abandoned at the deadline, 500 records will be redelivered";
    let is_abandoned = |line: &&String| line.ends_with(abandoned);
    assert_eq!(output.lines.iter().filter(is_abandoned).count(), 4);
}

fn loses_nothing(output: &Output) {
    assert!(output.status.success());
    assert!(output.has("closed, every checkpoint saved: true"));
    for what in ["lost", "out of order", "duplicates"] {
        let line = output
            .lines
            .iter()
            .find(|line| line.starts_with(what))
            .expect(what);
        assert!(line.ends_with(" 0"), "{line}");
    }
}
