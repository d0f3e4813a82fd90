//! The book: one chapter for each subject.
//!
//! In reading order:
//!
//! - [`concepts`]: tunnels, channels, workers and tokens, with a picture.
//! - [`processing`]: the callback that processes records.
//! - [`checkpoints`]: what is saved when, and which records can be delivered again.
//! - [`shutdown`]: how to stop.
//! - [`threads`]: which threads exist, and which of your code runs on them.
//! - [`configuration`]: every setting and its default.
//! - [`errors`]: every error code, and what follows from each kind of failure.
//! - [`observing`]: health, snapshots, events and logs.
//! - [`scaling`]: more workers, more channels; performance notes.
//! - [`testing`]: tests with the emulator.
//! - [`security`]: keys, permissions and untrusted bytes.
//! - [`faq`]: frequently asked questions.
//! - [`porting_from_go`]: Go names and their Rust names, and differences in
//!   behaviour; [`porting_from_go_zh_cn`] is the same in Chinese.
//! - [`migrating_0_2`]: what changes for programs that were written for 0.1.
//! - [`sdk_differences`]: this client compared with the Go and Java SDKs, measured.
//! - [`foreign_types`]: types of other crates in the public API.

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

// A link definition that comes first takes precedence: the definitions at the end of
// the files lead from file to file, these lead to the modules. The list of names
// (`porting_names.md`) is needed only once.
#[doc = "[简体中文]: crate::guide::porting_from_go_zh_cn"]
#[doc = "[English]: crate::guide::porting_from_go"]
#[doc = "[differences]: crate::guide::sdk_differences"]
#[doc = "[migrating]: crate::guide::migrating_0_2\n"]
#[doc = include_str!("../../docs/porting-from-go.md")]
#[doc = include_str!("porting_names.md")]
pub mod porting_from_go {}

// Without doctests: its code is the code of the English edition.
#[cfg(not(doctest))]
#[doc = "[简体中文]: crate::guide::porting_from_go_zh_cn"]
#[doc = "[English]: crate::guide::porting_from_go"]
#[doc = "[differences]: crate::guide::sdk_differences"]
#[doc = "[migrating]: crate::guide::migrating_0_2\n"]
#[doc = include_str!("../../docs/porting-from-go.zh-CN.md")]
pub mod porting_from_go_zh_cn {}

#[doc = "[porting]: crate::guide::porting_from_go\n"]
#[doc = include_str!("../../docs/migrating-0.2.md")]
pub mod migrating_0_2 {}

#[doc = include_str!("../../docs/sdk-differences.md")]
pub mod sdk_differences {}
