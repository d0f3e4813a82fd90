//! SIGTERM ends an example in order.

use crate::program::Program;

#[test]
fn a_signal_stops_in_order() {
    let mut program = Program::start("graceful_stop", &[], &[]);
    program.wait_for("consuming; end it with Ctrl-C or: kill -TERM ", 1);
    program.terminate();
    let output = program.finish();
    assert!(output.status.success(), "{output:#?}");
    assert!(
        output.has("stopping, as a signal asks for it"),
        "{output:#?}"
    );
    assert!(output.has("clean: true"), "{output:#?}");
}
