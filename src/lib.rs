//! Blocking client for the Tunnel Service of Alibaba Cloud Tablestore.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod api;
mod client;
mod clock;
mod config;
mod credentials;
#[cfg(feature = "emulator")]
pub mod emulator;
mod error;
mod model;
mod processor;
mod record;
mod stop;
mod worker;

pub use client::TunnelClient;
pub use config::{ChannelBackoffConfig, TunnelWorkerConfig, TunnelWorkerConfigBuilder};
pub use error::{ErrorCode, TunnelError};
pub use processor::{
    AsyncProcessFactory, ChannelContext, ChannelProcessor, ChannelProcessorFactory, CheckpointMode,
    Checkpointer, ProcessError, ProcessResult, ProcessorHandle, ProcessorOptions,
    SimpleProcessFactory,
};
pub use record::{
    ActionType, ColumnKind, FINISH_TAG, OwnedColumn, OwnedRecord, PrimaryKeyColumn,
    PrimaryKeyColumns, Record, RecordColumn, RecordColumns, SequenceInfo, Value, ValueRef,
    parse_binary_records,
};
pub use worker::{ChannelReceipt, ShutdownReceipt, TunnelWorker, TunnelWorkerDaemon};
