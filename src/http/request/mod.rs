//! What a request is made of.
//!
//! In reading order:
//!
//! - [`endpoint`]: where requests go, checked.
//! - [`headers`]: the headers of a request, and those that a user may add.
//! - [`sign`]: the signature of a request.

pub(crate) mod endpoint;
pub(crate) mod headers;
pub mod sign;
