//! The fields of what makes a call suspect.

use super::files::{may, must};
use crate::flow::step::Shape;

const SIGNAL: Shape = Shape::Object(&[
    must("when", Shape::Expression, "when it is there"),
    may("add", Shape::Count { min: 0, max: 1000 }, "how many points it adds"),
    may("blocks", Shape::Factors, "factors that are not offered then"),
]);
const POINTS: Shape = Shape::Count { min: 0, max: 1000 };
const BAND: Shape = Shape::OneOf(&[
    POINTS,
    Shape::Object(&[
        must("from", POINTS, "how many points it begins at"),
        may(
            "needs",
            Shape::Map("a level", &Shape::Level),
            "levels, each with the higher one that is needed then",
        ),
        may("blocks", Shape::Factors, "factors that are not offered then"),
        may("goto", Shape::Block, "a block of the main flow that `risk: assess` leads to then"),
    ]),
]);
pub(super) const RISK: Shape = Shape::Object(&[
    must("signals", Shape::Map("a signal", &SIGNAL), "what adds points"),
    may("bands", Shape::Map("a band", &BAND), "what points add up to, and what follows; lowest first"),
    may(
        "service",
        Shape::Object(&[
            must("call", Shape::Text, "a call of services.yaml that replies with points"),
            may("give", Shape::Values, "its arguments"),
            may("field", Shape::Text, "the field of its reply that has the points; `score` when left out"),
            may("timeout", Shape::Duration, "how long it may take; 2s when left out, 5s at most"),
            must("default", POINTS, "the points when it does not answer"),
        ]),
        "somebody else who is asked for points",
    ),
    may(
        "mode",
        Shape::Choice(&["enforce", "observe"]),
        "`observe`: only told in the record, nothing is done",
    ),
]);
