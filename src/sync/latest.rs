//! The newest value that one party has for another, without a lock.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// Holds the newest value put in, until someone takes it.
///
/// One party at a time puts values in; any may take. Nobody ever waits.
#[derive(Debug)]
pub(crate) struct Latest<T> {
    sender: Sender<T>,
    receiver: Receiver<T>,
}

impl<T> Latest<T> {
    pub(crate) fn new() -> Latest<T> {
        let (sender, receiver) = bounded(1);
        Latest { sender, receiver }
    }

    /// Replaces what is there.
    pub(crate) fn set(&self, value: T) {
        let mut value = value;
        // Full again only if a taker gave its value back in between.
        while let Err(TrySendError::Full(back)) = self.sender.try_send(value) {
            drop(self.receiver.try_recv());
            value = back;
        }
    }

    /// Puts back what was there before, which may have been nothing.
    pub(crate) fn replace(&self, value: Option<T>) {
        match value {
            Some(value) => self.set(value),
            None => drop(self.take()),
        }
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Gives back what was taken, unless there is something newer by now.
    pub(crate) fn give_back(&self, value: T) {
        let _ = self.sender.try_send(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins() {
        let latest = Latest::new();
        assert_eq!(latest.take(), None);
        latest.set(1);
        latest.set(2);
        assert_eq!(latest.take(), Some(2));
        latest.give_back(2);
        latest.set(3);
        latest.give_back(2);
        assert_eq!(latest.take(), Some(3));
        assert_eq!(latest.take(), None);
    }

    #[test]
    fn what_was_there_before_can_be_put_back() {
        let latest = Latest::new();
        latest.set(2);
        latest.replace(Some(1));
        assert_eq!(latest.take(), Some(1));
        latest.set(2);
        latest.replace(None);
        assert_eq!(latest.take(), None);
    }
}
