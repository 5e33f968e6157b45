//! No two files import each other, directly or in a circle. A file imports what it names in `use`,
//! with the re-exports on the way followed to the file that defines the name; that a `mod.rs` lists
//! and re-exports its files is no import.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::sources;

/// The crates of the workspace: the name by which others import them, and their folder.
const CRATES: &[(&str, &str)] = &[
    ("jobcontrol_core", "runner/core/src"),
    ("jobcontrol_sandbox", "runner/sandbox/src"),
    ("jobcontrol", "runner/src"),
];

/// A path of modules, from its crate's name on.
type Path = Vec<String>;

/// A file, as a module: what it imports, and what it re-exports under a name of its own.
#[derive(Default)]
struct Module {
    imports: Vec<Path>,
    exports: BTreeMap<String, Path>,
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let modules = modules();
    assert!(modules.len() > 150, "the walk finds the modules");
    let arrows: BTreeMap<_, BTreeSet<_>> = modules
        .iter()
        .map(|(path, module)| {
            let targets = module.imports.iter().filter_map(|import| defined_in(&modules, import, 0));
            (path.clone(), targets.filter(|target| target != path).collect())
        })
        .collect();
    let count: usize = arrows.values().map(BTreeSet::len).sum();
    assert!(count > 1_000, "the imports are read: {count}");
    let circles: Vec<_> = arrows.keys().filter_map(|path| circle(&arrows, path)).collect();
    assert!(circles.is_empty(), "files import each other in a circle: {circles:#?}");
}

#[test]
fn a_circle_is_found() {
    let path = |name: &str| vec!["c".to_owned(), name.to_owned()];
    let to = |names: &[&str]| names.iter().map(|name| path(name)).collect::<BTreeSet<_>>();
    let arrows = BTreeMap::from([(path("a"), to(&["b", "x"])), (path("b"), to(&["a"])), (path("x"), to(&[]))]);
    assert_eq!(circle(&arrows, &path("a")).as_deref(), Some("c::a -> c::b -> c::a"));
    assert_eq!(circle(&arrows, &path("x")), None);
    let text = "use crate::one::Two;\npub use three::Four;\nuse super::five;\n";
    let module = read(&["c".to_owned(), "m".to_owned()], text, true);
    assert_eq!(
        module.imports,
        [["c", "one", "Two"].map(str::to_owned).to_vec(), ["c", "five"].map(str::to_owned).to_vec()]
    );
    assert_eq!(module.exports["Four"], ["c", "m", "three", "Four"]);
}

fn modules() -> BTreeMap<Path, Module> {
    let mut modules = BTreeMap::new();
    for (file, text) in sources() {
        for (name, folder) in CRATES {
            let Ok(inside) = file.strip_prefix(folder) else { continue };
            let mut path: Path = vec![(*name).to_owned()];
            path.extend(inside.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()));
            let is_map = path.last().is_some_and(|last| last == "mod" || last == "lib");
            if is_map {
                path.pop();
            }
            let module = read(&path, &text, is_map);
            modules.insert(path, module);
        }
    }
    modules
}

/// What a file says with `use`. `is_map` is for `mod.rs` and `lib.rs`, whose re-exports are a way
/// to what their files define.
fn read(path: &[String], text: &str, is_map: bool) -> Module {
    let mut module = Module::default();
    // Tests of a file may use what they like.
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    for line in code.lines() {
        let line = line.trim();
        let (exported, used) = match line.strip_prefix("use ") {
            Some(used) => (false, used),
            None => match line.split_once(" use ") {
                Some((before, used)) if before.starts_with("pub") => (true, used),
                _ => continue,
            },
        };
        let used = used.trim_end_matches(';');
        let (used, name) = used.split_once(" as ").map_or((used, None), |(used, name)| (used, Some(name)));
        let Some(target) = absolute(path, used) else { continue };
        let name = name.map_or_else(|| target.last().cloned().unwrap_or_default(), str::to_owned);
        let own = target.starts_with(path);
        module.exports.insert(name, target.clone());
        if !(own && exported && is_map) {
            module.imports.push(target);
        }
    }
    module
}

/// A path of `use` from the crate on; none for those of other people's crates.
fn absolute(path: &[String], used: &str) -> Option<Path> {
    let parts: Vec<&str> = used.split("::").collect();
    let mut target: Path = match *parts.first()? {
        "crate" => path[..1].to_vec(),
        "self" => path.to_vec(),
        "super" => {
            let levels = parts.iter().take_while(|part| **part == "super").count();
            path.get(..path.len().checked_sub(levels)?)?.to_vec()
        }
        first if CRATES.iter().any(|(name, _)| *name == first) => vec![first.to_owned()],
        first if first.chars().next().is_some_and(char::is_lowercase) => {
            // A module of this file, or another crate; the latter is no module that we know.
            path.iter().cloned().chain([first.to_owned()]).collect()
        }
        _ => return None,
    };
    let rest = parts.iter().skip_while(|part| ["crate", "self", "super"].contains(*part));
    let skip = usize::from(!["crate", "self", "super"].contains(parts.first()?));
    target.extend(rest.skip(skip).map(|part| (*part).to_owned()));
    Some(target)
}

/// The file that defines what a path names: re-exports are followed.
fn defined_in(modules: &BTreeMap<Path, Module>, path: &[String], depth: usize) -> Option<Path> {
    /// More re-exports of re-exports than anybody writes.
    const DEEP: usize = 10;
    if depth > DEEP {
        return None;
    }
    for length in (1..=path.len()).rev() {
        let Some(module) = modules.get(&path[..length]) else { continue };
        let Some(name) = path.get(length) else {
            return Some(path[..length].to_vec());
        };
        return match module.exports.get(name) {
            Some(target) if target != path => {
                let further: Path = target.iter().chain(&path[length + 1..]).cloned().collect();
                defined_in(modules, &further, depth + 1)
            }
            _ => Some(path[..length].to_vec()),
        };
    }
    None
}

/// A way from a file back to itself.
fn circle(arrows: &BTreeMap<Path, BTreeSet<Path>>, start: &Path) -> Option<String> {
    let mut came_from: BTreeMap<&Path, &Path> = BTreeMap::new();
    let mut next = vec![start];
    while let Some(path) = next.pop() {
        for target in arrows.get(path).into_iter().flatten() {
            if target == start {
                let mut way = vec![start.join("::")];
                let mut at = path;
                while at != start {
                    way.push(at.join("::"));
                    at = came_from.get(at)?;
                }
                way.push(start.join("::"));
                way.reverse();
                return Some(way.join(" -> "));
            }
            if !came_from.contains_key(target) {
                came_from.insert(target, path);
                next.push(target);
            }
        }
    }
    None
}
