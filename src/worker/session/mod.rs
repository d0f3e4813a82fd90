//! One session with the service, from connecting to the shutdown request.
//!
//! In reading order:
//!
//! - [`event_loop`]: [`Session`](event_loop::Session), which owns all decisions.
//! - [`assignment`]: which channels are ours and what the service is told (pure).
//! - [`schedule`]: when to send heartbeats (pure).
//! - [`requests`]: the thread that sends the requests of the session.
//! - [`timers`]: what is to happen later (pure).
//! - [`reopening`]: when a channel that failed is opened again (pure).
//! - [`stall_detector`]: finds channels that make no progress.

pub(crate) mod assignment;
pub(crate) mod event_loop;
mod reopening;
pub(crate) mod requests;
pub(crate) mod schedule;
mod stall_detector;
pub(crate) mod timers;
