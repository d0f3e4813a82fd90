//! Converts between the messages of the protocol and the public model.
//!
//! In reading order:
//!
//! - [`names`]: checks names and ids in requests.
//! - [`required_fields`]: checks that responses are complete.
//! - [`convert`]: converts requests and responses.
//! - [`rpo`]: parses the JSON in the GetRpo responses.

pub(crate) mod convert;
pub(crate) mod names;
pub(crate) mod required_fields;
mod rpo;
