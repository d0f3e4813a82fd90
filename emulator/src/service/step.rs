//! [`Step`]: the answer to a request, or a wait before it.

use std::time::Duration;

use super::call::Pending;
use crate::protocol::{End, Reply};

/// How a request goes on.
///
/// Faults delay requests before or after they are carried out. The service
/// itself never sleeps: it asks its caller to wait. What comes after the delay,
/// such as a change of the state, happens only when the caller continues.
#[derive(Debug)]
pub enum Step {
    /// The request is answered.
    Answer(Reply),
    /// The request goes on after a delay.
    Wait {
        /// How long the request is delayed, in the caller's time: the
        /// emulator's clock does not count here.
        delay: Duration,
        /// The request, for `resume` when the delay is over.
        then: Continuation,
    },
}

/// A request that waits for a delay.
#[derive(Debug)]
pub struct Continuation(pub(super) Box<Pending>);

impl Continuation {
    /// Gives the request up. The connection is to be closed without an answer;
    /// a request that is not carried out yet never will be.
    pub fn abandon(self) -> Reply {
        self.0.abandoned().ending(End::Close)
    }
}
