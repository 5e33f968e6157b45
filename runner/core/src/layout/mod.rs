//! Places the jobs of a graph in columns from left to right, each to the right of everything that
//! it needs. Pure: numbers in, numbers out, and the same output for the same input.
//!
//! - `columns`: the column of each node
//! - `lanes`: places in the columns that long edges run through
//! - `rows`: the order within each column, chosen so that few edges cross
//! - `heights`: the vertical position of each place
//! - `routes`: curves in the gaps, straight runs through the columns

mod columns;
mod heights;
mod lanes;
mod routes;
mod rows;

use columns::acyclic;
use columns::columns;
use lanes::Net;

/// Gap between two columns.
const COLUMN_GAP: f64 = 30.0;

/// Margin around the drawing, so that no line is cut off.
const MARGIN: f64 = 1.0;

/// Where a box is. All lengths are in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Its left edge.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
    /// Its width: that of the widest box in its column.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// Where the edge between two boxes runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its start: at the right edge of the box that is needed.
    pub from: (f64, f64),
    /// The further points, each with the line that leads there.
    pub steps: Vec<Step>,
    /// Whether it closes a cycle. It then runs from the box that needs to the box that is needed.
    pub is_back: bool,
}

/// A part of a route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// A curve through the gap between two columns, level at both ends.
    Curve(f64, f64),
    /// A straight, level line through a column.
    Line(f64, f64),
}

/// A placed graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The box of each node, in the given order.
    pub boxes: Vec<Rect>,
    /// The route of each edge, in the given order.
    pub routes: Vec<Route>,
    /// Total width.
    pub width: f64,
    /// Total height.
    pub height: f64,
}

/// Places nodes of these widths and of one height. Each edge is a pair: the number of the node that
/// is needed, and that of the node that needs it. An edge with an unknown node, or from a node to
/// itself, is an error of the caller and gets an empty route.
pub fn place(widths: &[f64], height: f64, edges: &[(usize, usize)]) -> Layout {
    let drawn = |&(from, to): &(usize, usize)| from != to && from < widths.len() && to < widths.len();
    let kept: Vec<(usize, usize)> = edges.iter().copied().filter(|edge| drawn(edge)).collect();
    let (forward, is_back) = acyclic(widths.len(), &kept);
    let column = columns(widths.len(), &forward);
    let net = Net::new(&column, &forward);
    let rows = rows::ordered(&net);
    let middles = heights::middles(&net, &rows, height);
    let (spans, width) = spans(&net, &rows, widths);
    let box_of = |node: usize| {
        let (left, width) = spans[column[node]];
        Rect { left, top: middles[node] - height / 2.0, width, height }
    };
    let bottom = |place: usize| middles[place] + net.height(place, height) / 2.0;
    let mut made =
        net.chains.iter().zip(is_back).map(|(chain, is_back)| routes::route(&net, chain, &spans, &middles, is_back));
    let nothing = || Route { from: (0.0, 0.0), steps: Vec::new(), is_back: false };
    let routes =
        edges.iter().map(|edge| if drawn(edge) { made.next().unwrap_or_else(nothing) } else { nothing() }).collect();
    Layout {
        boxes: (0..widths.len()).map(box_of).collect(),
        routes,
        width,
        height: (0..middles.len()).map(bottom).fold(0.0, f64::max) + MARGIN,
    }
}

