//! Authentication: claims, factors, levels, policy, grants. Knows neither SIP nor audio.
