//! The messages of the service, generated from `proto/tunnel_service.proto`.

#![expect(unreachable_pub, reason = "generated code knows no other visibility")]

include!(concat!(env!("OUT_DIR"), "/protocol.rs"));
