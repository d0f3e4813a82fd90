//! [`ConnectionId`]: which connection to a channel is meant.

/// Names one connection: a channel that is opened again gets a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(u64);

impl ConnectionId {
    /// The id of the connection that is made after this one.
    pub(crate) fn next(self) -> ConnectionId {
        ConnectionId(self.0 + 1)
    }
}

#[cfg(test)]
impl ConnectionId {
    pub(crate) fn for_tests(number: u64) -> ConnectionId {
        ConnectionId(number)
    }
}
