"""From a voice's 24 kHz to a telephone recording: trimmed, band-limited, even in loudness, µ-law."""

import struct
import subprocess

import numpy as np

RATE = 8000
RMS_AT_0_DBM0 = 16017.0  # ITU-T G.711: the digital milliwatt in sixteen bits
SPEECH_DBM0 = -20.0
PEAK = 30000.0


def trim(wave, rate, pad_seconds=0.05):
    """Cuts silence, save for 50 ms at both ends: what lies 38 dB below the loudest 10 ms, and breaths and
    clicks, which are faint (24 dB below) and stand apart by more than 100 ms."""
    size = rate // 100
    frames = wave[: len(wave) // size * size].reshape(-1, size)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = np.where(level > level.max() * 10 ** (-38 / 20))[0]
    runs = np.split(loud, np.where(np.diff(loud) > 10)[0] + 1)
    clear = [at for at, run in enumerate(runs) if level[run].max() > level.max() * 10 ** (-24 / 20)]
    pad = int(pad_seconds * rate)
    start, end = runs[clear[0]][0] * size, (runs[clear[-1]][-1] + 1) * size
    head, tail = np.zeros(max(0, pad - start)), np.zeros(max(0, end + pad - len(wave)))
    out = np.concatenate([head, wave[max(0, start - pad) : end + pad], tail])
    ramp = np.linspace(0, 1, pad // 2)
    out[: len(ramp)] *= ramp
    out[-len(ramp) :] *= ramp[::-1]
    return out


def band(wave, rate):
    """300–3400 Hz at 8,000 samples a second, by sox."""
    command = ["sox", "-t", "f32", "-r", str(rate), "-c", "1", "-", "-t", "f32", "-r", str(RATE), "-"]
    command += ["sinc", "-t", "150", "300-3400", "rate", "-v"]
    sound = (wave / max(1e-9, np.abs(wave).max()) * 0.5).astype("<f4").tobytes()
    return np.frombuffer(subprocess.run(command, input=sound, capture_output=True, check=True).stdout, "<f4")


def active_rms(wave):
    """RMS of the 20 ms frames within 25 dB of the loudest: speech without its pauses."""
    frames = [wave[at : at + 160] for at in range(0, len(wave), 160)]
    level = np.array([np.sqrt((frame**2).mean()) for frame in frames])
    active = np.concatenate([f for f, l in zip(frames, level) if l >= level.max() * 10 ** (-25 / 20)])
    return np.sqrt((active**2).mean())


def level(wave, dbm0=SPEECH_DBM0):
    """Sixteen-bit samples with the active level wanted; quieter only where a peak would clip."""
    wave = wave * (RMS_AT_0_DBM0 * 10 ** (dbm0 / 20) / active_rms(wave))
    return wave * min(1.0, PEAK / np.abs(wave).max())


def mu_law(wave):
    """ITU-T G.711."""
    samples = np.round(wave).astype(np.int64)
    biased = np.minimum(np.abs(samples), 32635) + 132
    segment = np.floor(np.log2(biased)).astype(np.int64) - 7
    octets = (segment << 4) | ((biased >> (segment + 3)) & 0x0F)
    return (~(octets | np.where(samples < 0, 0x80, 0)) & 0xFF).astype(np.uint8).tobytes()


def write(path, wave):
    """A µ-law WAV file of samples in sixteen bits at 8,000 Hz."""
    data = mu_law(wave)
    padding = b"\0" * (len(data) % 2)
    form = struct.pack("<HHIIHHH", 7, 1, RATE, RATE, 1, 8, 0)
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form
    body += b"fact" + struct.pack("<II", 4, len(data)) + b"data" + struct.pack("<I", len(data)) + data + padding
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
