//! Every example on the emulator inside it, without any environment.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::thread;

use crate::program::{Output, Program};

/// Name, arguments, what its output must be.
type Case = (&'static str, &'static [&'static str], fn(&Output));

const CASES: [Case; 14] = [
    ("create_tunnel", &[], prints_each_record),
    ("open_tunnel", &[], prints_each_record),
    ("async_open_tunnel", &[], commits_all),
    ("backfill_tunnel", &[], delivers_each_stretch),
    ("schedule", &[], delivers_nothing_while_suspended),
    ("exactly_once", &[], has_the_right_balances),
    ("sink_to_sqlite", &[], has_the_right_copy),
    ("many_workers", &[], delivers_to_all_workers),
    ("progress", &[], shows_how_it_gets_on),
    ("tail", &[], prints_readable_lines),
    ("tail", &["--json"], prints_json_lines),
    ("graceful_stop", &[], stops_clean),
    ("graceful_stop", &["--hang"], stops_by_its_deadline),
    ("quickstart", &[], loses_nothing),
];

#[test]
fn every_example_does_what_it_says() {
    let failed: Vec<&str> = thread::scope(|scope| {
        // All at once: they mostly wait.
        let running: Vec<_> = CASES.map(|case| scope.spawn(move || judge(case))).into();
        let ends = running.into_iter().zip(CASES);
        let failed = ends.filter_map(|(end, case)| end.join().is_err().then_some(case.0));
        failed.collect()
    });
    assert!(failed.is_empty(), "failed: {failed:?}");
}

fn judge((name, arguments, must_be): Case) {
    let output = Program::start(name, arguments, &[]).finish();
    let says_what_it_shows = format!("{name}: ");
    let first = output
        .lines
        .first()
        .filter(|_| name != "tail" && name != "quickstart");
    assert!(
        first.is_none_or(|line| line.starts_with(&says_what_it_shows)),
        "{first:?}"
    );
    let judged = std::panic::catch_unwind(|| must_be(&output));
    assert!(judged.is_ok(), "{name} {arguments:?}: {output:#?}");
}

/// Whoever adds an example judges it here.
#[test]
fn every_example_is_judged() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = fs::read_dir(examples).expect("the examples");
    let is_example = |path: &Path| path.is_file() || path.join("main.rs").is_file();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let there: BTreeSet<String> = paths
        .filter(|path| is_example(path))
        .map(|path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let judged: BTreeSet<String> = CASES.map(|(name, ..)| name.to_owned()).into();
    assert_eq!(there, judged);
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
    // Four channels of base data, four of the stream.
    assert_eq!(output.count("shutdown hook"), 8);
    assert!(output.has("delivered 40 of 40 records"));
}

fn commits_all(output: &Output) {
    assert!(output.status.success());
    assert!(output.has("committed 2200 records"));
    assert!(output.has("delivered 2200 of 2200 records"));
    assert_eq!(output.count("shutdown hook"), 8);
}

fn delivers_each_stretch(output: &Output) {
    assert!(output.status.success());
    assert!(output.has("between two times: delivered 20 of 20 records"));
    assert!(output.has("from now until a time: delivered 5 of 5 records"));
    assert!(output.has("from the earliest log until a time: delivered 65 of 65 records"));
}

fn delivers_nothing_while_suspended(output: &Output) {
    assert!(output.status.success());
    assert!(output.has("while suspended: delivered 40 of 80 records"));
    assert!(output.has("after resuming: delivered 80 of 80 records"));
    let last = &output.lines[output.lines.len() - 4..];
    assert!(last.iter().all(|line| line.ends_with(" OPEN")));
}

fn has_the_right_balances(output: &Output) {
    assert!(output.status.success());
    assert_eq!(output.count("killed when "), 4);
    assert!(sent_again(output) > 0, "no kill cost anything");
    assert!(output.has("64 balances are right: each change counted exactly once"));
}

fn has_the_right_copy(output: &Output) {
    assert!(output.status.success());
    assert_eq!(output.count("killed when "), 4);
    assert!(sent_again(output) > 0, "no kill cost anything");
    assert_eq!(output.count("the copy is right: "), 1);
}

/// From the line `4000 records were written, 9000 were sent`.
fn sent_again(output: &Output) -> u64 {
    let mut lines = output.lines.iter();
    let line = lines.find_map(|line| line.split_once(" records were written, "));
    let (written, sent) = line.expect("the line");
    let sent: u64 = sent
        .trim_end_matches(" were sent")
        .parse()
        .expect("a number");
    sent - written.parse::<u64>().expect("a number")
}

fn delivers_to_all_workers(output: &Output) {
    assert!(output.status.success());
    assert_eq!(output.count("delivered 3300 of 3300 records"), 3);
}

fn shows_how_it_gets_on(output: &Output) {
    assert!(output.status.success());
    let with = |part: &str| {
        output
            .lines
            .iter()
            .filter(|line| line.contains(part))
            .count()
    };
    assert!(with(" of about 24000 rows, ") > 0);
    assert!(with(" s left; stream: ") > 0);
    assert!(with("base: 12 of 12 channels, 24000 rows; stream: ") > 0);
    assert!(output.has("delivered 24300 of 24300 records"));
}

fn prints_readable_lines(output: &Output) {
    assert!(output.status.success());
    assert_eq!(output.lines.len(), 50);
    let with = |part: &str| {
        output
            .lines
            .iter()
            .filter(|line| line.contains(part))
            .count()
    };
    assert_eq!(with("row        \"order-0000"), 10);
    assert_eq!(with("PutRow     \"later-0000"), 20);
    assert_eq!(with("UpdateRow  \"order-0000"), 10);
    assert_eq!(with("DeleteRow  \"order-0000"), 10);
    assert_eq!(with("paid=true -note"), 10);
    assert_eq!(with("\x1b"), 0, "colours go to terminals only");
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

fn stops_clean(output: &Output) {
    assert!(output.status.success());
    assert!(output.has("no signal came, stopping as if one had"));
    assert!(output.has("clean: true"));
    assert!(output.count("closed ") > 0);
}

fn stops_by_its_deadline(output: &Output) {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.has("clean: false"));
    let abandoned =
        |line: &&String| line.ends_with(": abandoned at the deadline, 500 records come again");
    assert_eq!(output.lines.iter().filter(abandoned).count(), 4);
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
