//! Audio of the telephone band: codecs, tones, files, levels.
