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
//! - [`porting_from_go`]: Go name to Rust name, and what behaves differently;
//!   [`porting_from_go_zh_cn`] is the same in Chinese.
//! - [`sdk_differences`]: this client beside the Go and Java SDKs, measured.
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

// The first definition of a link counts: in the files they lead to each other,
// here to the modules. The list of links is needed once.
#[doc = "[简体中文]: crate::guide::porting_from_go_zh_cn"]
#[doc = "[English]: crate::guide::porting_from_go"]
#[doc = "[differences]: crate::guide::sdk_differences\n"]
#[doc = include_str!("../../docs/porting-from-go.md")]
#[doc = include_str!("porting_names.md")]
pub mod porting_from_go {}

// Without its doctests: the code is that of the English edition.
#[cfg(not(doctest))]
#[doc = "[简体中文]: crate::guide::porting_from_go_zh_cn"]
#[doc = "[English]: crate::guide::porting_from_go"]
#[doc = "[differences]: crate::guide::sdk_differences\n"]
#[doc = include_str!("../../docs/porting-from-go.zh-CN.md")]
pub mod porting_from_go_zh_cn {}

#[doc = include_str!("../../docs/sdk-differences.md")]
pub mod sdk_differences {}
