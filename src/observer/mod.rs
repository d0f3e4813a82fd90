//! What a program can see of its workers while they work.
//!
//! In reading order:
//!
//! - [`event`]: [`WorkerEvent`], one thing that happened.
//! - [`handler`]: [`WorkerObserver`], which user code implements, and how it is called.
//! - [`notice`]: the thread that tells what must not wait for user code.
//! - [`snapshot`]: [`WorkerSnapshot`], what a worker is at.
//! - [`health`]: [`Health`], whether that is well (pure).

mod event;
mod handler;
mod health;
mod notice;
mod snapshot;

pub use event::{CloseReason, WorkerEvent, WorkerEventKind};
pub(crate) use handler::Observer;
pub use handler::WorkerObserver;
pub use health::{Health, HealthReason};
pub(crate) use notice::Notice;
pub use snapshot::{
    BatchCounts, ChannelSnapshot, ChannelStage, FailureSnapshot, HeartbeatSnapshot,
    SavedCheckpoint, WorkerSnapshot, WorkerState,
};
