//! The messages of the service, generated from `proto/tunnel_service.proto`.

#![expect(unreachable_pub, reason = "generated code knows no other visibility")]
#![expect(
    clippy::enum_variant_names,
    reason = "the protocol's names, PUT_ROW and its like"
)]

include!(concat!(env!("OUT_DIR"), "/protocol.rs"));
