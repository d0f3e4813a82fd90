//! The log of the crate goes into the trace, and panics of simulated user code are not
//! printed.

use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};
use tablestore_tunnel::_simulation as simulation;

/// In the message of every panic that a world causes on purpose.
pub(crate) const ON_PURPOSE: &str = "on purpose";

/// Whether lines are kept. They are formatted in any case: formatting may take locks,
/// and a replay must take the same ones.
static KEEPS: AtomicBool = AtomicBool::new(false);

struct Lines;

/// Once in a process.
pub(crate) fn install(keep: bool) {
    KEEPS.store(keep, Ordering::Relaxed);
    if log::set_logger(&Lines).is_ok() {
        log::set_max_level(LevelFilter::Debug);
        silence_panics();
    }
}

/// A line of the trace.
pub(crate) fn note(text: impl FnOnce() -> String) {
    if KEEPS.load(Ordering::Relaxed) {
        simulation::note(text());
    }
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        target.starts_with("tablestore_tunnel") && metadata.level() <= Level::Debug
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("log {}: {}", record.level(), record.args());
            note(|| line);
        }
    }

    fn flush(&self) {}
}

fn silence_panics() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.to_string();
        if !text.contains(ON_PURPOSE) {
            simulation::note(format!("PANIC {text}"));
            default(info);
        }
    }));
}
