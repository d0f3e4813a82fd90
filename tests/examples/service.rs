//! Runs examples against a separate emulator. As on a real instance, they know
//! the service only from their environment variables.

use tablestore_emulator::{Emulator, KeyType, Table, TableSpec};

use crate::program::Program;

/// An emulator with 30 orders, and the environment variables for its clients.
fn emulator() -> (Emulator, Table, Vec<(String, String)>) {
    let emulator = Emulator::builder().start().expect("an emulator");
    let spec = TableSpec::new("orders").primary_key("id", KeyType::Integer);
    let orders = emulator.create_table(spec.partitions(4)).expect("a table");
    let rows = (0..30).map(|id| ([id], [("item", "green tea")]));
    orders.put_all(rows).expect("rows");
    let variables = [
        ("OTS_ENDPOINT", emulator.endpoint()),
        ("OTS_INSTANCE", emulator.instance()),
        ("OTS_ACCESS_KEY_ID", emulator.access_key_id()),
        ("OTS_ACCESS_KEY_SECRET", emulator.access_key_secret()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (emulator, orders, variables.into())
}

#[test]
fn examples_consume_from_a_separate_service() {
    let (emulator, orders, variables) = emulator();
    let names = ["orders", "exampleTunnel"];

    let mut first = Program::start("create_tunnel", &names, &variables);
    first.wait_for("tunnel record detail: ", 30);
    for id in 0..20 {
        orders.put([id], [("item", "rice")]).expect("a change");
    }
    first.wait_for("tunnel record detail: ", 50);
    first.terminate();
    let first = first.finish();
    assert!(first.status.success(), "{first:#?}");
    assert!(first.has("delivered 50 records"), "{first:#?}");

    // Every checkpoint was saved, so nothing is left for the second program.
    let mut second = Program::start("progress", &names, &variables);
    second.wait_for("stream: 4 channels, ", 2);
    second.terminate();
    let second = second.finish();
    assert!(second.status.success(), "{second:#?}");
    assert!(second.has("delivered 0 records"), "{second:#?}");

    let violations = emulator.ledger().violations();
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn a_missing_argument_or_variable_is_reported() {
    let endpoint = ("OTS_ENDPOINT".to_owned(), "http://127.0.0.1:1".to_owned());
    let instance = ("OTS_INSTANCE".to_owned(), "emulator".to_owned());
    for (variables, message) in [
        (vec![endpoint.clone()], "OTS_INSTANCE is not set"),
        (vec![endpoint, instance], "OTS_ACCESS_KEY_ID is not set"),
    ] {
        let output = Program::start("open_tunnel", &[], &variables).finish();
        assert!(!output.status.success());
        assert!(output.errors.contains(message), "{output:#?}");
    }
    let output = Program::start("open_tunnel", &["onlyTable"], &[]).finish();
    assert!(
        output.errors.contains("missing table or tunnel"),
        "{output:#?}"
    );
}
