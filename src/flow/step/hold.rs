//! `hold`: let the caller wait with music.

use std::time::{Duration, Instant};

use crate::flow::ClipKey;
use crate::flow::document::fields;
use crate::flow::run::{FlowRun, News, Waiting};
use super::{FieldSpec, Node, Reader, Shape, Spec, StepKind};

pub(super) const SPEC: Spec = Spec {
    verb: "hold",
    summary: "Plays music for a while, and goes on.",
    argument: Shape::Nothing,
    fields: &[
        FieldSpec::optional("music", Shape::Text, "a recording below `audio/music/`; `hold` when left out"),
        FieldSpec::required("for", Shape::Duration, "how long; ten minutes at most"),
    ],
    outcomes: &[],
    needs_caller: true,
    input: false,
    example: r#"- hold:
  music: hold
  for: 20s
"#,
    read,
};

/// `hold`
#[derive(Debug)]
pub struct Hold {
    /// What plays.
    pub music: ClipKey,
    /// How long.
    pub lasts: Duration,
}

/// Longer, and nobody is there any more.
const LONGEST: Duration = Duration::from_secs(10 * 60);

impl Node for Hold {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn clips(&self) -> Vec<ClipKey> {
        vec![self.music.clone()]
    }

    fn begin(&self, run: &mut FlowRun, now: Instant) {
        run.start_playing(vec![self.music.clone()], true);
        run.wait(Box::new(Holding { until: now + self.lasts }));
    }
}

struct Holding {
    until: Instant,
}

impl Waiting for Holding {
    fn deadline(&self) -> Instant {
        self.until
    }

    fn told(self: Box<Self>, run: &mut FlowRun, _now: Instant, news: News) {
        match news {
            News::Timeout => {
                run.stop_playing();
                run.next_step();
            }
            // Music that is not there has ended already; the time counts all the same.
            _ => run.wait(self),
        }
    }
}

fn read(step: &mut Reader<'_, '_, '_>) -> Option<StepKind> {
    if !step.argument.is_empty() {
        step.error("E115", &step.argument.place.clone(), "`hold` takes no argument", "write `- hold:` and `for: 20s` below it");
        return None;
    }
    let music = match step.get("music") {
        Some(node) => fields::name(node, "music", step.build.findings)?,
        None => "hold".to_owned(),
    };
    let node = step.need("for")?;
    let lasts = fields::duration(node, "for", step.build.findings)?;
    if lasts.is_zero() || lasts > LONGEST {
        step.error("E153", &node.place.clone(), "nobody holds for that long", "write a time from a second to ten minutes, such as `20s`");
        return None;
    }
    Some(StepKind::Hold(Hold { music: ClipKey::new(format!("music/{music}")), lasts }))
}
