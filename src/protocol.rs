//! The messages of the service, generated from `proto/tunnel_service.proto`.

#![expect(missing_docs, reason = "generated from messages without comments")]

include!(concat!(env!("OUT_DIR"), "/protocol.rs"));
