//! What a program can see of its workers while they work.
//!
//! In reading order:
//!
//! - [`event`]: [`WorkerEvent`], one thing that happened.
//! - [`handler`]: [`WorkerObserver`], which user code implements, and how it is called.
//! - [`owned_event`]: a thread that delivers events whose sender must not wait for user code.
//! - [`snapshot`]: [`WorkerSnapshot`], what a worker is at.
//! - [`health`]: [`Health`], whether that is well (pure).

mod event;
mod handler;
mod health;
mod owned_event;
mod snapshot;

pub use self::event::{CloseReason, WorkerEvent, WorkerEventKind};
pub(crate) use self::handler::Observer;
pub use self::handler::WorkerObserver;
pub use self::health::{Health, HealthReason};
pub(crate) use self::owned_event::OwnedEvent;
pub use self::snapshot::{
    BatchCounts, ChannelSnapshot, ChannelStage, FailureSnapshot, HeartbeatSnapshot,
    SavedCheckpoint, WorkerSnapshot, WorkerState,
};
