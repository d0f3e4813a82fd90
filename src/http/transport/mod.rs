//! The HTTP client: connections, host names, and the bodies of answers.
//!
//! In reading order:
//!
//! - [`dns`]: host names, looked up now and then.
//! - [`wire`]: the connections.
//! - [`body`]: the bodies of answers, in buffers that are used again.
//! - [`memory`]: the memory of these buffers, from the allocator or the system.

pub(crate) mod body;
mod dns;
mod memory;
pub(crate) mod wire;
