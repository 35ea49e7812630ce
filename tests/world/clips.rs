//! The recordings of a world.

use std::sync::Arc;

use countersign::audio::Clip;
use countersign::call::ClipSource;
use countersign::flow::ClipKey;

/// Every recording exists; each is a fifth of a second long, music two seconds.
struct EveryClip(Arc<Clip>, Arc<Clip>);

impl ClipSource for EveryClip {
    fn clip(&self, key: &ClipKey) -> Option<Arc<Clip>> {
        let long = key.as_str().starts_with("music/") || key.as_str().starts_with("tones/");
        Some(Arc::clone(if long { &self.1 } else { &self.0 }))
    }
}

pub fn every_clip() -> Arc<dyn ClipSource> {
    let clip = |sample, count| Arc::new(Clip::from_pcm(&vec![sample; count]));
    Arc::new(EveryClip(clip(1000, 1600), clip(500, 16_000)))
}
