//! What user code implements, and what it is handed.
//!
//! In reading order:
//!
//! - [`context`]: [`ChannelContext`], which tells a callback where it is.
//! - [`outcome`]: [`ProcessError`], which tells the worker what to do next.
//! - [`traits`]: [`ChannelProcessorFactory`] and [`ChannelProcessor`], the contract.
//! - [`dialer`]: [`ChannelDialer`], for who wants to read otherwise.
//! - [`factory`]: [`SimpleProcessFactory`] and [`AsyncProcessFactory`], the two
//!   that most programs need.

mod context;
mod dialer;
mod factory;
mod outcome;
mod traits;

pub(crate) use self::context::{BatchContext, ChannelIdentity};
pub use self::context::{ChannelContext, Checkpointer, ParallelReleaseManager, ProcessorHandle};
pub use self::dialer::{ChannelBatch, ChannelConn, ChannelDialer};
pub use self::factory::{AsyncProcessFactory, SimpleProcessFactory};
pub(crate) use self::outcome::Outcome;
pub use self::outcome::{ProcessError, ProcessResult};
pub use self::traits::{
    ChannelProcessor, ChannelProcessorFactory, CheckpointMode, ProcessorOptions,
};
