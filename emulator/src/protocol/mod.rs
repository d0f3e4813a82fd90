//! Requests and replies of the service's HTTP protocol, without sockets.
//!
//! Files, in reading order:
//!
//! - [`request`]: [`Request`], and parsing its head.
//! - [`action`]: [`Action`], the thirteen actions; [`scope`]: [`Scope`], the
//!   ids that a request names.
//! - [`access_key`]: [`AccessKey`] and its permissions; [`auth`]: the check of
//!   date, signature and permissions.
//! - [`failure`]: [`Failure`], an error with its status and code.
//! - [`reply`]: [`Reply`], and the end of its connection.
//! - [`access_log`]: one log line for each request.

mod access_key;
pub(super) mod access_log;
mod action;
mod auth;
mod failure;
mod reply;
mod request;
mod scope;

pub use self::access_key::{AccessKey, Permission};
pub use self::action::Action;
pub(super) use self::auth::{AuthSettings, check as check_auth};
pub(super) use self::failure::Failure;
pub use self::reply::{End, Reply};
pub use self::request::Request;
pub(super) use self::request::{Head, MAX_BODY, MAX_HEAD};
pub(super) use self::scope::Scope;
