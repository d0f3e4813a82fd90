//! Where in the change log a tunnel starts and ends.

use time::OffsetDateTime;

/// The stretch of the change log that a tunnel delivers.
///
/// Go: `StreamTunnelConfig`, whose flag and start offset are one
/// [`StartOffset`] here, since the service takes only one of them. A tunnel of
/// base data ignores it.
///
/// ```
/// use tablestore_tunnel::StreamTunnelConfig;
/// use time::{Duration, OffsetDateTime};
///
/// let now = OffsetDateTime::now_utc();
/// let last_hour = StreamTunnelConfig::starting_at(now - Duration::hours(1)).ending_at(now);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamTunnelConfig {
    /// Where it starts. Defaults to [`StartOffset::Latest`].
    pub start: StartOffset,
    /// Where it ends, to the nanosecond; after the start, and in the future if
    /// that is wanted. Defaults to none: it goes on for ever.
    pub end: Option<OffsetDateTime>,
}

/// Where in the change log a tunnel starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartOffset {
    /// With the first change after the tunnel was created.
    Latest,
    /// With the oldest change that the log still has.
    Earliest,
    /// With the first change of this time or later, to the nanosecond. The
    /// service takes a time between its log's oldest entry plus 5 minutes, and
    /// now.
    At(OffsetDateTime),
}

impl StreamTunnelConfig {
    /// Starts with the first change after the tunnel was created.
    pub fn latest() -> StreamTunnelConfig {
        StreamTunnelConfig::from_start(StartOffset::Latest)
    }

    /// Starts with the oldest change that the log still has.
    pub fn earliest() -> StreamTunnelConfig {
        StreamTunnelConfig::from_start(StartOffset::Earliest)
    }

    /// Starts with the first change of this time or later.
    ///
    /// Go: `StartOffset`, in nanoseconds since the epoch.
    pub fn starting_at(time: OffsetDateTime) -> StreamTunnelConfig {
        StreamTunnelConfig::from_start(StartOffset::At(time))
    }

    /// Ends before the first change of this time or later: its channels then
    /// finish. Defaults to none.
    ///
    /// Go: `EndOffset`, in nanoseconds since the epoch.
    pub fn ending_at(mut self, time: OffsetDateTime) -> StreamTunnelConfig {
        self.end = Some(time);
        self
    }

    fn from_start(start: StartOffset) -> StreamTunnelConfig {
        StreamTunnelConfig { start, end: None }
    }
}

impl Default for StreamTunnelConfig {
    fn default() -> StreamTunnelConfig {
        StreamTunnelConfig::latest()
    }
}
