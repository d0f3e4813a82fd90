//! The log on stderr: the crate's log, and with `--log` each request.

use std::io::Write;

use log::LevelFilter;

/// The log target of requests.
const REQUESTS: &str = "tablestore_emulator::requests";

/// Starts the log that `RUST_LOG` configures, with requests if `requests` is true.
pub(super) fn begin(requests: bool) {
    let mut builder = env_logger::Builder::from_default_env();
    if requests {
        builder.filter_module(REQUESTS, LevelFilter::Debug);
    }
    builder.format(|out, record| match record.target() {
        REQUESTS => writeln!(out, "{} {}", out.timestamp_millis(), record.args()),
        target => {
            let (time, level) = (out.timestamp_millis(), record.level());
            writeln!(out, "{time} {level} {target}: {}", record.args())
        }
    });
    builder.init();
}
