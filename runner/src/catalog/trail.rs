//! The names that a path leads through, with links followed one by one. If the entry under one of
//! these names is replaced, the path leads elsewhere.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// The number of links that the kernel follows in one path.
const LINKS: usize = 40;

/// Returns each name on the way with the folder in which it is looked up. The folder has no links,
/// and the last name may not exist yet. A relative path begins in the working directory.
pub(super) fn trail(path: &Path) -> Vec<(PathBuf, OsString)> {
    let (mut steps, mut links) = (Vec::new(), 0);
    let Ok(mut at) = std::env::current_dir() else { return steps };
    let mut ahead = Vec::new();
    put(&mut ahead, path);
    while let Some(name) = ahead.pop() {
        if name == "/" {
            at = PathBuf::from("/");
            continue;
        }
        if name == ".." {
            // What `..` means depends on where the folder is.
            if let (Some(parent), Some(own)) = (at.parent(), at.file_name()) {
                steps.push((parent.to_owned(), own.to_owned()));
            }
            at.pop();
            continue;
        }
        let next = at.join(&name);
        steps.push((at.clone(), name));
        match next.symlink_metadata() {
            Ok(found) if found.is_symlink() => match next.read_link() {
                Ok(target) if links < LINKS => {
                    links += 1;
                    put(&mut ahead, &target);
                }
                _ => break,
            },
            Ok(_) => at = next,
            Err(_) => break,
        }
    }
    steps
}

fn put(ahead: &mut Vec<OsString>, path: &Path) {
    let parts = path.components().rev().filter(|part| *part != Component::CurDir);
    ahead.extend(parts.map(Component::as_os_str).map(OsStr::to_owned));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_name_on_the_way_counts_and_so_do_those_of_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let inside = |path: &str| root.join(path);
        std::fs::create_dir_all(inside("releases/7/jobs")).unwrap();
        symlink("releases/latest", inside("current")).unwrap();
        symlink(inside("releases/7"), inside("releases/latest")).unwrap();
        let steps = |path: &str| -> Vec<PathBuf> {
            let steps = trail(&inside(path)).into_iter().map(|(folder, name)| folder.join(name));
            let mut steps: Vec<_> = steps.filter(|step| step.starts_with(&root) && *step != root).collect();
            steps.dedup();
            steps
        };
        let through = |names: &[&str]| names.iter().map(|name| inside(name)).collect::<Vec<_>>();
        assert_eq!(
            steps("current/jobs/a.yaml"),
            through(&[
                "current",
                "releases",
                "releases/latest",
                "releases",
                "releases/7",
                "releases/7/jobs",
                "releases/7/jobs/a.yaml"
            ])
        );
        assert_eq!(steps("none/of/these"), through(&["none"]), "a missing file may appear");
        symlink("gone/far", inside("dangling")).unwrap();
        assert_eq!(steps("dangling/x"), through(&["dangling", "gone"]));
        symlink("round", inside("round")).unwrap();
        assert!(steps("round/x").contains(&inside("round")));
        assert_eq!(
            steps("releases/../current"),
            through(&["releases", "current", "releases", "releases/latest", "releases", "releases/7"])
        );
        let above: Vec<_> = trail(&inside("releases")).into_iter().map(|(folder, name)| folder.join(name)).collect();
        assert_eq!(above.last(), Some(&inside("releases")));
        assert!(above.contains(&root));
    }

    #[test]
    fn a_path_of_the_working_directory_begins_there() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(trail(Path::new("./nothing/x")), [(here.clone(), "nothing".into())]);
        let (above, own) = (here.parent().unwrap().to_owned(), here.file_name().unwrap().to_owned());
        assert_eq!(trail(Path::new("../nothing")), [(above.clone(), own), (above, "nothing".into())]);
    }
}
