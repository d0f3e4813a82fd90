//! The HTTP client: connections, host names, and the bodies of answers.
//!
//! In reading order:
//!
//! - [`exchange`]: the seam to the HTTP client: a signed request goes out, the head of
//!   its answer comes back.
//! - [`dns`]: host names, looked up now and then.
//! - [`wire`]: the connections.
//! - [`body`]: the bodies of answers, in buffers that are used again.
//! - [`memory`]: the memory of these buffers, from the allocator or the system.
//! - `simulated` (`--cfg simulation` only): a service without sockets.

pub(crate) mod body;
mod dns;
pub(crate) mod exchange;
mod memory;
#[cfg(simulation)]
pub(crate) mod simulated;
pub(crate) mod wire;
