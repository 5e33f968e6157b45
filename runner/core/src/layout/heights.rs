//! Determines how far down each place is: as near to its neighbours as the order and the gaps
//! allow.

use super::MARGIN;
use super::lanes::Net;

/// Gap between two boxes or a box and a lane, and between two lanes.
const BOX_GAP: f64 = 14.0;
const LANE_GAP: f64 = 8.0;
/// Largest gap between two parts of the graph, one below the other.
const PART_GAP: f64 = 24.0;
/// Number of straightening passes; more make no visible difference. The first passes look at one
/// side only.
const PASSES: usize = 24;
const ONE_SIDED: usize = 5;
/// A bend in a lane is more visible than one at a box.
const WEIGHT_OF_LANE: f64 = 4.0;
/// Heights are rounded to fractions of a pixel, so that they are short in the output.
const PARTS: f64 = 10.0;

/// Places that touch and move as one.
struct Block {
    /// The preferred position of its first place.
    wish: f64,
    weight: f64,
    count: usize,
}

/// Returns the vertical middle of each place.
pub(super) fn middles(net: &Net, rows: &[Vec<usize>], node: f64) -> Vec<f64> {
    let mut middle = vec![0.0; net.len()];
    for row in rows {
        offsets(net, row, node).into_iter().zip(row).for_each(|(offset, place)| middle[*place] = offset);
    }
    for pass in 0..PASSES {
        let forward = pass % 2 == 0;
        for step in 0..rows.len() {
            let row = &rows[if forward { step } else { rows.len() - 1 - step }];
            let wish = |place: usize| wish(net, &middle, place, (pass < ONE_SIDED).then_some(forward));
            let wishes: Vec<f64> = row.iter().map(|place| wish(*place)).collect();
            settle(net, row, &wishes, node, &mut middle);
        }
    }
    closed_up(net, &middle, node).into_iter().map(|at| ((at + MARGIN) * PARTS).round() / PARTS).collect()
}

/// Moves everything up to the top and removes empty bands, because unconnected parts of the graph
/// drift apart.
fn closed_up(net: &Net, middle: &[f64], node: f64) -> Vec<f64> {
    let top = |place: usize| middle[place] - net.height(place, node) / 2.0;
    let mut from_top: Vec<usize> = (0..middle.len()).collect();
    from_top.sort_by(|one, other| top(*one).total_cmp(&top(*other)));
    let (mut closed, mut reach, mut shift) = (middle.to_vec(), f64::NEG_INFINITY, 0.0);
    for place in from_top {
        let empty = if reach.is_finite() { top(place) - reach - PART_GAP } else { top(place) };
        if empty > 0.0 || !reach.is_finite() {
            shift += empty;
        }
        reach = reach.max(top(place) + net.height(place, node));
        closed[place] -= shift;
    }
    closed
}

/// Returns the middles of a column whose places touch, relative to the first one.
fn offsets(net: &Net, row: &[usize], node: f64) -> Vec<f64> {
    let (mut offset, mut last) = (0.0, None);
    let next = |place: &usize| {
        if let Some(last) = last.replace(*place) {
            let air = if net.is_node(last) || net.is_node(*place) { BOX_GAP } else { LANE_GAP };
            offset += f64::midpoint(net.height(last, node), net.height(*place, node)) + air;
        }
        offset
    };
    row.iter().map(next).collect()
}

/// Returns where a place would be level with its neighbours: those of one side, or all.
fn wish(net: &Net, middle: &[f64], place: usize, forward: Option<bool>) -> f64 {
    let (before, after) = (&net.before[place], &net.after[place]);
    let near = match forward {
        Some(true) => before.iter().chain(&[]),
        Some(false) => after.iter().chain(&[]),
        None => before.iter().chain(after.as_slice()),
    };
    let count = near.clone().count();
    if count == 0 { middle[place] } else { near.map(|other| middle[*other]).sum::<f64>() / count as f64 }
}

/// Positions the places of a column where they wish to be. Places that would overlap become a block
/// at the mean of their wishes.
fn settle(net: &Net, row: &[usize], wishes: &[f64], node: f64, middle: &mut [f64]) {
    let offsets = offsets(net, row, node);
    let mut blocks: Vec<Block> = Vec::new();
    for (nth, place) in row.iter().enumerate() {
        let weight = if net.is_node(*place) { 1.0 } else { WEIGHT_OF_LANE };
        let mut block = Block { wish: wishes[nth] - offsets[nth], weight, count: 1 };
        while let Some(above) = blocks.pop_if(|above| above.wish > block.wish) {
            let weight = above.weight + block.weight;
            let wish = (above.wish * above.weight + block.wish * block.weight) / weight;
            block = Block { wish, weight, count: above.count + block.count };
        }
        blocks.push(block);
    }
    let wished = blocks.iter().flat_map(|block| std::iter::repeat_n(block.wish, block.count));
    for ((place, offset), wish) in row.iter().zip(offsets).zip(wished) {
        middle[*place] = wish + offset;
    }
}
