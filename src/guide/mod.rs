//! The book: one chapter for each thing that a user wants to know.
//!
//! In reading order:
//!
//! - [`concepts`]: tunnels, channels, workers, tokens, with a picture.
//! - [`processing`]: the code that is called with records.
//! - [`checkpoints`]: what is saved when, and how often a record can come.
//! - [`shutdown`]: how to stop.
//! - [`threads`]: which there are, and what of yours runs on them.
//! - [`configuration`]: every setting and its default.
//! - [`errors`]: every code, and what to do.
//! - [`observing`]: health, snapshots, events, logs.
//! - [`scaling`]: more workers, more channels; performance notes.
//! - [`testing`]: with the emulator.
//! - [`security`]: keys, permissions, untrusted bytes.
//! - [`faq`]: what users ask.
//! - [`porting_from_go`]: Go name to Rust name, and what behaves differently.
//! - [`foreign_types`]: types of other crates in this one's API.

pub mod checkpoints;
pub mod concepts;
pub mod configuration;
pub mod errors;
pub mod faq;
pub mod foreign_types;
pub mod observing;
pub mod processing;
pub mod scaling;
pub mod security;
pub mod shutdown;
pub mod testing;
pub mod threads;

// The list of links is needed once, and `emulator` is one of them.
#[doc = include_str!("../../docs/porting-from-go.md")]
#[cfg_attr(feature = "emulator", doc = include_str!("porting_names.md"))]
pub mod porting_from_go {}
