//! [`Latest`]: a slot for the newest value that one thread passes to another.

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// A slot that holds the newest value until a thread takes it.
///
/// Only one thread at a time may set values; any thread may take one. No operation
/// blocks.
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

    /// Stores a value, and drops the value in the slot.
    pub(crate) fn set(&self, value: T) {
        let mut value = value;
        // After the slot is emptied, it is full again only if another thread gave its
        // value back in between. That value is older, so try again.
        while let Err(TrySendError::Full(back)) = self.sender.try_send(value) {
            drop(self.receiver.try_recv());
            value = back;
        }
    }

    /// Sets the slot to `value`, or empties it for `None`.
    pub(crate) fn replace(&self, value: Option<T>) {
        match value {
            Some(value) => self.set(value),
            None => drop(self.take()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// A copy of the value, unless another thread is replacing it right now.
    pub(crate) fn get(&self) -> Option<T>
    where
        T: Clone,
    {
        let value = self.take()?;
        self.give_back(value.clone());
        Some(value)
    }

    /// Returns a taken value to the slot, unless the slot has a newer one.
    pub(crate) fn give_back(&self, value: T) {
        let _ = self.sender.try_send(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_wins() {
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
    fn replace_sets_or_empties_the_slot() {
        let latest = Latest::new();
        latest.set(2);
        latest.replace(Some(1));
        assert_eq!(latest.take(), Some(1));
        latest.set(2);
        latest.replace(None);
        assert_eq!(latest.take(), None);
    }
}
