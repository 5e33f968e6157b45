//! A graph as a picture on a page. Its boxes are links, and each can change by itself.

use askama::Template;
use jobcontrol_core::layout::Rect;
use jobcontrol_core::layout::place;

use super::frame::rendered;
use super::status::Status;
use super::times::count;
use crate::show::drawing::path;

/// Pixels: the width of a character, the space before and after a name, and the height of a box
/// without and with a second line.
const CHARACTER: f64 = 7.0;
const BEFORE: f64 = 30.0;
const AFTER: f64 = 14.0;
const LOW: f64 = 34.0;
const HIGH: f64 = 46.0;
/// Most characters of a name to show.
const NAME: usize = 40;

/// A box of a picture before it is placed.
pub(super) struct Shown {
    /// The name that edges and cells use for it.
    pub(super) id: String,
    pub(super) name: String,
    /// A second line.
    pub(super) sub: String,
    pub(super) title: String,
    pub(super) href: String,
    pub(super) status: Status,
    pub(super) is_self: bool,
    /// For a group: how many of its jobs have each status.
    pub(super) parts: Vec<(&'static str, usize)>,
}

/// An edge between two boxes, with the number of edges it stands for.
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) count: usize,
    /// Whether the box at its start failed.
    pub(super) is_bad: bool,
}

/// A graph after its layout.
#[derive(Template)]
#[template(path = "graph_svg.html")]
pub(super) struct Picture {
    width: f64,
    height: f64,
    label: String,
    edges: Vec<Line>,
    pub(super) nodes: Vec<(String, String)>,
}

struct Line {
    path: String,
    from: String,
    to: String,
    class: &'static str,
    title: String,
}

#[derive(Template)]
#[template(path = "graph_node.html")]
struct Box<'a> {
    shown: &'a Shown,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    middle: f64,
    bars: Vec<(&'static str, f64, f64)>,
}

impl Picture {
    /// Lays out boxes and edges.
    pub(super) fn of(shown: &[Shown], edges: &[Edge], label: String) -> Self {
        let height = if shown.iter().all(|node| node.sub.is_empty()) { LOW } else { HIGH };
        let wide = |node: &Shown| {
            let longest = node.name.chars().count().min(NAME).max(node.sub.chars().count().min(NAME) * 7 / 8);
            BEFORE + CHARACTER * longest as f64 + AFTER
        };
        let widths: Vec<f64> = shown.iter().map(wide).collect();
        let ends: Vec<(usize, usize)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
        let layout = place(&widths, height, &ends);
        let lines =
            edges.iter().zip(&layout.routes).filter(|(_, route)| !route.steps.is_empty()).map(|(edge, route)| Line {
                path: path(route),
                from: shown[edge.from].id.clone(),
                to: shown[edge.to].id.clone(),
                class: match (edge.is_bad, edge.count) {
                    (true, _) => " bad",
                    (false, 0..10) => "",
                    (false, 10..50) => " w2",
                    (false, _) => " w3",
                },
                title: if edge.count > 1 { count(edge.count as u64, "edge", "edges") } else { String::new() },
            });
        let nodes =
            shown.iter().zip(&layout.boxes).map(|(node, rect)| (format!("job:{}", node.id), drawn(node, *rect)));
        Self { width: layout.width, height: layout.height, label, edges: lines.collect(), nodes: nodes.collect() }
    }
}

fn drawn(shown: &Shown, rect: Rect) -> String {
    let all: usize = shown.parts.iter().map(|(_, count)| count).sum();
    let room = rect.width - BEFORE - AFTER;
    let mut left = BEFORE;
    let bars = shown.parts.iter().map(|(class, count)| {
        let width = room * *count as f64 / all.max(1) as f64;
        let bar = (*class, left, width);
        left += width;
        bar
    });
    let (width, height) = (rect.width, rect.height);
    rendered(&Box { shown, left: rect.left, top: rect.top, width, height, middle: height / 2.0, bars: bars.collect() })
}

/// Returns a name, shortened to fit a box.
pub(super) fn name(text: &str) -> String {
    let text = crate::show::escape::one_line(text);
    if text.chars().count() <= NAME { text } else { text.chars().take(NAME - 1).chain("…".chars()).collect() }
}
