//! The interface between a worker and user code.
//!
//! In reading order:
//!
//! - [`context`]: [`ChannelContext`], the channel and batch of a callback.
//! - [`outcome`]: [`ProcessError`], the error of a callback and what to do about it.
//! - [`traits`]: [`ChannelProcessorFactory`] and [`ChannelProcessor`], the contract.
//! - [`dialer`]: [`ChannelDialer`], which can replace or wrap the reads of a channel.
//! - [`factory`]: [`SimpleProcessFactory`] and [`AsyncProcessFactory`], sufficient for
//!   most programs.

mod context;
mod dialer;
mod factory;
mod outcome;
mod traits;

pub(crate) use self::context::{BatchContext, ChannelIdentity, Commit};
pub use self::context::{ChannelContext, Checkpointer, ParallelReleaseManager, ProcessorHandle};
pub use self::dialer::{ChannelBatch, ChannelConn, ChannelDialer};
pub use self::factory::{AsyncProcessFactory, SimpleProcessFactory};
pub(crate) use self::outcome::Outcome;
pub use self::outcome::{ProcessError, ProcessResult};
pub use self::traits::{
    ChannelProcessor, ChannelProcessorFactory, CheckpointMode, ProcessorOptions,
};
