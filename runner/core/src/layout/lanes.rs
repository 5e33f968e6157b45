//! Nodes and lanes, and which lies beside which: an edge over several columns has a lane in each
//! that it runs through.

/// How high a lane is.
const LANE: f64 = 10.0;

/// Nodes come first, by their numbers, then lanes. Each connects to places in the next columns
/// only.
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
    /// The nodes in their columns, with lanes for their edges.
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

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.column.len()
    }

    /// Whether a place is a node, and not a lane.
    pub(super) fn is_node(&self, place: usize) -> bool {
        place < self.nodes
    }

    /// How high a place is, where nodes have this height.
    pub(super) fn height(&self, place: usize, node: f64) -> f64 {
        if self.is_node(place) { node } else { LANE }
    }
}
