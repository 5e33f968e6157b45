//! The Rust library, as a new folder contains it.

use super::File;

/// Files below `sdk/rust`, which a new folder contains in `vendor/jobcontrol-plugin`.
macro_rules! library {
    ($($path:literal),* $(,)?) => {
        &[$((concat!("vendor/jobcontrol-plugin/", $path), include_str!(concat!("../../../../sdk/rust/", $path)))),*]
    };
}

pub(super) const LIBRARY: &[File] = library![
    "Cargo.toml",
    "README.md",
    "macros/Cargo.toml",
    "macros/src/data.rs",
    "macros/src/docs.rs",
    "macros/src/job.rs",
    "macros/src/lib.rs",
    "macros/src/name.rs",
    "src/bindings.rs",
    "src/build.rs",
    "src/collected.rs",
    "src/data/encode.rs",
    "src/data/export.rs",
    "src/data/layout.rs",
    "src/data/mod.rs",
    "src/data/outcome.rs",
    "src/data/values.rs",
    "src/failure.rs",
    "src/host.rs",
    "src/http/answers.rs",
    "src/http/message.rs",
    "src/http/mod.rs",
    "src/http/sent.rs",
    "src/init.rs",
    "src/lib.rs",
    "src/logger.rs",
    "src/panic.rs",
    "src/progress.rs",
    "src/testing.rs",
];

/// The file that the library reads from outside its folder.
pub(super) const CONTRACT: File = ("vendor/wit/plugin.wit", include_str!("../../../../sdk/wit/plugin.wit"));

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_library_is_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/rust");
        let files = walkdir::WalkDir::new(&root).into_iter().flatten().filter(|entry| entry.path().is_file());
        let inside = files.map(|entry| entry.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
        let of_the_library = |path: &String| {
            ["src/", "macros/src/"].iter().any(|folder| path.starts_with(folder)) || path.ends_with("Cargo.toml")
        };
        let not_of_it = |path: &String| ["guest/", "template/", "target/"].iter().any(|other| path.starts_with(other));
        let wanted: BTreeSet<String> = inside.filter(|path| of_the_library(path) && !not_of_it(path)).collect();
        let given = LIBRARY.iter().map(|(path, _)| path.strip_prefix("vendor/jobcontrol-plugin/").unwrap().to_owned());
        let given: BTreeSet<String> = given.filter(|path| path != "README.md").collect();
        assert_eq!(given, wanted);
    }
}
