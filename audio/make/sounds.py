"""Tones and the music on hold, made of sines: nobody's recording."""

from pathlib import Path
import sys

import numpy as np

import telephone

RATE = telephone.RATE


def tone(hertz, seconds, dbm0=-13.0):
    """One or more sines, each at the level, with soft ends."""
    time = np.arange(int(seconds * RATE)) / RATE
    amplitude = telephone.RMS_AT_0_DBM0 * 2**0.5 * 10 ** (dbm0 / 20)
    wave = amplitude * sum(np.sin(2 * np.pi * f * time) for f in hertz)
    ramp = np.linspace(0, 1, 40)
    wave[:40] *= ramp
    wave[-40:] *= ramp[::-1]
    return wave


def silence(seconds):
    return np.zeros(int(seconds * RATE))


def pluck(hertz, seconds):
    """A soft bell-like string: a few partials that fade at their own speed."""
    time = np.arange(int(seconds * RATE)) / RATE
    wave = np.zeros_like(time)
    for partial, share in ((1, 1.0), (2, 0.45), (3, 0.2), (4, 0.08)):
        if hertz * partial < 3300:
            wave += share * np.sin(2 * np.pi * hertz * partial * time) * np.exp(-time * (1.6 + 1.1 * partial))
    attack = np.minimum(1.0, time / 0.012)
    return wave * attack


def pad(chord, seconds):
    """A quiet organ-like chord that swells and sinks."""
    time = np.arange(int(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * f * time) + 0.3 * np.sin(4 * np.pi * f * time + 0.4) for f in chord)
    return wave * np.sin(np.pi * time / seconds) ** 0.7


def hertz(note):
    """Equal temperament; 69 is the A of 440 Hz."""
    return 440.0 * 2 ** ((note - 69) / 12)


def hold_music():
    """Eight bars of 3 s: a broken chord over a pad. Its end runs into its beginning, so it can loop."""
    chords = [
        (60, 64, 67, 71), (57, 60, 64, 67), (62, 65, 69, 72), (55, 59, 62, 65),
        (64, 67, 71, 74), (57, 60, 64, 69), (65, 69, 72, 76), (55, 62, 65, 71),
    ]
    patterns = [(0, 1, 2, 3, 2, 1), (0, 2, 1, 3, 1, 2)]
    bar, beat = 3.0, 0.5
    length = int(len(chords) * bar * RATE)
    music = np.zeros(length)

    def add(wave, seconds):
        at = (int(seconds * RATE) + np.arange(len(wave))) % length
        np.add.at(music, at, wave)

    for number, chord in enumerate(chords):
        start = number * bar
        add(0.10 * pad([hertz(note) for note in chord[:3]], bar * 1.3), start)
        add(0.50 * pluck(hertz(chord[0]), 2.5), start)
        for step, index in enumerate(patterns[number % 2]):
            add(0.42 * pluck(hertz(chord[index] + 12), 2.0), start + step * beat)
    return telephone.level(music, -24.0)


def main(audio):
    error = np.concatenate([tone([f], 0.33) for f in (950, 1400, 1800)] + [silence(1.0)])
    sounds = {
        "tones/beep": tone([1000], 0.25),
        "tones/ringback": np.concatenate([tone([425], 1.0), silence(4.0)]),
        "tones/busy": np.concatenate([tone([425], 0.5), silence(0.5)]),
        "tones/error": error,
        "pause/short": silence(0.15),
        "pause/long": silence(0.4),
        "music/hold": hold_music(),
    }
    for name, wave in sounds.items():
        telephone.write(audio / f"{name}.wav", wave)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
