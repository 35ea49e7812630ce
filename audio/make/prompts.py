"""Makes the recordings of one language from the catalogue and the words. See README.md beside this file.

Usage: prompts.py LANGUAGE CATALOGUE MODEL.onnx VOCABULARY.json VOICES_FOLDER AUDIO_FOLDER [KEY …]
       prompts.py --beside CATALOGUE_OF_THE_SHARED LANGUAGE CATALOGUE … (as above)

Without keys, what is there already is left alone. `--beside`: for an application that has recordings of its
own only for what the shared catalogue lacks or says in other words.
"""

from pathlib import Path
import json
import re
import subprocess
import sys

import numpy as np
import onnxruntime
import yaml

import telephone
import words

VOICE_RATE = 24000
VOICES = {"en-GB": ("bf_emma", "en-gb"), "es-ES": ("ef_dora", "es")}
# How espeak's names of sounds are spelled in the alphabet that the model learned.
SOUNDS = {
    "d^ʒ": "ʤ", "t^ʃ": "ʧ", "t^s": "ʦ", "d^z": "ʣ", "a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "ɔ^ɪ": "Y",
    "ə^ʊ": "Q", "o^ʊ": "O", "e^ə": "ɛː", "ə^l": "ᵊl",
}
SOUNDS_OF = {"en-GB": {"eə": "ɛː", "ɐ": "ə", "ɚ": "əɹ", "r": "ɹ", "x": "k", "ʔ": "t"}, "es-ES": {}}
# Style rows of single words that come out unclear at the usual one (found by listening with a recogniser).
STYLES = {
    "en-GB": {"numbers/8": 60, "digits/8": 60, "dates/day-8": 60},
    "es-ES": {"numbers/8": 60, "digits/8": 60, "dates/day-8": 60},
}
# A text of fewer sounds than this is slurred unless it ends like a sentence.
SHORT = 12
# What the phonemizer would read wrongly.
READ_AS = {
    "en-GB": {"PIN": "pin", "Countersign": "counter sign", "I T ": "eye tee "},
    # A breath before it keeps a vowel at the start clean.
    "es-ES": {"Example Bank": "Egsámpol Bank", "Example Limited": "Egsámpol Límited", "Riverside": "Ríversaid"}
    | {f"^{word}$": f", {word}" for word in "uno una un ocho once".split()},
}


def closing(text, start):
    """Where the brace at `start` closes."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return at
    raise ValueError(f"a brace is not closed: {text}")


def split(text, number=None):
    """The text between placeholders, values, and plurals, as the engine splits them."""
    at = start = 0
    while at < len(text):
        if text.startswith("${", at):
            end = closing(text, at + 1) + 1
        elif text[at] == number:
            end = at + 1
        else:
            at += 1
            continue
        if re.search(r"\w", text[start:at]):
            yield "text", text[start:at]
        plural = re.match(r"[^,]*,\s*plural\s*,", text[at + 2 : end])
        yield ("plural", text[at + 2 + plural.end() : end - 1]) if plural else ("value", text[at:end])
        at = start = end
    if re.search(r"\w", text[start:]):
        yield "text", text[start:]


def forms(plural):
    """Each form of a plural with its words."""
    at = 0
    while "{" in plural[at:]:
        open_ = plural.index("{", at)
        end = closing(plural, open_)
        yield plural[at:open_].strip().lstrip("="), plural[open_ + 1 : end]
        at = end + 1


def texts(catalogue):
    """The prompts that are spoken, by key."""
    for key, text in yaml.safe_load(catalogue.read_text())["prompts"].items():
        if key.endswith("_sms"):
            continue
        yield key, text if isinstance(text, str) else text["text"]
        if not isinstance(text, str) and "heard" in text:
            yield f"{key}-heard", text["heard"]


def recorded(text):
    """What is recorded of a text: all but its values."""
    return [segment if segment[0] != "value" else None for segment in split(text)]


def recordings(language, catalogue, shared=None):
    """Name and text of every recording, the prompts first; the words only where they are shared."""
    there = {} if shared is None else dict(texts(shared))
    for key, text in texts(catalogue):
        if key in there and recorded(there[key]) == recorded(text):
            continue
        segments = list(split(text))
        if [kind for kind, _ in segments] == ["text"]:
            yield key, text
            continue
        parts = [segment for segment in segments if segment[0] != "value"]
        for number, (kind, part) in enumerate(parts, start=1):
            if kind == "text":
                yield f"{key}-{number}", part.strip().lstrip(".,; ")
                continue
            for form, words_of_form in forms(part):
                said = [stretch for kind, stretch in split(words_of_form, number="#") if kind == "text"]
                for at, stretch in enumerate(said, start=1):
                    suffix = f"-{at}" if len(said) > 1 else ""
                    yield f"{key}-{number}-{form}{suffix}", stretch.strip().lstrip(".,; ")
    if shared is None:
        yield from words.of(language).items()


def phonemes(text, language):
    """Between marks of punctuation by espeak; the marks are kept, for they shape the melody."""
    for written, read in READ_AS[language].items():
        text = re.sub(written, read, text)
    out = ""
    for piece in re.findall(r"[^.,;:?!¿¡]+|[.,;:?!]", text):
        if piece in ".,;:?!":
            out = out.rstrip() + piece + " "
            continue
        command = ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", VOICES[language][1], piece.strip()]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        out += " ".join(said.split()) + " "
    for before, after in (SOUNDS | SOUNDS_OF[language]).items():
        out = out.replace(before, after)
    return out.replace("^", "").strip()


class Voice:
    def __init__(self, language, model, vocabulary, voices):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(model), sess_options=options)
        self.vocabulary = json.loads(vocabulary.read_text())["vocab"]
        name = VOICES[language][0]
        self.styles = np.fromfile(voices / f"{name}.bin", np.float32).reshape(-1, 256)

    def say(self, sounds, row=None):
        if len(sounds) < SHORT and not sounds.endswith("."):
            sounds += "."
        tokens = [self.vocabulary[sound] for sound in sounds if sound in self.vocabulary]
        # The style is chosen by length; that of very short texts is hasty.
        style = self.styles[row or min(max(len(tokens), 24), len(self.styles) - 1)]
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style[None],
            "speed": np.array([0.95], np.float32),
        }
        return self.session.run(None, inputs)[0].ravel().astype(np.float64)


def main(language, catalogue, model, vocabulary, voices, audio, *only, shared=None):
    voice = Voice(language, Path(model), Path(vocabulary), Path(voices))
    for name, text in recordings(language, Path(catalogue), shared):
        path = Path(audio) / language / f"{name}.wav"
        if (name not in only) if only else path.exists():
            continue
        sounds = phonemes(text, language)
        # An "s" lies above the telephone band: silence is told from speech before the band is cut.
        wave = telephone.trim(voice.say(sounds, STYLES[language].get(name)), VOICE_RATE)
        wave = telephone.level(telephone.band(wave, VOICE_RATE))
        telephone.write(path, wave)
        print(f"{name}\t{len(wave) / telephone.RATE:.2f} s\t{text}\t{sounds}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--beside":
        main(*sys.argv[3:], shared=Path(sys.argv[2]))
    else:
        main(*sys.argv[1:])
