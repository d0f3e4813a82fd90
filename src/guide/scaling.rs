//! More workers, more channels, and the capacity of one process.
//!
//! # More workers
//!
//! Start the same program with the same tunnel id on as many machines as you like. Each
//! worker is a client of the tunnel. The service uses heartbeats to distribute the open
//! channels over the workers:
//!
//! - When a worker joins, other workers close some of their channels, and the new worker
//!   opens them from their checkpoints. The other workers learn of the new one in their next
//!   heartbeats; from the first change on, heartbeats come every 5 s.
//! - When a worker shuts down gracefully, or ends its session because of an error, its
//!   channels are available immediately.
//! - When a worker dies, its channels are available after its heartbeat timeout.
//!
//! You do not configure which worker reads which channel.
//!
//! More workers than channels do not help: the surplus workers are idle, ready to take
//! over. Their health is `degraded: no channels for ...`, which is normal for them. A channel never has more than one worker, and its batches are processed one after
//! the other, because their order is guaranteed.
//!
//! # More channels
//!
//! A stream has as many channels as the table has partitions. Tablestore splits partitions
//! by size and load, so a growing table gets more of them without your help. If a single
//! channel is the bottleneck:
//!
//! - Check the primary key. Its first column determines the partition. Keys that grow with
//!   time (dates, counters) send all writes to one partition, and more workers cannot help.
//!   Put a hash, or an id with many values, first.
//! - A new table has one partition. Before a large import, the service's support can split
//!   it in advance on request.
//! - Let the callback pass records to your own threads by key, and commit with
//!   [`AsyncProcessFactory`](crate::AsyncProcessFactory). You are then responsible for the
//!   order.
//!
//! The service splits base data into channels of a size that it chooses.
//!
//! # One process
//!
//! - Channels: each open channel has a thread that spends most of its time waiting. One
//!   process can have thousands.
//! - Throughput: records are decoded on the callback pool or, while the pool is busy, on the
//!   readers' threads, so decoding uses all cores. The next batch of a channel is decoded
//!   while the callback for the previous batch runs. If the callback does little work, the
//!   limit is how fast the service responds.
//! - Memory: data that has been read but not yet processed stays within the
//!   [`memory_budget`](crate::TunnelWorkerConfigBuilder::memory_budget). The budget includes
//!   the threads of the open channels, however many there are. About 30 MiB come on top, and
//!   whatever your callbacks keep.
//! - Several tunnels in one process: give each daemon a clone of one configuration. The
//!   daemons then share the threads and the budget.
//!
//! The service's own white paper of 2019 (Java SDK, rows of 220 bytes, changes only) reports
//! about 19 000 rows per second for one channel, 130 000 for 8 channels, and 570 000 for 64
//! channels on one host, where the network was the limit. `docs/performance.md` in the
//! repository reports what this client costs on top of that, and includes the programs that
//! measure it.
//!
//! # Performance notes
//!
//! - Reading records allocates nothing, but copying values out of them does. Prefer
//!   [`get`](crate::Record::get), iterators and `&str` to owned values.
//! - Each batch costs one callback and one task, however small it is. On busy channels,
//!   [`read_max_times_per_round`](crate::TunnelWorkerConfigBuilder::read_max_times_per_round)
//!   makes batches larger. Write to the sink once per batch, not once per record.
//! - A sink with high latency needs more
//!   [`pool_threads`](crate::TunnelWorkerConfigBuilder::pool_threads), not more processes.
//! - [`max_channel_parallel`](crate::TunnelWorkerConfigBuilder::max_channel_parallel)
//!   protects a sink that cannot handle all channels at the same time, for example during
//!   the base data stage.
//! - [`need_binary_record`](crate::SimpleProcessFactory::need_binary_record) skips decoding,
//!   for programs that only store or forward batches.
//!   [`parse_binary_records`](crate::parse_binary_records) decodes them later.
//! - Build with `--release`.
