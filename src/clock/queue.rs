//! [`Queue`]: messages to one thread, which waits for them by its clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::{Clock, Monitor};

/// Messages to the one thread that takes them out. Clones are the same queue.
#[derive(Debug)]
pub(crate) struct Queue<T>(Arc<Monitor<State<T>>>);

#[derive(Debug)]
struct State<T> {
    messages: VecDeque<T>,
    is_closed: bool,
}

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMessage {
    /// None came in time.
    Yet,
    /// None will come.
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(clock: &Clock) -> Queue<T> {
        let state = State {
            messages: VecDeque::new(),
            is_closed: false,
        };
        Queue(Arc::new(Monitor::new(clock, state)))
    }

    /// Adds a message; gives it back if the queue is closed.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn push(&self, message: T) -> Result<(), T> {
        self.push_below(usize::MAX, message)
    }

    /// As [`push`](Self::push), and gives the message back if there are so many already.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn push_below(&self, most: usize, message: T) -> Result<(), T> {
        let mut state = self.0.lock();
        if state.is_closed || state.messages.len() >= most {
            drop(state);
            return Err(message);
        }
        state.messages.push_back(message);
        drop(state);
        self.0.notify();
        Ok(())
    }

    /// The next message; waits for it until the time `until`.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn pop(&self, until: Option<Instant>) -> Result<T, NoMessage> {
        let next = |state: &mut State<T>| match state.messages.pop_front() {
            Some(message) => Some(Ok(message)),
            None => state.is_closed.then_some(Err(NoMessage::Closed)),
        };
        self.0.wait_for(until, next).unwrap_or(Err(NoMessage::Yet))
    }

    /// The next message, if it is there.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn try_pop(&self) -> Option<T> {
        self.0.lock().messages.pop_front()
    }

    /// No more messages: those that are there are still taken out.
    #[cfg_attr(simulation, track_caller)]
    pub(crate) fn close(&self) {
        self.0.lock().is_closed = true;
        self.0.notify();
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Queue<T> {
        Queue(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_order_until_the_queue_is_closed() {
        let clock = Clock::system();
        let queue = Queue::new(&clock);
        let now = Some(clock.now());
        assert_eq!(queue.pop(now), Err(NoMessage::Yet));
        for message in 0..3 {
            assert_eq!(queue.clone().push(message), Ok(()));
        }
        assert_eq!(queue.push_below(3, 3), Err(3));
        assert_eq!((queue.pop(now), queue.try_pop()), (Ok(0), Some(1)));
        queue.close();
        assert_eq!(queue.push(4), Err(4));
        assert_eq!((queue.pop(None), queue.try_pop()), (Ok(2), None));
        assert_eq!(queue.pop(None), Err(NoMessage::Closed));
    }
}
