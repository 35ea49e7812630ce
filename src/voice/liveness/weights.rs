//! What was learnt of joins, by `tests/liveness`, from half of the speakers of the corpus.

use super::joins::{TRAITS, Weights};

/// The weights. The bias is such that one natural string in twenty, of those it was learnt from, has a score above 60.
pub(super) const fn learnt() -> Weights {
    Weights { mean: MEAN, weight: WEIGHT, bias: BIAS }
}

const MEAN: [f32; TRAITS] = [
    25.587982, 8.902926, 6.474347, 7.908171, 0.24991697, 0.18344466, 7.8809347, 2.65803, 12.454724,
    4.2797675, 10.243645, 3.4461975, 2.777226, 0.42035672, 5.073505, 2.106667, 3.4824936, 1.2868136,
    5.534998, 3.2951806, -0.1938543, 6.196491, 0.5220618, 0.22200997,
];
const WEIGHT: [f32; TRAITS] = [
    0.056877993,
    -0.009774343,
    0.10218687,
    0.049641833,
    -1.3323566,
    1.9910179,
    0.27464756,
    0.33557278,
    0.087401725,
    0.023194242,
    -0.03484734,
    -0.19128162,
    0.35918462,
    -0.4063261,
    -0.052288923,
    -0.1595578,
    0.6151927,
    -0.29247555,
    0.12573181,
    -0.12599787,
    0.15003224,
    0.10432807,
    2.6726677,
    3.0589554,
];
const BIAS: f32 = 0.5784215;
