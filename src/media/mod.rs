//! Media of one leg: SDP, RTP, RTCP, telephone-events, players. No I/O.
