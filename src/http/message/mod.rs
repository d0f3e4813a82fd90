//! Between the messages of the protocol and the public model.
//!
//! In reading order:
//!
//! - [`names`]: names and ids in requests, checked.
//! - [`required_fields`]: what an answer must hold.
//! - [`convert`]: between messages and the model; [`rpo`]: the JSON in one of them.

pub(crate) mod convert;
pub(crate) mod names;
pub(crate) mod required_fields;
mod rpo;
