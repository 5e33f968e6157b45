//! Nodes and lanes, and their neighbours. An edge over several columns has a lane in each column
//! that it runs through.

/// Height of a lane.
const LANE: f64 = 10.0;

/// The places: nodes by their numbers, then lanes. Each place connects only to places in adjacent
/// columns.
pub(super) struct Net {
    nodes: usize,
    /// The column of each place.
    pub(super) column: Vec<usize>,
    /// The places in the column before that it connects to.
    pub(super) before: Vec<Vec<usize>>,
    /// The places in the column after.
    pub(super) after: Vec<Vec<usize>>,
    /// The places of each edge, from what is needed to what needs it.
    pub(super) chains: Vec<Vec<usize>>,
}

impl Net {
    /// Creates the net of the nodes in their columns, with lanes for their edges.
    pub(super) fn new(column: &[usize], edges: &[(usize, usize)]) -> Self {
        let nodes = column.len();
        let mut net = Self {
            nodes,
            column: column.to_vec(),
            before: vec![Vec::new(); nodes],
            after: vec![Vec::new(); nodes],
            chains: Vec::with_capacity(edges.len()),
        };
        for (from, to) in edges {
            let mut chain = vec![*from];
            chain.extend((column[*from] + 1..column[*to]).map(|column| net.lane(column)));
            chain.push(*to);
            for pair in chain.windows(2) {
                net.after[pair[0]].push(pair[1]);
                net.before[pair[1]].push(pair[0]);
            }
            net.chains.push(chain);
        }
        net
    }

    fn lane(&mut self, column: usize) -> usize {
        self.column.push(column);
        self.before.push(Vec::new());
        self.after.push(Vec::new());
        self.column.len() - 1
    }

    /// Returns the number of places.
    pub(super) fn len(&self) -> usize {
        self.column.len()
    }

    /// Returns whether a place is a node, not a lane.
    pub(super) fn is_node(&self, place: usize) -> bool {
        place < self.nodes
    }

    /// Returns the height of a place, given the height of a node.
    pub(super) fn height(&self, place: usize, node: f64) -> f64 {
        if self.is_node(place) { node } else { LANE }
    }
}
