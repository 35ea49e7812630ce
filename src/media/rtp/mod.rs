//! RTP (RFC 3550), RTCP and telephone-events (RFC 4733): the parts a media session is made of.

pub mod jitter;
pub mod packet;
mod pause;
pub mod reception;
pub mod rtcp;
pub mod seq;
pub mod telephone_event_receive;
pub mod telephone_event_send;
