//! Every setting and its default.
//!
//! What cannot work is refused by [`build`](crate::TunnelWorkerConfigBuilder::build) with
//! the reason. A test compares the defaults of this page with those of the code.
//!
//! # Workers: [`TunnelWorkerConfigBuilder`]
//!
//! | setting | default | in Go | decides |
//! |---|---|---|---|
//! | [`heartbeat_interval`](crate::TunnelWorkerConfigBuilder::heartbeat_interval) | 30 s | `HeartbeatInterval` | how soon the service and we hear of each other; at least 5 s |
//! | [`heartbeat_timeout`](crate::TunnelWorkerConfigBuilder::heartbeat_timeout) | 300 s | `HeartbeatTimeout` | how long the session survives silence |
//! | [`client_tag`](crate::TunnelWorkerConfigBuilder::client_tag) | the host's name | always the host's name | what the console shows |
//! | [`backoff`](crate::TunnelWorkerConfigBuilder::backoff) | 5 s | `BackoffConfig` | the longest pause between two reads of an idle stream channel |
//! | [`pool_threads`](crate::TunnelWorkerConfigBuilder::pool_threads) | 32 | one goroutine a channel | threads for callbacks |
//! | [`pool`](crate::TunnelWorkerConfigBuilder::pool) | its own | | a rayon pool of yours instead |
//! | [`process_attempts`](crate::TunnelWorkerConfigBuilder::process_attempts) | 3 | 1 | how often a batch is tried before its channel is closed |
//! | [`closing_channel_detect`](crate::TunnelWorkerConfigBuilder::closing_channel_detect) | true | as false | whether a channel that stays CLOSING is given up |
//! | [`shutdown_timeout`](crate::TunnelWorkerConfigBuilder::shutdown_timeout) | 30 s | none | how long `close` waits |
//! | [`stuck_after`](crate::TunnelWorkerConfigBuilder::stuck_after) | 300 s | none | when a channel that does not move is told of |
//! | [`observer`](crate::TunnelWorkerConfigBuilder::observer) | none | none | who hears what happens |
//! | [`channel_dialer`](crate::TunnelWorkerConfigBuilder::channel_dialer) | the service's | `ChannelDialer` | what channels are read through |
//! | [`checkpointer`](crate::TunnelWorkerConfigBuilder::checkpointer) | the service's | none | what checkpoints are saved through |
//! | [`clock`](crate::TunnelWorkerConfigBuilder::clock) | the system's | the system's | what time it is, for tests |
//!
//! # Reading, also [`TunnelWorkerConfigBuilder`]
//!
//! | setting | default | in Go | decides |
//! |---|---|---|---|
//! | [`memory_budget`](crate::TunnelWorkerConfigBuilder::memory_budget) | 256 MiB | unlimited | bytes read and not yet processed |
//! | [`max_channel_parallel`](crate::TunnelWorkerConfigBuilder::max_channel_parallel) | unlimited | `MaxChannelParallel`, 0 | channels that read and process at once |
//! | [`need_manual_release`](crate::TunnelWorkerConfigBuilder::need_manual_release) | false | `NeedManualRelease` | whether the callback gives its channel's place back |
//! | [`sync_read_records`](crate::TunnelWorkerConfigBuilder::sync_read_records) | false | `SyncReadRecords` | no reading ahead |
//! | [`read_max_times_per_round`](crate::TunnelWorkerConfigBuilder::read_max_times_per_round) | 1 | 1 | reads joined into one batch |
//! | [`read_max_bytes_per_round`](crate::TunnelWorkerConfigBuilder::read_max_bytes_per_round) | 4 MiB | none | from where on nothing is joined |
//!
//! # Factories: [`SimpleProcessFactory`], [`AsyncProcessFactory`]
//!
//! | setting | default | in Go | decides |
//! |---|---|---|---|
//! | [`checkpoint_interval`](crate::SimpleProcessFactory::checkpoint_interval) | 10 s | `CpInterval` | how often new tokens are saved; simple factory only |
//! | [`custom_value`](crate::SimpleProcessFactory::custom_value) | none | `CustomValue` | a value that all callbacks find |
//! | [`channel_open`](crate::SimpleProcessFactory::channel_open) | none | `ChannelOpenFunc` | called before the first read |
//! | [`shutdown`](crate::SimpleProcessFactory::shutdown) | none | `ShutdownFunc` | called once at the end |
//! | [`need_binary_record`](crate::SimpleProcessFactory::need_binary_record) | false | `NeedBinaryRecord` | batches as bytes |
//! | [`always_call_back`](crate::SimpleProcessFactory::always_call_back) | false | `AlwaysCallBack` | call back for reads without records too |
//! | [`record_pipe_per_channel`](crate::SimpleProcessFactory::record_pipe_per_channel) | 1 | `RecordPipePerChannel` | batches that lie ready behind the one in the callback |
//!
//! # Requests: [`TunnelConfig`]
//!
//! | setting | default | in Go | decides |
//! |---|---|---|---|
//! | [`request_timeout`](crate::TunnelConfig::request_timeout) | 60 s | `RequestTimeout` | one attempt, from the host's name to the last byte |
//! | [`connect_timeout`](crate::TunnelConfig::connect_timeout) | 10 s | 30 s | connecting, TLS included |
//! | [`max_retry_elapsed_time`](crate::TunnelConfig::max_retry_elapsed_time) | 75 s | `MaxRetryElapsedTime` | how long a read is tried again; all others 35 s |
//! | [`max_response_size`](crate::TunnelConfig::max_response_size) | 64 MiB | unlimited | the largest answer that is taken |
//! | [`header`](crate::TunnelConfig::header) | none | `ExternalHeader` | headers added to every request |
//! | [`agent`](crate::TunnelConfig::agent) | its own | `Transport` | the HTTP agent, for proxies and TLS roots of yours |
//!
//! # What to change
//!
//! Mostly nothing. In this order:
//!
//! - `pool_threads`, when callbacks wait for something slow: as many as should wait
//!   at once.
//! - `heartbeat_interval` down to 5 s, when channels are to move sooner between
//!   workers, and from base data to the stream.
//! - `checkpoint_interval`, when repetitions after a crash are dear.
//! - `memory_budget`, when the process is small, or callbacks are slow and channels
//!   many.
//! - `backoff`, when a change has to arrive within less than 5 s after a quiet time;
//!   each idle channel then costs more requests.
//!
//! [`TunnelWorkerConfigBuilder`]: crate::TunnelWorkerConfigBuilder
//! [`SimpleProcessFactory`]: crate::SimpleProcessFactory
//! [`AsyncProcessFactory`]: crate::AsyncProcessFactory
//! [`TunnelConfig`]: crate::TunnelConfig