/// Returns the left edge and width of each column, and the total width.
fn spans(net: &Net, rows: &[Vec<usize>], widths: &[f64]) -> (Vec<(f64, f64)>, f64) {
    let mut left = MARGIN;
    let mut spans = Vec::new();
    for row in rows {
        let width = row.iter().filter(|place| net.is_node(**place)).map(|node| widths[*node]).fold(0.0, f64::max);
        spans.push((left, width));
        left += width + COLUMN_GAP;
    }
    (spans, (left - COLUMN_GAP + MARGIN).max(2.0 * MARGIN))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the lines between the points of a route, with each curve split into many short
    /// lines.
    fn lines(route: &Route) -> Vec<((f64, f64), (f64, f64))> {
        let (mut here, mut lines) = (route.from, Vec::new());
        for step in &route.steps {
            match *step {
                Step::Line(x, y) => {
                    lines.push((here, (x, y)));
                    here = (x, y);
                }
                Step::Curve(x, y) => {
                    let (begin, middle) = (here, f64::midpoint(here.0, x));
                    for part in 1..=16 {
                        let t = f64::from(part) / 16.0;
                        let of = |a: f64, b: f64, c: f64, d: f64| {
                            let s = 1.0 - t;
                            s * s * s * a + 3.0 * s * s * t * b + 3.0 * s * t * t * c + t * t * t * d
                        };
                        let next = (of(begin.0, middle, middle, x), of(begin.1, begin.1, y, y));
                        lines.push((here, next));
                        here = next;
                    }
                }
            }
        }
        lines
    }

    /// Returns whether a line, which is short or level, touches the inside of a box.
    fn crosses((a, b): ((f64, f64), (f64, f64)), of: &Rect) -> bool {
        const TOUCH: f64 = 0.2;
        let (left, right) = (a.0.min(b.0), a.0.max(b.0));
        let (top, bottom) = (a.1.min(b.1), a.1.max(b.1));
        right > of.left + TOUCH
            && left < of.left + of.width - TOUCH
            && bottom > of.top + TOUCH
            && top < of.top + of.height - TOUCH
    }

    fn sound(widths: &[f64], edges: &[(usize, usize)]) -> Result<Layout, TestCaseError> {
        let layout = place(widths, 30.0, edges);
        prop_assert_eq!(&layout, &place(widths, 30.0, edges));
        prop_assert_eq!((layout.boxes.len(), layout.routes.len()), (widths.len(), edges.len()));
        for (one, of) in layout.boxes.iter().enumerate() {
            prop_assert!(of.left >= 0.0 && of.top >= 0.0 && of.width >= widths[one]);
            prop_assert!(of.left + of.width <= layout.width && of.top + of.height <= layout.height);
            for other in &layout.boxes[one + 1..] {
                let apart = of.left + of.width <= other.left
                    || other.left + other.width <= of.left
                    || of.top + of.height <= other.top
                    || other.top + other.height <= of.top;
                prop_assert!(apart, "{of:?} and {other:?}");
            }
        }
        for (&(from, to), route) in edges.iter().zip(&layout.routes) {
            if !route.is_back {
                prop_assert!(layout.boxes[from].left < layout.boxes[to].left);
            }
            for line in lines(route) {
                for of in &layout.boxes {
                    prop_assert!(!crosses(line, of), "{route:?} and {of:?}");
                }
            }
        }
        Ok(layout)
    }

    proptest! {
        #[test]
        fn no_box_overlaps_another_and_no_edge_crosses_a_box(
            widths in proptest::collection::vec(20.0..200.0, 1..40),
            ends in proptest::collection::vec((0..1_000_usize, 0..1_000_usize), 0..80),
        ) {
            let n = widths.len();
            let edges: Vec<_> = ends.iter().map(|(a, b)| (a % n, b % n)).filter(|(a, b)| a != b).collect();
            sound(&widths, &edges)?;
            let forward: Vec<_> = edges.iter().map(|(a, b)| (*a.min(b), *a.max(b))).collect();
            let layout = sound(&widths, &forward)?;
            prop_assert!(layout.routes.iter().all(|route| !route.is_back));
        }
    }

    #[test]
    fn a_chain_is_a_row_and_a_circle_has_one_edge_that_goes_back() {
        let layout = place(&[50.0, 80.0, 20.0], 30.0, &[(0, 1), (1, 2)]);
        assert!(layout.boxes.iter().all(|of| of.top == MARGIN));
        assert_eq!(layout.boxes.iter().map(|of| of.left).collect::<Vec<_>>(), [1.0, 81.0, 191.0]);
        assert_eq!((layout.width, layout.height), (212.0, 32.0));
        let circle = place(&[10.0; 3], 30.0, &[(0, 1), (1, 2), (2, 0)]);
        assert_eq!(circle.routes.iter().filter(|route| route.is_back).count(), 1);
        let odd = place(&[10.0], 30.0, &[(0, 0), (0, 7)]);
        assert!(odd.routes.iter().all(|route| route.steps.is_empty()));
        assert_eq!(place(&[], 30.0, &[]), Layout { width: 2.0, height: 1.0, ..Layout::default() });
    }

    #[test]
    fn what_can_be_drawn_without_a_crossing_is() {
        // Two chains, given interleaved.
        let layout = place(&[20.0; 6], 30.0, &[(0, 3), (1, 2), (3, 4), (2, 5)]);
        let top = |node: usize| layout.boxes[node].top;
        assert_eq!((top(0), top(1)), (top(3), top(2)));
        assert_eq!((top(3), top(2)), (top(4), top(5)));
    }

    #[test]
    fn parts_that_have_nothing_to_do_with_each_other_lie_close() {
        let edges = [(0, 2), (1, 2), (2, 3), (2, 4), (2, 5), (0, 3), (3, 6), (7, 8)];
        let layout = place(&[60.0; 9], 30.0, &edges);
        assert!(layout.height < 7.0 * 45.0, "{layout:#?}");
    }

    #[test]
    fn deep_and_wide_graphs_are_placed_too() {
        let deep: Vec<_> = (1..2_000).map(|node| (node - 1, node)).collect();
        assert_eq!(place(&[20.0; 2_000], 30.0, &deep).routes.len(), 1_999);
        let wide: Vec<_> = (1..2_000).map(|node| (0, node)).collect();
        assert_eq!(place(&[20.0; 2_000], 30.0, &wide).boxes.len(), 2_000);
    }
}
