//! Waits for queues and signals with a deadline. Apart from requests, a worker waits
//! nowhere else.

use std::time::Instant;

use crossbeam_channel::{Receiver, Select, TryRecvError};

use super::Clock;

/// Checks whether an event has occurred, from a thread other than the waiting one.
pub(crate) type Probe = Box<dyn Fn() -> bool + Send>;

/// A queue or signal that a [`Clock`] can wait for.
pub(crate) trait Source {
    fn add_to<'a>(&'a self, select: &mut Select<'a>);
    fn probe(&self) -> Probe;
}

impl<T: Send + 'static> Source for Receiver<T> {
    fn add_to<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(self);
    }

    fn probe(&self) -> Probe {
        let receiver = self.clone();
        Box::new(move || is_ready(&[&receiver]))
    }
}

impl Clock {
    /// Waits until one of `on` is ready or disconnected, and returns true. Returns false
    /// at the time `until`.
    ///
    /// Receives nothing. If other threads receive from the same queue, it may be empty
    /// again when this method returns.
    pub(crate) fn wait(&self, on: &[&dyn Source], until: Option<Instant>) -> bool {
        match &self.0 {
            None => ready(select(on), until),
            Some(manual) => manual.wait(on, until),
        }
    }

    /// Receives from a queue; waits until the time `until` at the latest.
    ///
    /// # Errors
    ///
    /// `Empty` at the time `until`, `Disconnected` if all senders are gone.
    pub(crate) fn recv<T: Send + 'static>(
        &self,
        from: &Receiver<T>,
        until: Option<Instant>,
    ) -> Result<T, TryRecvError> {
        // A loop, because another thread may receive the message between the wait and
        // `try_recv`.
        loop {
            match from.try_recv() {
                Err(TryRecvError::Empty) => {}
                received => return received,
            }
            if !self.wait(&[from], until) {
                return Err(TryRecvError::Empty);
            }
        }
    }
}

pub(super) fn select<'a>(on: &[&'a dyn Source]) -> Select<'a> {
    let mut select = Select::new();
    for source in on {
        source.add_to(&mut select);
    }
    select
}

pub(super) fn is_ready(on: &[&dyn Source]) -> bool {
    !on.is_empty() && select(on).try_ready().is_ok()
}

/// Waits for an event or the deadline. Without sources, waits for the deadline only.
fn ready(mut select: Select<'_>, until: Option<Instant>) -> bool {
    match until {
        Some(until) => select.ready_deadline(until).is_ok(),
        None => {
            select.ready();
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{bounded, never};
    use std::time::Duration;

    #[test]
    fn an_event_takes_precedence_over_the_deadline() {
        let clock = Clock::system();
        let (sender, receiver) = bounded(1);
        let now = clock.now();
        assert!(!clock.wait(&[&receiver], Some(now)));
        assert_eq!(clock.recv(&receiver, Some(now)), Err(TryRecvError::Empty));
        sender.send(7).expect("room");
        assert!(clock.wait(&[&never::<()>(), &receiver], Some(now)));
        assert_eq!(clock.recv(&receiver, Some(now)), Ok(7));
        drop(sender);
        assert_eq!(clock.recv(&receiver, None), Err(TryRecvError::Disconnected));
    }

    #[test]
    fn a_wait_without_sources_is_a_sleep() {
        let clock = Clock::system();
        let began = clock.now();
        clock.sleep(Duration::from_millis(5));
        assert!(clock.now() - began >= Duration::from_millis(5));
    }
}
