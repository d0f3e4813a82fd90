//! [`StreamTunnelConfig`]: the part of the change log that a tunnel delivers.

use time::OffsetDateTime;

/// The part of the change log that a tunnel delivers.
///
/// Go: `StreamTunnelConfig`. The flag and the start offset of Go are one
/// [`StartOffset`] here, because the service accepts only one of them. A tunnel of type
/// [`BaseData`](crate::TunnelType::BaseData) ignores this configuration.
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
    /// Start of the part. Defaults to [`StartOffset::Latest`].
    pub start: StartOffset,
    /// End of the part, with nanosecond precision. Must be after the start, and may be in
    /// the future. Defaults to `None`, which means no end.
    pub end: Option<OffsetDateTime>,
}

/// The position in the change log where a tunnel starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartOffset {
    /// The first change after the tunnel was created.
    Latest,
    /// The oldest change that the log still has.
    Earliest,
    /// The first change at or after this time, with nanosecond precision. The service
    /// accepts times from 5 minutes after the oldest entry of the log up to now.
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

    /// Starts with the first change at or after this time.
    ///
    /// Go: `StartOffset`, in nanoseconds since the epoch.
    pub fn starting_at(time: OffsetDateTime) -> StreamTunnelConfig {
        StreamTunnelConfig::from_start(StartOffset::At(time))
    }

    /// Ends before the first change at or after this time. The channels of the tunnel
    /// finish there. Defaults to no end.
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
