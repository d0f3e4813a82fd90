//! Every setting and its default.
//!
//! [`build`](crate::TunnelWorkerConfigBuilder::build) rejects settings that cannot work and
//! returns the reason. A test compares the defaults on this page with the code.
//!
//! # Workers: [`TunnelWorkerConfigBuilder`]
//!
//! | setting | default | in Go | purpose |
//! |---|---|---|---|
//! | [`heartbeat_interval`](crate::TunnelWorkerConfigBuilder::heartbeat_interval) | 30 s | `HeartbeatInterval` | longest time between heartbeats; at least 5 s. While channels move, heartbeats come every 5 s: [when](crate::guide::concepts#heartbeats-and-the-lease) |
//! | [`heartbeat_timeout`](crate::TunnelWorkerConfigBuilder::heartbeat_timeout) | 300 s | `HeartbeatTimeout` | how long a session survives without a successful heartbeat |
//! | [`client_tag`](crate::TunnelWorkerConfigBuilder::client_tag) | the host's name | always the host's name | the name of the worker in the console |
//! | [`backoff`](crate::TunnelWorkerConfigBuilder::backoff) | 5 s | `BackoffConfig` | longest pause between two reads of an idle stream channel |
//! | [`pool_threads`](crate::TunnelWorkerConfigBuilder::pool_threads) | 32 | one goroutine per channel | number of threads for callbacks |
//! | [`pool`](crate::TunnelWorkerConfigBuilder::pool) | its own | | your own rayon pool instead of these threads |
//! | [`process_attempts`](crate::TunnelWorkerConfigBuilder::process_attempts) | 3 | 1 | how often a batch is tried before its channel is closed |
//! | [`closing_channel_detect`](crate::TunnelWorkerConfigBuilder::closing_channel_detect) | true | as if false | whether a channel that stays CLOSING is closed by force |
//! | [`shutdown_timeout`](crate::TunnelWorkerConfigBuilder::shutdown_timeout) | 25 s | none | how long `close` waits; also how long callbacks may finish when the worker itself ends a session |
//! | [`stuck_after`](crate::TunnelWorkerConfigBuilder::stuck_after) | 300 s | none | when a channel that makes no progress is reported as stalled |
//! | [`observer`](crate::TunnelWorkerConfigBuilder::observer) | none | none | receives events |
//! | [`channel_dialer`](crate::TunnelWorkerConfigBuilder::channel_dialer) | the service's | `ChannelDialer` | replaces the connection that reads channels |
//! | [`checkpointer`](crate::TunnelWorkerConfigBuilder::checkpointer) | the service's | none | wraps the object that saves checkpoints |
//! | [`clock`](crate::TunnelWorkerConfigBuilder::clock) | the system's | the system's | the time source, for tests |
//!
//! # Reading, also [`TunnelWorkerConfigBuilder`]
//!
//! | setting | default | in Go | purpose |
//! |---|---|---|---|
//! | [`memory_budget`](crate::TunnelWorkerConfigBuilder::memory_budget) | 256 MiB | unlimited | bytes that may be read but not yet processed |
//! | [`max_channel_parallel`](crate::TunnelWorkerConfigBuilder::max_channel_parallel) | unlimited | `MaxChannelParallel`, 0 | how many channels read and process at the same time |
//! | [`need_manual_release`](crate::TunnelWorkerConfigBuilder::need_manual_release) | false | `NeedManualRelease` | whether the callback releases its channel's permit |
//! | [`sync_read_records`](crate::TunnelWorkerConfigBuilder::sync_read_records) | false | `SyncReadRecords` | turns read-ahead off |
//! | [`read_max_times_per_round`](crate::TunnelWorkerConfigBuilder::read_max_times_per_round) | 1 | 1 | how many reads are joined into one batch |
//! | [`read_max_bytes_per_round`](crate::TunnelWorkerConfigBuilder::read_max_bytes_per_round) | 4 MiB | none | batch size from which no further read is joined |
//!
//! # Factories: [`SimpleProcessFactory`], [`AsyncProcessFactory`]
//!
//! | setting | default | in Go | purpose |
//! |---|---|---|---|
//! | [`checkpoint_interval`](crate::SimpleProcessFactory::checkpoint_interval) | 10 s | `CpInterval` | how often a new token is saved; simple factory only |
//! | [`custom_value`](crate::SimpleProcessFactory::custom_value) | none | `CustomValue` | a value that every callback can read |
//! | [`channel_open`](crate::SimpleProcessFactory::channel_open) | none | `ChannelOpenFunc` | called before the first read |
//! | [`shutdown`](crate::SimpleProcessFactory::shutdown) | none | `ShutdownFunc` | called once at the end of a channel |
//! | [`need_binary_record`](crate::SimpleProcessFactory::need_binary_record) | false | `NeedBinaryRecord` | delivers batches as bytes |
//! | [`always_call_back`](crate::SimpleProcessFactory::always_call_back) | false | `AlwaysCallBack` | also calls back for reads without records |
//! | [`record_pipe_per_channel`](crate::SimpleProcessFactory::record_pipe_per_channel) | 1 | `RecordPipePerChannel` | batches queued behind the batch in the callback |
//!
//! # Requests: [`TunnelConfig`]
//!
//! | setting | default | in Go | purpose |
//! |---|---|---|---|
//! | [`request_timeout`](crate::TunnelConfig::request_timeout) | 60 s | `RequestTimeout` | time for one attempt, from the DNS lookup to the last byte |
//! | [`connect_timeout`](crate::TunnelConfig::connect_timeout) | 10 s | 30 s | time to connect, TLS included |
//! | [`max_retry_elapsed_time`](crate::TunnelConfig::max_retry_elapsed_time) | 75 s | `MaxRetryElapsedTime` | how long `TunnelClient::read_records` is retried (all other calls: 35 s); a worker reads on for as long as the channel is its own |
//! | [`max_response_size`](crate::TunnelConfig::max_response_size) | 64 MiB | unlimited | largest response that is accepted |
//! | [`header`](crate::TunnelConfig::header) | none | `ExternalHeader` | an `x-ots-` header to add to every request |
//! | [`agent`](crate::TunnelConfig::agent) | its own | `Transport` | your own HTTP agent, for proxies and TLS roots |
//!
//! # What to change
//!
//! Usually nothing. If you do change settings, start at the top of this list:
//!
//! - `pool_threads`, if callbacks wait for something slow: as many as should wait at the
//!   same time.
//! - `heartbeat_interval`, down to 5 s, if a worker that has been running for more than a
//!   minute should learn of other workers, and of the end of the base data, in less than
//!   30 s.
//! - `checkpoint_interval`, if duplicates after a crash are expensive.
//! - `memory_budget`, if the process has little memory, or if it has many channels with
//!   slow callbacks.
//! - `backoff`, if a change must arrive in less than 5 s after a quiet period. Each idle
//!   channel then costs more requests.
//!
//! [`TunnelWorkerConfigBuilder`]: crate::TunnelWorkerConfigBuilder
//! [`SimpleProcessFactory`]: crate::SimpleProcessFactory
//! [`AsyncProcessFactory`]: crate::AsyncProcessFactory
//! [`TunnelConfig`]: crate::TunnelConfig
