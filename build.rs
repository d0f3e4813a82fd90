//! Turns `proto/` into Rust with protox, so that no `protoc` is needed.

use std::error::Error;

const PROTO: &str = "proto/tunnel_service.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let descriptors = protox::compile([PROTO], ["proto"])?;
    prost_build::Config::new()
        // Records stay windows into the body that was read.
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
