//! The readable record of a run, and the hash of its decisions.

use std::time::Duration;

/// What happens at a scheduling point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Lock,
    Notify,
    Spawn,
    Yield,
    Block,
    End,
}

#[derive(Debug, Default)]
pub(super) struct Trace {
    hash: u64,
    is_on: bool,
    lines: Vec<String>,
}

impl Trace {
    pub(super) fn new(seed: u64, is_on: bool) -> Trace {
        let lines = Vec::new();
        let mut trace = Trace {
            hash: 0,
            is_on,
            lines,
        };
        trace.mix(seed);
        trace
    }

    /// Adds a decision to the hash.
    pub(super) fn decided(&mut self, thread: usize, what: Operation, now: Duration) {
        self.mix(now.as_nanos() as u64);
        self.mix((thread as u64) << 8 | what as u64);
    }

    fn mix(&mut self, value: u64) {
        // As in FxHash: cheap, and every bit of the value reaches the upper half.
        self.hash = (self.hash.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    /// Adds a line, which is made only if the trace is on.
    pub(super) fn line(
        &mut self,
        now: Duration,
        (index, name): (usize, &str),
        what: impl FnOnce() -> String,
    ) {
        if self.is_on {
            let line = format!("{:12.6} {name}#{index} {}", now.as_secs_f64(), what());
            self.lines.push(line);
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}
