//! Routes the edges: curves in the gaps between columns, straight lines through the columns.

use super::Route;
use super::Step;
use super::lanes::Net;

/// Returns the route along a chain of places. `spans` holds the left edge and width of each column.
pub(super) fn route(net: &Net, chain: &[usize], spans: &[(f64, f64)], middles: &[f64], is_back: bool) -> Route {
    let right = |place: usize| {
        let (left, width) = spans[net.column[place]];
        (left + width, middles[place])
    };
    let mut steps = Vec::new();
    for place in &chain[1..] {
        steps.push(Step::Curve(spans[net.column[*place]].0, middles[*place]));
        if !net.is_node(*place) {
            let (x, y) = right(*place);
            steps.push(Step::Line(x, y));
        }
    }
    Route { from: right(chain[0]), steps, is_back }
}
