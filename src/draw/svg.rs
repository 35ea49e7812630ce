//! The picture as SVG: a file by itself, for a page, a README or a wall; light or dark as its reader likes it.

use std::fmt::Write;

use super::layout::{Arranged, Line, Point, Rect, Route, Size, arrange};
use super::picture::{Box, Panel, Picture, Shape};
use super::text::{cut, width, xml};

/// The colours of a level, in a light and a dark picture.
pub(super) struct Colour {
    pub(super) strong: &'static str,
    pub(super) light: &'static str,
    dark: &'static str,
}

/// Nothing proved; then from the lowest level to the highest.
const NOTHING: Colour = Colour { strong: "#94a3b8", light: "#f1f5f9", dark: "#334155" };
const LEVELS: [Colour; 4] = [
    Colour { strong: "#38bdf8", light: "#e0f2fe", dark: "#0c4a6e" },
    Colour { strong: "#14b8a6", light: "#ccfbf1", dark: "#134e4a" },
    Colour { strong: "#22c55e", light: "#dcfce7", dark: "#14532d" },
    Colour { strong: "#16a34a", light: "#bbf7d0", dark: "#166534" },
];

/// One for nothing proved and one for each level; the lowest and the highest always look the same.
pub(super) fn colours(levels: usize) -> Vec<&'static Colour> {
    let last = LEVELS.len() - 2;
    let of = |at: usize| match levels {
        1 => last,
        levels => (at * last) / (levels - 1).max(1),
    };
    std::iter::once(&NOTHING).chain((0..levels).filter_map(|at| LEVELS.get(of(at)))).collect()
}

const TITLE: f64 = 13.0;
const TEXT: f64 = 11.0;
const LABEL: f64 = 10.5;
/// Header of a box, and the height of one line in it.
const HEADER: f64 = 26.0;
const LEADING: f64 = 15.5;
/// Around the picture, and inside of a panel.
const MARGIN: f64 = 24.0;
const INSIDE: f64 = 26.0;
/// Characters of one line of a box, and of a label.
const MOST_LINE: usize = 34;
const MOST_LABEL: usize = 30;

/// The picture as a file.
#[must_use]
pub fn svg(picture: &Picture) -> String {
    let mut out = String::new();
    // Writing to a `String` can't fail.
    _ = Drawing { picture, colours: colours(picture.levels.len()) }.write(&mut out);
    out
}

struct Drawing<'p> {
    picture: &'p Picture,
    colours: Vec<&'static Colour>,
}

/// A panel with its place.
struct Placed<'p> {
    panel: &'p Panel,
    drawn: Arranged,
    rect: Rect,
}

