//! The progress of a build as a tree of bars.

use askama::Template;
use jobcontrol_core::progress::Progress;
use jobcontrol_core::progress::Tree;

use super::row::line;
use super::times::thousands;

/// Most groups to show.
const GROUPS: usize = 300;

/// How far a build is.
#[derive(Template)]
#[template(path = "progress.html")]
pub(super) struct Bars {
    pub(super) groups: Vec<Group>,
    more: usize,
}

/// A group with its subgroups.
#[derive(Template)]
#[template(path = "progress_group.html")]
pub(super) struct Group {
    name: String,
    class: &'static str,
    current: u64,
    total: u64,
    said: String,
    line: String,
    below: Vec<Self>,
}

/// Whether the build is running, failed, or succeeded. This decides how unfinished groups look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Runs,
    Failed,
    Over,
}

impl Bars {
    /// Builds the bars from the reports of a build.
    pub(super) fn of(reports: &[Progress], state: State) -> Self {
        let tree = Tree::of(reports);
        let mut left = GROUPS;
        let named = Tree { name: "all".to_owned(), ..tree.clone() };
        let groups = match tree.children.as_slice() {
            _ if tree.reported => vec![group(&named, state, &mut left)],
            children => children.iter().map(|child| group(child, state, &mut left)).collect(),
        };
        let groups = if reports.is_empty() { Vec::new() } else { groups };
        Self { groups, more: reports.len().saturating_sub(GROUPS) }
    }
}

/// Returns how much of the whole is done, if the total is known.
pub(super) fn percent(reports: &[Progress]) -> Option<u64> {
    let tree = Tree::of(reports);
    let percent = u128::from(tree.current) * 100 / u128::from(tree.total.max(1));
    (tree.total > 0).then(|| u64::try_from(percent).unwrap_or(100).min(100))
}

fn group(tree: &Tree, state: State, left: &mut usize) -> Group {
    *left = left.saturating_sub(1);
    let is_done = tree.total > 0 && tree.current >= tree.total;
    let class = match state {
        _ if is_done => "ok",
        State::Over => "ok",
        _ if tree.current == 0 && tree.total > 0 => "never",
        State::Runs => "running",
        State::Failed => "failed",
    };
    let (current, total) = (thousands(tree.current), thousands(tree.total));
    let mut below = Vec::new();
    for child in &tree.children {
        if *left > 0 {
            below.push(group(child, state, left));
        }
    }
    Group {
        name: line(&tree.name),
        class,
        current: tree.current,
        total: tree.total,
        said: if tree.total == 0 { current } else { format!("{current} of {total}") },
        line: line(&tree.status_line),
        below,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(group: &str, current: u64, total: u64) -> Progress {
        Progress { group_name: group.to_owned(), current, total, status_line: "<x>".to_owned() }
    }

    #[test]
    fn groups_stand_below_each_other_and_are_as_far_as_they_are() {
        let reports = [report("load", 3, 3), report("fit::a", 1, 4), report("fit::b", 0, 4)];
        let bars = Bars::of(&reports, State::Runs);
        let classes: Vec<_> = bars.groups.iter().map(|group| (group.name.as_str(), group.class)).collect();
        assert_eq!(classes, [("load", "ok"), ("fit", "running")]);
        assert_eq!(bars.groups[1].below[1].class, "never");
        assert_eq!(Bars::of(&reports, State::Failed).groups[1].class, "failed");
        assert_eq!((percent(&reports), percent(&[])), (Some(36), None));
        assert!(!bars.to_string().contains("<x>"), "{bars}");
        let many: Vec<_> = (0..2_000).map(|at| report(&format!("g{at}"), u64::MAX >> 1, u64::MAX >> 1)).collect();
        assert_eq!(Bars::of(&many, State::Over).more, 1_700);
        assert_eq!(percent(&many[..2]), Some(100));
    }
}
