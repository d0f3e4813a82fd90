//! Compiles `proto/` to Rust with protox, which needs no installed `protoc`.

use std::error::Error;

const PROTO: &str = "proto/tunnel_service.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let descriptors = protox::compile([PROTO], ["proto"])?;
    prost_build::Config::new()
        // Bytes fields become views into the response body instead of copies.
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
