//! Draws a graph of jobs as a self-contained SVG picture: no script, no font and no style from
//! elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write;

use jobcontrol_core::layout::Route;
use jobcontrol_core::layout::Step;
use jobcontrol_core::layout::place;

use crate::show::escape::one_line;

/// Pixels: the height of a box, the width of a character of a job's id, and the room left and right
/// of the id.
const HEIGHT: f64 = 30.0;
const CHARACTER: f64 = 7.25;
const BEFORE: f64 = 30.0;
const AFTER: f64 = 12.0;
/// Half of a sign's size.
const SIGN: f64 = 5.0;
/// Room around the picture.
const MARGIN: f64 = 16.0;

/// Colour shows the status of a job, and so does the shape of its sign.
const STYLE: &str = "\
svg{--ink:#1c2024;--line:#80878f;--box:#fff;--edge:#c4c9cf;--good:#1a7f4b;--bad:#c62f2f;--old:#a15c00;background:#f7f8fa}
@media (prefers-color-scheme:dark){svg{--ink:#e6e9ec;--line:#8b939b;--box:#22272c;--edge:#4a525a;--good:#4cc38a;--bad:#ff8080;--old:#ffb454;background:#15181b}}
text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:var(--ink)}
rect.box{fill:var(--box);stroke:var(--edge)}
.edge{fill:none;stroke:var(--line)}.edge.back{stroke-dasharray:4 3;stroke:var(--bad)}
.sign{fill:none;stroke:var(--line);stroke-width:1.5}
.success .sign{fill:var(--good);stroke:none}.outdated .sign{fill:var(--old);stroke:none}
.failed .sign,.failing .sign,.broken .sign{fill:var(--bad);stroke:none}
.not_built .sign{stroke-dasharray:3 2}
";

/// A job in a picture.
pub(crate) struct Drawn<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// Its status, as programs read it.
    pub(crate) status: &'a str,
    /// Its title.
    pub(crate) title: Option<&'a str>,
}

/// Draws jobs, and the dependencies among them, each from the job that is needed.
pub(crate) fn svg(jobs: &[Drawn<'_>], edges: &[(&str, &str)]) -> String {
    let number: BTreeMap<&str, usize> = jobs.iter().enumerate().map(|(at, job)| (job.id, at)).collect();
    let widths: Vec<f64> = jobs.iter().map(|job| BEFORE + CHARACTER * job.id.chars().count() as f64 + AFTER).collect();
    let ends = edges.iter().filter_map(|(from, to)| Some((*number.get(from)?, *number.get(to)?)));
    let layout = place(&widths, HEIGHT, &ends.collect::<Vec<_>>());
    let (width, height) = (layout.width + 2.0 * MARGIN, layout.height + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"-{MARGIN} -{MARGIN} {width} {height}\" role=\"img\">\n<title>{} jobs</title>\n<style>{STYLE}</style>\n",
        jobs.len()
    );
    // Writing to a string cannot fail.
    for route in &layout.routes {
        let back = if route.is_back { " back" } else { "" };
        let _ = writeln!(out, "<path class=\"edge{back}\" d=\"{}\"/>", path(route));
    }
    for (job, of) in jobs.iter().zip(&layout.boxes) {
        let (left, top, middle) = (of.left, of.top, of.top + of.height / 2.0);
        let title = job.title.map(|title| format!(", {}", xml(&one_line(title)))).unwrap_or_default();
        let (id, status) = (xml(job.id), xml(job.status));
        let _ = writeln!(
            out,
            "<g class=\"{status}\"><title>{id}: {status}{title}</title>\
             <rect class=\"box\" x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\" rx=\"5\"/>{}\
             <text x=\"{}\" y=\"{}\">{id}</text></g>",
            of.width,
            of.height,
            sign(job.status, left + BEFORE / 2.0, middle),
            left + BEFORE,
            middle + 4.0,
        );
    }
    out + "</svg>\n"
}

/// Returns the sign of a status: a square for a failure, a triangle for outdated, and a disc
/// otherwise. It is dashed if the job was not built.
fn sign(status: &str, x: f64, y: f64) -> String {
    match status {
        "failed" | "failing" | "broken" => {
            let side = 2.0 * SIGN;
            format!("<rect class=\"sign\" x=\"{}\" y=\"{}\" width=\"{side}\" height=\"{side}\"/>", x - SIGN, y - SIGN)
        }
        "outdated" => {
            let (left, right, top, bottom) = (x - SIGN, x + SIGN, y - SIGN, y + SIGN);
            format!("<path class=\"sign\" d=\"M{x} {top}L{right} {bottom}H{left}Z\"/>")
        }
        _ => format!("<circle class=\"sign\" cx=\"{x}\" cy=\"{y}\" r=\"{SIGN}\"/>"),
    }
}

/// Returns a route as an SVG path.
pub(crate) fn path(route: &Route) -> String {
    let (mut x, mut y) = route.from;
    let mut out = format!("M{x} {y}");
    for step in &route.steps {
        match *step {
            Step::Line(to, _) => {
                let _ = write!(out, "H{to}");
                x = to;
            }
            Step::Curve(to, down) => {
                let middle = f64::midpoint(x, to);
                let _ = write!(out, "C{middle} {y} {middle} {down} {to} {down}");
                (x, y) = (to, down);
            }
        }
    }
    out
}

/// Escapes a text between tags or in an attribute, as the templates of pages do.
fn xml(text: &str) -> String {
    let Ok(escaped) = askama::filters::escape(text, askama::filters::Html);
    escaped.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_names_each_job_and_lets_no_text_out_of_its_place() {
        let job = |id, status, title| Drawn { id, status, title };
        let jobs = [
            job("a", "success", Some("</title><script>\u{202e}\u{7}\"&")),
            job("b", "failed", None),
            job("c", "outdated", None),
            job("d", "not_built", None),
        ];
        let drawn = svg(&jobs, &[("a", "b"), ("b", "c"), ("c", "a"), ("gone", "a")]);
        assert_eq!(drawn.matches("<g class=").count(), 4);
        assert_eq!((drawn.matches("\"edge\"").count(), drawn.matches("\"edge back\"").count()), (2, 1));
        assert!(drawn.contains("<title>a: success, &#60;/title&#62;&#60;script&#62;\\u{202e}\\u{7}&#34;&#38;</title>"));
        assert!(drawn.contains("<title>d: not_built</title>") && drawn.ends_with("</svg>\n"));
    }
}