impl Drawing<'_> {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let top = MARGIN + 58.0;
        let (placed, size) = self.panels(top);
        let width = (size.width + MARGIN).max(560.0);
        let height = size.height + MARGIN;
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\">"
        )?;
        writeln!(out, "<title>{}</title>", xml(&self.picture.title))?;
        self.style(out)?;
        writeln!(out, "<rect class=\"page\" width=\"100%\" height=\"100%\"/>")?;
        self.heading(out)?;
        for placed in &placed {
            self.panel(placed, out)?;
        }
        writeln!(out, "</svg>")
    }

    fn style(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path class=\"tip\" d=\"M0 .8 7 4 0 7.2Z\"/></marker></defs>"
        )?;
        writeln!(out, "<style>")?;
        writeln!(out, "text{{font-family:Inter,'Segoe UI',Helvetica,Arial,sans-serif;fill:#0f172a}}")?;
        writeln!(out, ".page{{fill:#ffffff}} .panel{{fill:#f8fafc;stroke:#e2e8f0}} .soft{{fill:#64748b}}")?;
        writeln!(out, ".box{{fill:#ffffff}} .pill{{fill:#ffffff;stroke:#64748b}} .label{{fill:#f8fafc}}")?;
        writeln!(out, ".line{{fill:none;stroke:#64748b;stroke-width:1.3}} .back{{stroke-dasharray:5 4}}")?;
        writeln!(out, ".tip{{fill:#64748b}} .guard{{fill:#0f172a}} .guarded{{fill:#ffffff}}")?;
        for (level, colour) in self.colours.iter().enumerate() {
            writeln!(out, ".s{level}{{stroke:{}}} .h{level}{{fill:{}}}", colour.strong, colour.light)?;
        }
        writeln!(out, "@media (prefers-color-scheme:dark){{")?;
        writeln!(out, "text{{fill:#e2e8f0}} .page{{fill:#0b1120}} .panel{{fill:#111827;stroke:#1f2937}}")?;
        writeln!(out, ".soft{{fill:#94a3b8}} .box,.pill{{fill:#1e293b}} .label{{fill:#111827}}")?;
        writeln!(
            out,
            ".line{{stroke:#94a3b8}} .tip{{fill:#94a3b8}} .guard{{fill:#e2e8f0}} .guarded{{fill:#0b1120}}"
        )?;
        for (level, colour) in self.colours.iter().enumerate() {
            writeln!(out, ".h{level}{{fill:{}}}", colour.dark)?;
        }
        writeln!(out, "}}\n</style>")
    }

    /// The title and what the colours mean.
    fn heading(&self, out: &mut String) -> std::fmt::Result {
        let title = cut(&self.picture.title, 80);
        text(out, MARGIN, MARGIN + 14.0, 19.0, "font-weight=\"600\"", &title)?;
        let names = std::iter::once("nothing proved").chain(self.picture.levels.iter().map(String::as_str));
        let mut x = MARGIN;
        let y = MARGIN + 38.0;
        for (level, name) in names.enumerate() {
            let name = cut(name, MOST_LABEL);
            writeln!(
                out,
                "<rect class=\"h{level} s{level}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"14\" height=\"14\" rx=\"3\"/>",
                y - 11.0
            )?;
            text(out, x + 20.0, y, TEXT, "", &name)?;
            x += 34.0 + width(&name, TEXT);
        }
        shield(out, x + 6.0, y - 4.0)?;
        text(out, x + 18.0, y, TEXT, "", "needs that level")?;
        x += 36.0 + width("needs that level", TEXT);
        for note in &self.picture.notes {
            text(out, x, y, TEXT, "class=\"soft\"", note)?;
            x += 18.0 + width(note, TEXT);
        }
        Ok(())
    }

    /// The main flow at the left, the others in a column beside it.
    fn panels(&self, top: f64) -> (Vec<Placed<'_>>, Size) {
        let mut placed: Vec<Placed<'_>> = Vec::new();
        let (mut x, mut y) = (MARGIN, top);
        let mut column = 0.0_f64;
        let mut size = Size { width: 0.0, height: 0.0 };
        let mut tallest = 0.0_f64;
        for (at, panel) in self.picture.panels.iter().enumerate() {
            let drawn = arrange_panel(panel);
            let wide = (drawn.size.width + 2.0 * INSIDE).max(width(&panel.title, TITLE) + 2.0 * INSIDE);
            let high = drawn.size.height + 2.0 * INSIDE + 14.0;
            // A new column when this one would be longer than the main flow.
            if at == 1 || (at > 1 && y + high > top + tallest) {
                (x, y, column) = (x + column + MARGIN, top, 0.0);
            }
            let rect = Rect { x, y, size: Size { width: wide, height: high } };
            column = column.max(wide);
            tallest = tallest.max(if at == 0 { high } else { 0.0 });
            size.width = size.width.max(x + wide);
            size.height = size.height.max(y + high);
            y += high + MARGIN;
            placed.push(Placed { panel, drawn, rect });
        }
        (placed, size)
    }

    fn panel(&self, placed: &Placed<'_>, out: &mut String) -> std::fmt::Result {
        let Rect { x, y, size } = placed.rect;
        writeln!(
            out,
            "<g><rect class=\"panel\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"12\"/>",
            size.width, size.height
        )?;
        text(
            out,
            x + 16.0,
            y + 23.0,
            TITLE,
            "class=\"soft\" font-weight=\"600\"",
            &cut(&placed.panel.title, 60),
        )?;
        let left = x + (size.width - placed.drawn.size.width) / 2.0;
        writeln!(out, "<g transform=\"translate({left:.1} {:.1})\">", y + INSIDE + 14.0)?;
        for (jump, route) in placed.panel.jumps.iter().zip(&placed.drawn.routes) {
            let name = |at: usize| placed.panel.boxes.get(at).map_or("", |drawn| drawn.title.as_str());
            writeln!(out, "<g data-jump=\"{} {}\">", xml(name(jump.from)), xml(name(jump.to)))?;
            if jump.from == jump.to {
                self.around(placed, jump.from, out)?;
            } else {
                curve(route, out)?;
            }
            writeln!(out, "</g>")?;
        }
        for (jump, route) in placed.panel.jumps.iter().zip(&placed.drawn.routes) {
            if let Some(rect) = route.label {
                label(rect, &jump.when, out)?;
            }
        }
        for (drawn, rect) in placed.panel.boxes.iter().zip(&placed.drawn.boxes) {
            writeln!(out, "<g data-box=\"{}\">", xml(&drawn.title))?;
            self.block(drawn, *rect, out)?;
            writeln!(out, "</g>")?;
        }
        writeln!(out, "</g></g>")
    }

    /// A line from a box to itself.
    fn around(&self, placed: &Placed<'_>, at: usize, out: &mut String) -> std::fmt::Result {
        let Some(rect) = placed.drawn.boxes.get(at) else { return Ok(()) };
        let (x, y) = (rect.x + rect.size.width, rect.y + rect.size.height / 2.0);
        writeln!(
            out,
            "<path class=\"line back\" marker-end=\"url(#tip)\" d=\"M{x:.1} {:.1}c16 -2 16 18 1 16\"/>",
            y - 8.0
        )
    }

    fn block(&self, drawn: &Box, rect: Rect, out: &mut String) -> std::fmt::Result {
        let Rect { x, y, size } = rect;
        let middle = x + size.width / 2.0;
        if drawn.shape != Shape::Block {
            let dash = if drawn.shape == Shape::End { "" } else { " stroke-dasharray=\"3 3\"" };
            writeln!(
                out,
                "<rect class=\"pill\"{dash} x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{:.1}\"/>",
                size.width,
                size.height,
                size.height / 2.0
            )?;
            let name = cut(&drawn.title, MOST_LINE);
            return text(out, middle, y + size.height / 2.0 + 4.0, TEXT, "text-anchor=\"middle\"", &name);
        }
        let level = drawn.level.min(self.picture.levels.len());
        let corner = format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\"", size.width);
        writeln!(out, "<rect class=\"box\" {corner} height=\"{:.1}\" rx=\"8\"/>", size.height)?;
        let header = if size.height > HEADER {
            format!(
                "<path class=\"h{level}\" d=\"M{x:.1} {:.1}v-{:.1}a8 8 0 0 1 8 -8h{:.1}a8 8 0 0 1 8 8v{:.1}z\"/>",
                y + HEADER,
                HEADER - 8.0,
                size.width - 16.0,
                HEADER - 8.0
            )
        } else {
            format!("<rect class=\"h{level}\" {corner} height=\"{:.1}\" rx=\"8\"/>", size.height)
        };
        writeln!(out, "{header}")?;
        writeln!(
            out,
            "<rect class=\"s{level}\" fill=\"none\" stroke-width=\"1.6\" {corner} height=\"{:.1}\" rx=\"8\"/>",
            size.height
        )?;
        text(out, x + 11.0, y + 17.5, TITLE, "font-weight=\"600\"", &cut(&drawn.title, MOST_LINE))?;
        if let Some(level) = &drawn.guard {
            let name = cut(level, 16);
            let from = x + size.width - 10.0;
            text(out, from, y + 17.0, LABEL, "text-anchor=\"end\"", &name)?;
            shield(out, from - width(&name, LABEL) - 9.0, y + 13.0)?;
        }
        let mut line = y + HEADER + 13.5;
        for words in &drawn.lines {
            text(out, x + 11.0, line, TEXT, "", &cut(words, MOST_LINE))?;
            line += LEADING;
        }
        for (chip, words) in drawn.chips.iter().zip(chips(drawn)) {
            let more = format!("class=\"soft\" data-jump=\"{} {}\"", xml(&drawn.title), xml(&chip.to));
            text(out, x + 11.0, line, LABEL, &more, &words)?;
            line += LEADING;
        }
        Ok(())
    }
}

