//! The parts of an HTTP request.
//!
//! In reading order:
//!
//! - [`endpoint`]: the checked destination of requests.
//! - [`headers`]: the headers of a request, including those that users add.
//! - [`sign`]: the signature of a request.

pub(crate) mod endpoint;
pub(crate) mod headers;
pub mod sign;
