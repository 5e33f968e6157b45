//! Suggests a file or folder for a path that does not exist.

use std::path::Path;

use jobcontrol_core::diagnostic::nearest;

/// Returns the neighbour whose name is most like that of `path`, as the person would type it. Only
/// neighbours for which `wanted` is true count.
pub(crate) fn near_path(path: &Path, wanted: impl Fn(&Path) -> bool) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?.flatten();
    let names = entries.filter(|entry| wanted(&entry.path())).filter_map(|entry| entry.file_name().into_string().ok());
    let names: Vec<_> = names.collect();
    let near = nearest(name, names.iter().map(String::as_str))?;
    Some(folder.map_or_else(|| near.to_owned(), |folder| folder.join(near).display().to_string()))
}
