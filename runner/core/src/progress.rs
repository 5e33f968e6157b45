//! Progress of a build, as a tree of groups.

use serde::Serialize;

use crate::limits::PROGRESS_GROUP_NAME;

/// Separator between the levels of a group's name.
pub const SEPARATOR: &str = "::";

/// The newest report of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Levels joined by `::`; empty for the whole build.
    pub group_name: String,
    /// Steps done.
    pub current: u64,
    /// Total steps; 0 if unknown.
    pub total: u64,
    /// One line about what is going on.
    pub status_line: String,
}

/// Joins the levels of a group, and refuses values that the database columns cannot hold.
///
/// # Errors
///
/// Returns an error if the name has more than 128 characters, or if a number is above `i64::MAX`.
pub fn checked(levels: &[impl AsRef<str>], current: u64, total: u64, status_line: &str) -> Result<Progress, String> {
    let levels: Vec<_> = levels.iter().map(AsRef::as_ref).collect();
    let group_name = levels.join(SEPARATOR);
    let length = group_name.chars().count();
    if length > PROGRESS_GROUP_NAME {
        return Err(format!("a progress group has {length} characters, at most {PROGRESS_GROUP_NAME} are allowed"));
    }
    if current.max(total) > i64::MAX as u64 {
        return Err(format!("progress of {current} of {total} is above 2^63 - 1"));
    }
    Ok(Progress { group_name, current, total, status_line: status_line.to_owned() })
}

/// A group with the groups below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The last level of its name; empty for the whole build.
    pub name: String,
    /// Steps done: the reported number, or the sum of the children if this group was not reported.
    pub current: u64,
    /// Total steps, determined in the same way.
    pub total: u64,
    /// The last reported status line; empty if this group was not reported.
    pub status_line: String,
    /// Whether this group itself was reported.
    pub reported: bool,
    /// The groups below it, in the order of their first report.
    pub children: Vec<Self>,
}

impl Tree {
    /// Builds the tree of a build's reports.
    pub fn of(reports: &[Progress]) -> Self {
        let mut root = Self::default();
        for report in reports {
            let levels: Vec<_> = report.group_name.split(SEPARATOR).filter(|_| !report.group_name.is_empty()).collect();
            let mut node = &mut root;
            for level in levels {
                let at = node.children.iter().position(|child| child.name == level).unwrap_or_else(|| {
                    node.children.push(Self { name: level.to_owned(), ..Self::default() });
                    node.children.len() - 1
                });
                node = &mut node.children[at];
            }
            node.current = report.current;
            node.total = report.total;
            node.status_line.clone_from(&report.status_line);
            node.reported = true;
        }
        root.fill();
        root
    }

    fn fill(&mut self) {
        self.children.iter_mut().for_each(Self::fill);
        if !self.reported {
            let sum = |part: fn(&Self) -> u64| self.children.iter().map(part).fold(0, u64::saturating_add);
            (self.current, self.total) = (sum(|c| c.current), sum(|c| c.total));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(group: &str, current: u64, total: u64) -> Progress {
        Progress { group_name: group.into(), current, total, status_line: String::new() }
    }

    #[test]
    fn branches_nobody_reported_are_sums_and_reported_ones_stay() {
        let reports =
            [report("foo::spam", 1, 2), report("foo::eggs", 2, 4), report("bar", 7, 9), report("bar::x", 1, 1)];
        let tree = Tree::of(&reports);
        let group = |i: usize| (tree.children[i].name.as_str(), tree.children[i].current, tree.children[i].total);
        assert_eq!(group(0), ("foo", 3, 6));
        assert_eq!(group(1), ("bar", 7, 9));
        assert_eq!((tree.current, tree.total), (10, 15));
    }

    #[test]
    fn a_report_of_the_whole_build_is_left_alone() {
        let tree = Tree::of(&[report("", 1, 100), report("a", 5, 5)]);
        assert_eq!((tree.current, tree.total, tree.reported), (1, 100, true));
    }

    #[test]
    fn what_the_columns_cannot_hold_is_refused() {
        assert!(checked(&["a".repeat(129)], 0, 0, "").is_err());
        assert!(checked(&["a"], u64::MAX, 0, "").is_err());
        assert_eq!(checked(&["a", "b"], 1, 2, "s").unwrap().group_name, "a::b");
    }
}