/// Jumps that are told: `→ agent: give up, many`.
fn chips(drawn: &Box) -> Vec<String> {
    let chip = |chip: &super::picture::Chip| {
        let when = chip.when.join(", ");
        let words =
            if when.is_empty() { format!("→ {}", chip.to) } else { format!("→ {}: {when}", chip.to) };
        cut(&words, MOST_LINE + 4)
    };
    drawn.chips.iter().map(chip).collect()
}

fn arrange_panel(panel: &Panel) -> Arranged {
    let boxes: Vec<Size> = panel.boxes.iter().map(box_size).collect();
    let lines: Vec<Line> = panel
        .jumps
        .iter()
        .map(|jump| Line { from: jump.from, to: jump.to, label: label_size(&jump.when) })
        .collect();
    arrange(&boxes, &lines)
}

fn box_size(drawn: &Box) -> Size {
    // Bold letters are wider.
    let title = width(&cut(&drawn.title, MOST_LINE), TITLE) * 1.12;
    if drawn.shape != Shape::Block {
        return Size { width: width(&cut(&drawn.title, MOST_LINE), TEXT) + 26.0, height: 24.0 };
    }
    let guard = drawn.guard.as_ref().map_or(0.0, |level| width(&cut(level, 16), LABEL) + 30.0);
    let lines = drawn.lines.iter().map(|line| width(&cut(line, MOST_LINE), TEXT));
    let chips = chips(drawn);
    let told = chips.iter().map(|chip| width(chip, LABEL));
    let widest = lines.chain(told).fold(title + guard, f64::max);
    let count = u32::try_from(drawn.lines.len() + chips.len()).unwrap_or(u32::MAX);
    let body = if count == 0 { 0.0 } else { f64::from(count) * LEADING + 6.0 };
    Size { width: (widest + 22.0).max(92.0), height: HEADER + body }
}

