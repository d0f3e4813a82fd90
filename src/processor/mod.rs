//! What user code implements, and what it is handed.
//!
//! In reading order:
//!
//! - [`context`]: [`ChannelContext`], which tells a callback where it is.
//! - [`outcome`]: [`ProcessError`], which tells the worker what to do next.
//! - [`traits`]: [`ChannelProcessorFactory`] and [`ChannelProcessor`], the contract.
//! - [`factory`]: [`SimpleProcessFactory`] and [`AsyncProcessFactory`], the two
//!   that most programs need.

mod context;
mod factory;
mod outcome;
mod traits;

pub(crate) use context::{BatchContext, ChannelIdentity};
pub use context::{ChannelContext, Checkpointer, ParallelReleaseManager, ProcessorHandle};
pub use factory::{AsyncProcessFactory, SimpleProcessFactory};
pub(crate) use outcome::Outcome;
pub use outcome::{ProcessError, ProcessResult};
pub use traits::{ChannelProcessor, ChannelProcessorFactory, CheckpointMode, ProcessorOptions};
