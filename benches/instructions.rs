//! Counts the instructions of decoding with valgrind. The count is the same on every
//! run, however busy the machine is. The program fails above its bounds, which may
//! only be lowered.
//!
//! `cargo bench --bench instructions` runs this program under valgrind with one and
//! with two batches. The difference is the cost of a batch.

#[path = "consume/shape.rs"]
#[expect(dead_code, reason = "only the records are used here")]
mod shape;
#[path = "consume/wire.rs"]
mod wire;

use std::hint::black_box;
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs, process};

use bytes::Bytes;
use tablestore_tunnel::bench::Answer;
use tablestore_tunnel::{Record, RecordColumn};

use shape::{SHAPES, Shape};

/// The maximum number of instructions per record: to decode it, and to read all its
/// cells.
///
/// Lower a bound when the count is more than a few percent below it.
const BOUNDS: [(&str, u64, u64); 4] = [
    ("4", 825, 700),
    ("10", 1_940, 2_360),
    ("100", 10_500, 12_700),
    ("4s", 850, 700),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    if let [_, role, shape, batches] = args.as_slice() {
        work(role, shape, batches.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let valgrind = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if valgrind.is_err() {
        println!("instructions: valgrind is not installed, nothing was counted");
        return ExitCode::SUCCESS;
    }
    // Print all counts before failing.
    let good = BOUNDS.map(|(shape, decode, visit)| {
        check("decode", shape, decode) & check("visit", shape, visit)
    });
    match good.into_iter().all(|good| good) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Decodes or reads `batches` batches, after a constant amount of preparation.
fn work(role: &str, shape: &str, batches: usize) {
    let shape = Shape::of_name(shape).expect("a shape");
    let body = Bytes::from(shape.answer());
    let answer = Answer::parse(body.clone()).expect("an answer");
    let records = answer.records().expect("good records");
    for _ in 0..batches {
        match role {
            "decode" => {
                let answer = Answer::parse(body.clone()).expect("an answer");
                black_box(answer.records().expect("good records").len());
            }
            _ => records.iter().for_each(visit),
        }
    }
}

fn visit(record: &Record) {
    for column in record.primary_key() {
        black_box((column.name(), column.value()));
    }
    record.columns().for_each(|column: RecordColumn<'_>| {
        black_box((column.name(), column.value(), column.timestamp()));
    });
}

fn check(role: &str, name: &str, bound: u64) -> bool {
    let shape = SHAPES.into_iter().find(|shape| shape.name == name);
    let records = shape.map_or(1, |shape| shape.batch() as u64);
    let count = (count(role, name, 2) - count(role, name, 1)) / records;
    let verdict = match count {
        count if count > bound => "TOO MANY",
        count if count * 20 < bound * 19 => "ok, lower the bound",
        _ => "ok",
    };
    println!(
        "{role:<7} {name:>4} columns: {count:>6} instructions per record, bound {bound:>6}: {verdict}"
    );
    count <= bound
}

/// The number of instructions of a run.
fn count(role: &str, shape: &str, batches: usize) -> u64 {
    let out = env::temp_dir().join(format!("instructions-{}", process::id()));
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe().expect("this program"))
        .args([role, shape, &batches.to_string()])
        .status()
        .expect("valgrind");
    assert!(status.success(), "valgrind failed with {status}");
    let text = fs::read_to_string(&out).expect("the output of valgrind");
    let _ = fs::remove_file(&out);
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    totals
        .and_then(|total| total.trim().parse().ok())
        .expect("the total")
}
