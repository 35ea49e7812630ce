//! The picture as Mermaid: text that code hosts draw in a README.

use std::fmt::Write;

use super::picture::{Panel, Picture, Shape};

/// The picture as a flowchart.
#[must_use]
pub fn mermaid(picture: &Picture) -> String {
    let mut out = String::new();
    // Writing to a `String` can't fail.
    _ = write(picture, &mut out);
    out
}

fn write(picture: &Picture, out: &mut String) -> std::fmt::Result {
    writeln!(out, "---\ntitle: {}\n---", label(&picture.title))?;
    writeln!(out, "flowchart TD")?;
    for (at, panel) in picture.panels.iter().enumerate() {
        write_panel(picture, at, panel, out)?;
    }
    for (level, colour) in super::svg::colours(picture.levels.len()).iter().enumerate() {
        writeln!(
            out,
            "  classDef level{level} fill:{},stroke:{},color:#0f172a",
            colour.light, colour.strong
        )?;
    }
    writeln!(out, "  classDef pill fill:#f1f5f9,stroke:#64748b,color:#0f172a")
}

fn write_panel(picture: &Picture, at: usize, panel: &Panel, out: &mut String) -> std::fmt::Result {
    let id = |index: usize| format!("p{at}b{index}");
    writeln!(out, "  subgraph p{at} [{}]", label(&panel.title))?;
    for (index, drawn) in panel.boxes.iter().enumerate() {
        if drawn.shape != Shape::Block {
            writeln!(out, "    {}([{}]):::pill", id(index), label(&drawn.title))?;
            continue;
        }
        let mut lines = vec![format!("<b>{}</b>", escaped(&drawn.title))];
        lines.extend(drawn.guard.iter().map(|level| format!("🛡 {}", escaped(level))));
        lines.extend(drawn.lines.iter().map(|line| escaped(line)));
        for chip in &drawn.chips {
            let when = chip.when.iter().map(|when| escaped(when)).collect::<Vec<_>>().join(", ");
            lines.push(format!("→ {} <i>{when}</i>", escaped(&chip.to)).trim().to_owned());
        }
        let level = drawn.level.min(picture.levels.len());
        writeln!(out, "    {}[\"{}\"]:::level{level}", id(index), lines.join("<br>"))?;
    }
    for jump in &panel.jumps {
        let when = jump.when.join(", ");
        if when.is_empty() {
            writeln!(out, "    {} --> {}", id(jump.from), id(jump.to))?;
        } else {
            writeln!(out, "    {} -- {} --> {}", id(jump.from), label(&when), id(jump.to))?;
        }
    }
    writeln!(out, "  end")
}

fn label(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Mermaid writes what it would take for a mark as the number of the character.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '#' | '"' | '<' | '>' | '&' | '`' | ';' | '\\' | '%' => {
                out.push_str(&format!("#{};", u32::from(c)))
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn hostile_text_ends_no_label() {
        assert_eq!(escaped("a\"]; click b\n%%"), "a#34;]#59; click b #37;#37;");
        assert_eq!(escaped("<script>"), "#60;script#62;");
    }
}