/// The lines of a label.
fn words(when: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in when {
        match out.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < 22 => {
                line.push_str(", ");
                line.push_str(word);
            }
            _ => out.push(cut(word, MOST_LABEL)),
        }
    }
    out
}

fn label_size(when: &[String]) -> Size {
    let words = words(when);
    if words.is_empty() {
        return Size::default();
    }
    let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
    let wide = words.iter().map(|line| width(line, LABEL)).fold(0.0, f64::max);
    Size { width: wide + 8.0, height: f64::from(count) * 13.0 + 3.0 }
}

fn label(rect: Rect, when: &[String], out: &mut String) -> std::fmt::Result {
    let Rect { x, y, size } = rect;
    writeln!(
        out,
        "<rect class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\"/>",
        size.width, size.height
    )?;
    let mut line = y + 11.0;
    for words in words(when) {
        text(out, x + size.width / 2.0, line, LABEL, "text-anchor=\"middle\"", &words)?;
        line += 13.0;
    }
    Ok(())
}

/// A line through its points, leaving and arriving vertically.
fn curve(route: &Route, out: &mut String) -> std::fmt::Result {
    let mut points = route.points.iter();
    let Some(first) = points.next() else { return Ok(()) };
    let mut path = format!("M{:.1} {:.1}", first.x, first.y);
    let mut before: &Point = first;
    for point in points {
        if (point.x - before.x).abs() < 0.05 {
            write!(path, "L{:.1} {:.1}", point.x, point.y)?;
        } else {
            let middle = f64::midpoint(before.y, point.y);
            write!(
                path,
                "C{:.1} {middle:.1} {:.1} {middle:.1} {:.1} {:.1}",
                before.x, point.x, point.x, point.y
            )?;
        }
        before = point;
    }
    let back = if route.back { " back" } else { "" };
    writeln!(out, "<path class=\"line{back}\" marker-end=\"url(#tip)\" d=\"{path}\"/>")
}

/// A shield around this place.
fn shield(out: &mut String, x: f64, y: f64) -> std::fmt::Result {
    writeln!(
        out,
        "<g transform=\"translate({:.1} {:.1})\"><path class=\"guard\" d=\"M6 0 11.5 2v4.6c0 3.3-2.6 5.4-5.5 6.4C3.1 12 .5 \
         9.9.5 6.6V2Z\"/><path class=\"guarded\" d=\"m5.3 9.1-2.4-2.4 1.1-1.1 1.3 1.3 2.9-2.9 1.1 1.1Z\"/></g>",
        x - 6.0,
        y - 6.5
    )
}

fn text(out: &mut String, x: f64, y: f64, size: f64, more: &str, words: &str) -> std::fmt::Result {
    let space = if more.is_empty() { "" } else { " " };
    writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\"{space}{more}>{}</text>", xml(words))
}
