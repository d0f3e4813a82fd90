//! A table of orders, and a writer that keeps changing it as a shop would.

use std::time::{Duration, Instant};

use tablestore_emulator::{Emulator, KeyType, RowUpdate, Table, TableSpec, Written};
use tablestore_tunnel::{TunnelError, Value};

use crate::tally::Tally;

/// The rows that exist before the tunnel is created.
const ROWS: usize = 2000;
const PARTITIONS: u32 = 4;

const CUSTOMERS: [&str; 6] = [
    "李娜",
    "Ada Byron",
    "王伟",
    "Grace Murray",
    "张敏",
    "Alan M.",
];
const CITIES: [&str; 5] = ["杭州", "Singapore", "北京", "Frankfurt", "上海"];
const ITEMS: [(&str, f64); 5] = [
    ("green tea, 250 g", 58.0),
    ("mechanical keyboard", 649.5),
    ("rice cooker", 399.0),
    ("USB-C cable", 29.9),
    ("desk lamp", 119.0),
];

pub(crate) fn create(emulator: &Emulator, tally: &Tally) -> Result<Table, TunnelError> {
    let spec = TableSpec::new("orders")
        .primary_key("order_id", KeyType::String)
        .partitions(PARTITIONS);
    let orders = emulator.create_table(spec)?;
    orders.put_all((0..ROWS).map(|n| ([order_id(n)], order(n))))?;
    (0..ROWS).for_each(|n| tally.expect_base(&order_id(n)));
    Ok(orders)
}

/// Adds, pays and cancels orders until the deadline passes or the program is
/// interrupted.
pub(crate) fn keep_changing(
    orders: &Table,
    tally: &Tally,
    deadline: Instant,
) -> Result<(), TunnelError> {
    let mut next = ROWS;
    while Instant::now() < deadline && !tally.is_interrupted() {
        tally.expect_change(|| orders.put([order_id(next)], order(next)))?;
        tally.expect_change(|| pay(orders, next - ROWS / 2))?;
        if next.is_multiple_of(3) {
            tally.expect_change(|| orders.delete([order_id(next - ROWS)]))?;
        }
        next += 1;
        tally.pause(Duration::from_millis(5));
    }
    Ok(())
}

fn pay(orders: &Table, n: usize) -> Result<Written, TunnelError> {
    let update = RowUpdate::new()
        .put("paid", true)
        .put("city", CITIES[n % CITIES.len()])
        .delete("note");
    orders.update([order_id(n)], update)
}

fn order_id(n: usize) -> String {
    format!("order-{n:06}")
}

fn order(n: usize) -> Vec<(&'static str, Value)> {
    let (item, price) = ITEMS[n % ITEMS.len()];
    let quantity = 1 + n % 4;
    vec![
        ("customer", CUSTOMERS[n % CUSTOMERS.len()].into()),
        ("city", CITIES[n % CITIES.len()].into()),
        ("item", item.into()),
        ("quantity", Value::Integer(quantity as i64)),
        ("total", Value::Double(price * quantity as f64)),
        ("paid", Value::Boolean(false)),
        ("note", "leave it with the neighbour".into()),
    ]
}
