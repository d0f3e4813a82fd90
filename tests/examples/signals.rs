//! Stops an example with SIGTERM.

use crate::program::Program;

#[test]
fn sigterm_stops_the_worker_gracefully() {
    let mut program = Program::start("graceful_stop", &[], &[]);
    program.wait_for("consuming; stop with Ctrl-C or: kill -TERM ", 1);
    program.terminate();
    let output = program.finish();
    assert!(output.status.success(), "{output:#?}");
    assert!(output.has("signal received, stopping"), "{output:#?}");
    assert!(output.has("clean: true"), "{output:#?}");
}
