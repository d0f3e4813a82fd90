//! More workers, more channels, and what one process can carry.
//!
//! # More workers
//!
//! Start the same program with the same tunnel id on as many machines as you like.
//! Each worker is a client of the tunnel, and the service spreads the open channels
//! over them, by heartbeats: when one joins, some channels are closed at the others
//! and opened there, from their checkpoints; when one leaves in order, they go back
//! at once; when one dies, after its heartbeat timeout. Nobody has to configure who
//! reads what.
//!
//! More workers than channels do not help: the rest is idle, ready to take over.
//! There is never more than one worker at a channel, and within a channel all is
//! serial, since order is promised.
//!
//! # More channels
//!
//! A stream has as many channels as the table has partitions. Tablestore splits
//! partitions by size and load, so a table that grows gets more by itself. When one
//! channel is the limit:
//!
//! - Look at the primary key. Its first column decides the partition. Keys that
//!   grow with time (dates, counters) send all writes to one partition, and no
//!   number of workers helps: put a hash or an id with many values first.
//! - A new table has one partition. The service's support splits one in advance on
//!   request, before a large import.
//! - Make the callback hand over to threads of its own by key, and commit by
//!   [`AsyncProcessFactory`](crate::AsyncProcessFactory): order is then yours to
//!   keep.
//!
//! Base data is split by the service into channels of a size that it chooses.
//!
//! # One process
//!
//! - Channels: each open one has a thread that mostly waits. Thousands fit.
//! - Throughput: decoding runs on the callback pool or, while that is busy, on the
//!   readers' threads, so on all cores; the next batch of a channel is decoded while
//!   the callback before it runs. A channel with a callback that does little is
//!   limited by how fast the service answers.
//! - Memory: what is read and not processed stays within the
//!   [`memory_budget`](crate::TunnelWorkerConfigBuilder::memory_budget), the threads of the
//!   open channels included, whatever their number; plus some 30 MiB, and what
//!   callbacks keep.
//! - Several tunnels in one process: give each daemon a clone of one configuration,
//!   and they share threads and budget.
//!
//! The service's own white paper of 2019 (Java SDK, rows of 220 bytes, changes only)
//! gives about 19 000 rows a second for one channel, 130 000 for 8 and 570 000 for 64
//! on one host, where the network was the limit. What this client costs on top is
//! measured in `docs/performance.md` of the repository, with the programs to measure
//! it again.
//!
//! # Performance notes
//!
//! - Reading records allocates nothing; copying them out does. Prefer
//!   [`get`](crate::Record::get), iterators and `&str` over owned values.
//! - Small batches cost a callback and a task each. On busy channels
//!   [`read_max_times_per_round`](crate::TunnelWorkerConfigBuilder::read_max_times_per_round)
//!   makes them larger; write to the sink once a batch, not once a record.
//! - A sink with high latency wants more
//!   [`pool_threads`](crate::TunnelWorkerConfigBuilder::pool_threads), not more processes.
//! - [`max_channel_parallel`](crate::TunnelWorkerConfigBuilder::max_channel_parallel)
//!   protects a sink that cannot stand all channels at once, as in the base stage.
//! - [`need_binary_record`](crate::SimpleProcessFactory::need_binary_record) skips
//!   decoding, for programs that only store or forward;
//!   [`parse_binary_records`](crate::parse_binary_records) decodes later.
//! - Build with `--release`.
