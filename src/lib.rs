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

pub use error::{ErrorCode, TunnelError};
pub use record::{
    ActionType, ColumnKind, FINISH_TAG, OwnedColumn, OwnedRecord, PrimaryKeyColumn,
    PrimaryKeyColumns, Record, RecordColumn, RecordColumns, SequenceInfo, Value, ValueRef,
    parse_binary_records,
};
