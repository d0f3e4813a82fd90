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
mod observer;
mod processor;
mod record;
mod stop;
mod worker;

pub use client::TunnelClient;
pub use config::{
    ChannelBackoffConfig, TunnelConfig, TunnelWorkerConfig, TunnelWorkerConfigBuilder,
};
pub use credentials::{Credentials, CredentialsProvider};
pub use error::{ErrorCode, TunnelError};
pub use model::{
    ChannelInfo, ChannelRpo, ChannelStatus, ChannelType, CheckpointRequest, CheckpointResponse,
    CreateTunnelRequest, CreateTunnelResponse, DeleteTunnelRequest, DeleteTunnelResponse,
    DescribeTunnelRequest, DescribeTunnelResponse, GetCheckpointRequest, GetCheckpointResponse,
    GetRpoRequest, GetRpoResponse, ListTunnelRequest, ListTunnelResponse, ReadRecordsRequest,
    ReadRecordsResponse, ScheduleChannel, ScheduleRequest, ScheduleResponse, StartOffset,
    StreamTunnelConfig, TunnelInfo, TunnelRpo, TunnelStage, TunnelType, open_channel,
    resume_channel, suspend_channel, terminate_channel,
};
pub use observer::{
    BatchCounts, ChannelSnapshot, ChannelStage, CloseReason, FailureSnapshot, Health, HealthReason,
    HeartbeatSnapshot, SavedCheckpoint, WorkerEvent, WorkerEventKind, WorkerObserver,
    WorkerSnapshot, WorkerState,
};
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
