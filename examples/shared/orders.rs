//! A table of orders on the emulator, and changes to it.

use tablestore_emulator::{Emulator, KeyType, RowUpdate, Table, TableSpec};
use tablestore_tunnel::{TunnelError, Value};

const ITEMS: [(&str, f64); 5] = [
    ("green tea, 250 g", 58.0),
    ("机械键盘", 649.5),
    ("rice cooker", 399.0),
    ("USB-C cable", 29.9),
    ("台灯", 119.0),
];

/// Creates a table of four partitions that holds `rows` orders.
pub(crate) fn create(emulator: &Emulator, name: &str, rows: usize) -> Result<Table, TunnelError> {
    let spec = TableSpec::new(name)
        .primary_key("order_id", KeyType::String)
        .partitions(4);
    let table = emulator.create_table(spec)?;
    table.put_all((0..rows).map(|n| ([order_id(n)], order(n))))?;
    Ok(table)
}

/// Makes change number `n`: in turn a new order, a payment, another new order and
/// a cancellation.
pub(crate) fn change(table: &Table, n: usize) -> Result<(), TunnelError> {
    match n % 4 {
        1 => table.update([order_id(n)], paid())?,
        3 => table.delete([order_id(n)])?,
        _ => table.put([format!("later-{n:06}")], order(n))?,
    };
    Ok(())
}

fn paid() -> RowUpdate {
    RowUpdate::new().put("paid", true).delete("note")
}

fn order_id(n: usize) -> String {
    format!("order-{n:06}")
}

fn order(n: usize) -> Vec<(&'static str, Value)> {
    let (item, price) = ITEMS[n % ITEMS.len()];
    vec![
        ("item", item.into()),
        ("total", Value::Double(price)),
        ("paid", Value::Boolean(false)),
        ("note", "leave it with the neighbour".into()),
    ]
}
