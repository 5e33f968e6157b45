//! The links of a path, followed one by one, so that it is known where each of them stands.

use std::ffi::OsString;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// As many as the kernel follows.
const LINKS: usize = 40;

/// Where a path leads.
#[derive(Debug)]
pub struct Followed {
    /// The path without links; what is not there, or cannot be seen, is taken as it is written.
    pub path: PathBuf,
    /// Where each link stood that was followed, without links itself.
    pub links: Vec<PathBuf>,
    /// Why it could not be followed to its end.
    pub error: Option<io::Error>,
}

/// Follows a path. Nothing is looked up twice, so the answer belongs to the links that it names,
/// whatever is changed meanwhile.
#[must_use]
pub fn follow(path: &Path) -> Followed {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut followed = Followed { path: PathBuf::from("/"), links: Vec::new(), error: None };
    let mut ahead = Vec::new();
    put(&mut ahead, &absolute);
    while let Some(name) = ahead.pop() {
        if name == "/" {
            followed.path = PathBuf::from("/");
        } else if name == ".." {
            followed.path.pop();
        } else {
            followed.path.push(&name);
            if followed.error.is_none()
                && let Some(target) = link(&mut followed)
            {
                followed.links.push(followed.path.clone());
                followed.path.pop();
                put(&mut ahead, &target);
            }
        }
    }
    followed
}

/// Where the path leads if it is a link.
fn link(followed: &mut Followed) -> Option<PathBuf> {
    let target = std::fs::symlink_metadata(&followed.path).and_then(|found| {
        if !found.is_symlink() {
            return Ok(None);
        }
        if followed.links.len() == LINKS {
            return Err(io::Error::other("too many links"));
        }
        std::fs::read_link(&followed.path).map(Some)
    });
    target.unwrap_or_else(|error| {
        followed.error = Some(error);
        None
    })
}

fn put(ahead: &mut Vec<OsString>, path: &Path) {
    let parts = path.components().rev().filter(|part| *part != Component::CurDir);
    ahead.extend(parts.map(|part| part.as_os_str().to_owned()));
}
