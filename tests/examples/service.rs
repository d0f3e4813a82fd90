//! Examples against the emulator as another program: what they find in the
//! environment is all that they know, as with a real instance.

use crate::program::Program;

/// The emulator program, and the variables that it tells.
fn emulator(arguments: &[&str]) -> (Program, Vec<(String, String)>) {
    let mut emulator = Program::start("emulator", arguments, &[]);
    let names = ["ENDPOINT", "INSTANCE", "ACCESS_KEY_ID", "ACCESS_KEY_SECRET"];
    let variables = names.map(|name| {
        let name = format!("OTS_{name}");
        let line = emulator.wait_for(&format!("export {name}="), 1);
        let (_, value) = line.split_once('=').expect("a value");
        (name, value.to_owned())
    });
    (emulator, variables.into())
}

#[test]
fn examples_consume_from_another_program() {
    let options = [
        "--rows",
        "30",
        "--write-changes",
        "20",
        "--write-for-ms",
        "500",
    ];
    let (emulator, variables) = emulator(&options);
    let names = ["orders", "exampleTunnel"];

    let mut first = Program::start("create_tunnel", &names, &variables);
    first.wait_for("tunnel record detail: ", 50);
    first.terminate();
    let first = first.finish();
    assert!(first.status.success(), "{first:#?}");
    assert!(first.has("delivered 50 records"), "{first:#?}");

    // All of that is saved: nothing is left for the next one.
    let mut second = Program::start("progress", &names, &variables);
    second.wait_for("stream: 4 channels, ", 2);
    second.terminate();
    let second = second.finish();
    assert!(second.status.success(), "{second:#?}");
    assert!(second.has("delivered 0 records"), "{second:#?}");

    emulator.terminate();
    let emulator = emulator.finish();
    assert!(emulator.status.success(), "{emulator:#?}");
    assert!(
        !emulator.errors.contains(" by client "),
        "{}",
        emulator.errors
    );
}

#[test]
fn a_missing_name_or_variable_is_told() {
    let endpoint = ("OTS_ENDPOINT".to_owned(), "http://127.0.0.1:1".to_owned());
    let instance = ("OTS_INSTANCE".to_owned(), "emulator".to_owned());
    for (variables, advice) in [
        (vec![endpoint.clone()], "OTS_INSTANCE is not set"),
        (vec![endpoint, instance], "OTS_ACCESS_KEY_ID is not set"),
    ] {
        let output = Program::start("open_tunnel", &[], &variables).finish();
        assert!(!output.status.success());
        assert!(output.errors.contains(advice), "{output:#?}");
    }
    let output = Program::start("open_tunnel", &["onlyTable"], &[]).finish();
    assert!(
        output.errors.contains("name the table and the tunnel"),
        "{output:#?}"
    );
}
