//! Assigns a column to each node.

/// Makes the graph acyclic: returns the edges, with those that close a cycle reversed, and which
/// ones these are.
pub(super) fn acyclic(nodes: usize, edges: &[(usize, usize)]) -> (Vec<(usize, usize)>, Vec<bool>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        Above,
        Done,
    }
    let mut out = vec![Vec::new(); nodes];
    edges.iter().enumerate().for_each(|(number, (from, to))| out[*from].push((number, *to)));
    let (mut seen, mut is_back) = (vec![Seen::Not; nodes], vec![false; edges.len()]);
    for root in 0..nodes {
        if seen[root] != Seen::Not {
            continue;
        }
        seen[root] = Seen::Above;
        // A walk without recursion, because a chain may have any length.
        let mut walk = vec![(root, 0)];
        while let Some((node, next)) = walk.last_mut() {
            match out[*node].get(*next) {
                Some(&(number, to)) => {
                    *next += 1;
                    match seen[to] {
                        Seen::Not => {
                            seen[to] = Seen::Above;
                            walk.push((to, 0));
                        }
                        Seen::Above => is_back[number] = true,
                        Seen::Done => {}
                    }
                }
                None => {
                    seen[*node] = Seen::Done;
                    walk.pop();
                }
            }
        }
    }
    let turned = edges.iter().zip(&is_back).map(|((from, to), back)| if *back { (*to, *from) } else { (*from, *to) });
    (turned.collect(), is_back)
}

/// Returns the column of each node: the length of the longest path from a node that needs nothing.
/// A node that needs nothing is placed as far right as the nodes that need it allow. The edges must
/// not contain a cycle.
pub(super) fn columns(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut needs, mut users) = (vec![0_usize; nodes], vec![Vec::new(); nodes]);
    for (from, to) in edges {
        needs[*to] += 1;
        users[*from].push(*to);
    }
    let sources: Vec<usize> = (0..nodes).filter(|node| needs[*node] == 0).collect();
    let (mut column, mut ready) = (vec![0_usize; nodes], sources.clone());
    while let Some(node) = ready.pop() {
        for user in &users[node] {
            column[*user] = column[*user].max(column[node] + 1);
            needs[*user] -= 1;
            if needs[*user] == 0 {
                ready.push(*user);
            }
        }
    }
    for node in sources {
        if let Some(first) = users[node].iter().map(|user| column[*user]).min() {
            column[node] = first - 1;
        }
    }
    column
}
