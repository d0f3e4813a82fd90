//! Measures single components: `cargo bench --bench micro`.

#[path = "consume/shape.rs"]
#[expect(dead_code, reason = "only the records are used here")]
mod shape;
#[path = "consume/wire.rs"]
mod wire;

use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use tablestore_tunnel::bench::{self, Answer};
use tablestore_tunnel::{OwnedColumn, OwnedRecord, Record};

use shape::Shape;

fn main() {
    divan::main();
}

const SHAPES: [&str; 4] = ["4", "10", "100", "4s"];

fn shape(name: &str) -> Shape {
    Shape::of_name(name).expect("a shape")
}

/// Bytes checksummed per second.
#[divan::bench(args = [8, 16, 64, 1024, 65536])]
fn crc8(bencher: Bencher<'_, '_>, len: usize) {
    let bytes = vec![0xA5; len];
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| bench::crc8(black_box(&bytes)));
}

/// Records decoded and checked per second.
#[divan::bench(args = SHAPES)]
fn decode(bencher: Bencher<'_, '_>, name: &str) {
    let body = Bytes::from(shape(name).answer());
    bencher
        .counter(ItemsCount::new(shape(name).batch()))
        .counter(BytesCount::new(body.len()))
        .bench_local(|| {
            let answer = Answer::parse(black_box(body.clone())).expect("an answer");
            answer.records().expect("good records").len()
        });
}

/// Updates decoded and checked per second. Each has some of 20 columns, and some of
/// the columns are deletions.
#[divan::bench]
fn decode_updates(bencher: Bencher<'_, '_>) {
    let body = Bytes::from(updates(5000));
    bencher
        .counter(ItemsCount::new(5000_usize))
        .counter(BytesCount::new(body.len()))
        .bench_local(|| {
            let answer = Answer::parse(black_box(body.clone())).expect("an answer");
            answer.records().expect("good records").len()
        });
}

fn updates(count: u64) -> Vec<u8> {
    let mut answer = Vec::new();
    for row in 0..count {
        let mut bytes = vec![1 << 3, 2];
        wire::field(&mut bytes, 2, &bench::encode(&update(row)));
        wire::field(&mut answer, 1, &bytes);
    }
    wire::field(&mut answer, 2, shape("4s").token().as_bytes());
    answer
}

fn update(row: u64) -> OwnedRecord {
    // Has a full period, so that consecutive rows have different columns.
    let bits = (row + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let record = OwnedRecord::update([("user_id", format!("user-{row:012}"))]);
    let columns = (0..20).filter(|column| bits >> column & 0b11 == 0b11);
    columns.fold(record, |record, column| {
        let name = format!("column_{column}");
        record.column(match column % 4 {
            0 => OwnedColumn::put(name, row as i64, 1),
            1 => OwnedColumn::delete_one_version(name, 1),
            _ => OwnedColumn::put(name, "a text that is not long", 1),
        })
    })
}

/// Records per second of which every cell is read.
#[divan::bench(args = SHAPES)]
fn iterate(bencher: Bencher<'_, '_>, name: &str) {
    let answer = Answer::parse(Bytes::from(shape(name).answer())).expect("an answer");
    let records = answer.records().expect("good records");
    bencher
        .counter(ItemsCount::new(records.len()))
        .bench_local(|| records.iter().for_each(visit));
}

fn visit(record: &Record) {
    for column in record.primary_key() {
        black_box((column.name(), column.value()));
    }
    for column in record.columns() {
        black_box((column.name(), column.value(), column.timestamp()));
    }
}

/// The time to encode a row, as in the emulator.
#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    let columns = (0..4).map(|i| OwnedColumn::put(format!("column_{i}"), "some text", 1));
    let record = columns.fold(
        OwnedRecord::put([("user_id", "user-1")]),
        OwnedRecord::column,
    );
    bencher.bench_local(|| bench::encode(black_box(&record)));
}

/// The time to sign a request.
#[divan::bench]
fn sign(bencher: Bencher<'_, '_>) {
    let headers = [
        ("x-ots-accesskeyid", "LTAI4FhYxVYExample"),
        ("x-ots-apiversion", "2018-04-01"),
        ("x-ots-contentmd5", "hBotaJrYa9FhFEdFPCLG/A=="),
        ("x-ots-date", "2019-07-10T15:00:00.023Z"),
        ("x-ots-instancename", "myinstance"),
        ("x-ots-trace-id", "6f0c6d4e-2f8e-4a3c-9d70-6ad0a4a7b0c1"),
    ];
    bencher.bench_local(|| bench::sign("secret", "/tunnel/readrecords", black_box(&headers)));
}

/// The time to parse a token.
#[divan::bench]
fn token(bencher: Bencher<'_, '_>) {
    let token = shape("4s").token();
    bencher.bench_local(|| bench::is_stream(black_box(&token)));
}
