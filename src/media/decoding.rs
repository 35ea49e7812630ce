//! The packets of one stream made audio, for whoever listens.

use crate::audio::{Band, Codec, Decoder, Rebander};

/// The decoder of one stream, with room for a packet. It follows the packets in the order in which it gets them.
pub(super) struct Decoding {
    codec: Codec,
    decoder: Decoder,
    /// What the packet holds, in the codec's band.
    audio: Vec<i16>,
    rebander: Rebander,
    /// The same in the telephone band, where the codec has another.
    narrow: Vec<i16>,
}

impl Decoding {
    /// At the start of a stream.
    pub(super) fn new(codec: Codec) -> Self {
        Self {
            codec,
            decoder: Decoder::new(codec),
            audio: Vec::new(),
            rebander: Rebander::default(),
            narrow: Vec::new(),
        }
    }

    /// The audio of a packet, in the band of its codec.
    pub(super) fn decode(&mut self, codec: Codec, payload: &[u8]) -> &[i16] {
        if self.codec != codec {
            self.turn_to(codec);
        }
        self.audio.clear();
        self.decoder.decode(payload, &mut self.audio);
        &self.audio
    }

    /// The stream goes on in another codec; its memory is kept.
    fn turn_to(&mut self, codec: Codec) {
        if self.codec.band() != codec.band() {
            self.rebander = Rebander::default();
        }
        self.codec = codec;
        self.decoder = Decoder::new(codec);
    }

    /// What was decoded last, in the telephone band. To be asked for once.
    pub(super) fn narrow(&mut self) -> &[i16] {
        let band = self.codec.band();
        if band == Band::Narrow {
            return &self.audio;
        }
        self.narrow.clear();
        self.rebander.pass(&self.audio, band, Band::Narrow, &mut self.narrow);
        &self.narrow
    }
}
