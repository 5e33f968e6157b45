//! Follows the links of a path one by one, to find out where each of them is.

use std::ffi::OsString;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

/// The most links to follow, as in the kernel.
const LINKS: usize = 40;

/// Where a path leads.
#[derive(Debug)]
pub struct Followed {
    /// The path without links. A part that does not exist, or cannot be seen, is kept as written.
    pub path: PathBuf,
    /// The path of each link that was followed, itself without links.
    pub links: Vec<PathBuf>,
    /// Why the path could not be followed to its end.
    pub error: Option<io::Error>,
}

/// Follows a path. No part is looked up twice, so the answer matches the links that it names, even
/// if something changes meanwhile.
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

/// Returns the target of the path if it is a link.
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
