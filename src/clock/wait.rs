//! Waits for queues and signals until a time: the only waits of a worker that
//! are no request.

use std::time::Instant;

use crossbeam_channel::{Receiver, Select, TryRecvError};

use super::Clock;

/// Tells whether something is ready, to a thread other than the one that waits.
pub(crate) type Probe = Box<dyn Fn() -> bool + Send>;

/// What can be waited for.
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
    /// Waits until one of `on` has something, or is disconnected (true), or
    /// until the time comes (false). Takes nothing: what is there may be gone
    /// again where others take from the same queue.
    pub(crate) fn wait(&self, on: &[&dyn Source], until: Option<Instant>) -> bool {
        match &self.0 {
            None => ready(select(on), until),
            Some(manual) => manual.wait(on, until),
        }
    }

    /// Takes from a queue, waiting until the time comes at most.
    ///
    /// # Errors
    ///
    /// `Empty` when the time has come, `Disconnected` when nothing comes.
    pub(crate) fn recv<T: Send + 'static>(
        &self,
        from: &Receiver<T>,
        until: Option<Instant>,
    ) -> Result<T, TryRecvError> {
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

/// With nothing to wait for, until the time.
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
    fn what_is_there_counts_before_the_time() {
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
    fn a_wait_for_nothing_is_a_sleep() {
        let clock = Clock::system();
        let began = clock.now();
        clock.sleep(Duration::from_millis(5));
        assert!(clock.now() - began >= Duration::from_millis(5));
    }
}
