"""What FFmpeg makes of sound and libsrtp of packets: chunks from standard input, each answered by one on standard output.

A chunk is its length in two octets and that many octets. Sound is 16-bit little-endian at 8000 Hz, 20 ms a chunk.

    coder.py encode|decode CODEC
    coder.py protect|unprotect|unprotect_rtcp SUITE KEY_IN_BASE64
"""

import base64
import struct
import sys

CODECS = {
    "PCMU": ("pcm_mulaw", 8000),
    "PCMA": ("pcm_alaw", 8000),
    "G722": ("g722", 16000),
    "L16": ("pcm_s16be", 8000),
    "opus": ("libopus", 48000),
}


def chunks():
    while head := sys.stdin.buffer.read(2):
        yield sys.stdin.buffer.read(struct.unpack("!H", head)[0])


def give(octets):
    sys.stdout.buffer.write(struct.pack("!H", len(octets)) + octets)


def sound(frames):
    return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)


def coder(what, codec):
    import av

    name, rate = CODECS[codec]
    context = av.CodecContext.create(name, "w" if what == "encode" else "r")
    context.sample_rate, context.layout = rate, "mono"
    if what == "encode":
        context.format = "s16"
    resampler = av.AudioResampler("s16", "mono", rate if what == "encode" else 8000, rate // 50 if what == "encode" else None)
    at = 0
    for chunk in chunks():
        if what == "decode":
            frames = context.decode(av.Packet(chunk))
            give(sound(out for frame in frames for out in resampler.resample(frame)))
            continue
        frame = av.AudioFrame("s16", "mono", len(chunk) // 2)
        frame.sample_rate, frame.pts = 8000, at
        at += frame.samples
        frame.planes[0].update(chunk)
        packets = [packet for out in resampler.resample(frame) for packet in context.encode(out)]
        for packet in packets:
            give(bytes(packet))


def srtp(what, suite, key):
    import pylibsrtp

    profiles = {
        "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
        "AES_CM_128_HMAC_SHA1_32": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
        "AEAD_AES_128_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    }
    ssrc = pylibsrtp.Policy.SSRC_ANY_OUTBOUND if what == "protect" else pylibsrtp.Policy.SSRC_ANY_INBOUND
    policy = pylibsrtp.Policy(key=base64.b64decode(key), ssrc_type=ssrc, srtp_profile=profiles[suite])
    session = pylibsrtp.Session(policy=policy)
    for chunk in chunks():
        give(getattr(session, what)(chunk))


what, *rest = sys.argv[1:]
(coder if what in ("encode", "decode") else srtp)(what, *rest)
