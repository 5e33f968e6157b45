//! Explains failures about files that the job does not grant. A plugin sees only what was granted,
//! so the library of its language merely reports that there is no such file.

use std::ops::Range;

/// A folder that a plugin sees.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its path inside the plugin.
    pub guest: &'a str,
    /// Whether it may write there.
    pub write: bool,
}

/// Phrases of libraries for a missing file. They are also used if nothing is granted.
const MISSING: &[&str] = &[
    "no such file or directory",
    "failed to find a pre-opened file descriptor through which",
    "capabilities insufficient",
    "not capable",
    "bad file number",
    "filenotfound",
    "no preopened",
    "enoent",
    "enotcapable",
];

/// Phrases for a file that may not be written.
const DENIED: &[&str] = &[
    "operation not permitted",
    "permission denied",
    "read-only file system",
    "accessdenied",
    "eperm",
    "eacces",
    "erofs",
];

/// How many bytes of a line are searched: a message about a file is short.
const LINE: usize = 2_000;

/// How many lines are searched, from the end.
const LINES: usize = 100;

/// Finds the path that a text complains about, and returns a message with the grant that opens it.
/// Returns `None` if a folder of `seen` already does.
pub fn refused(text: &str, seen: &[Seen<'_>]) -> Option<String> {
    text.lines().rev().take(LINES).find_map(|line| in_line(&line[..line.floor_char_boundary(LINE)], seen))
}

fn in_line(line: &str, seen: &[Seen<'_>]) -> Option<String> {
    // Debug formats nest one quoted text inside another.
    let line = &line.replace("\\\"", "\"");
    let lower = line.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().find_map(|phrase| lower.find(phrase).map(|at| at..at + phrase.len()));
    let (said, denied) = says(MISSING).map(|at| (at, false)).or_else(|| says(DENIED).map(|at| (at, true)))?;
    let path = path(line, &said)?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let below = |guest: &str| {
        let rest = path.strip_prefix(guest.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    };
    let holders = seen.iter().filter_map(|folder| below(folder.guest).map(|rest| (folder, rest)));
    match holders.max_by_key(|(folder, _)| folder.guest.len()) {
        Some((Seen { guest, .. }, rest)) if leaves(rest) => Some(format!(
            "`{path}` leads out of `{guest}`, the folder that the job grants; nothing outside it can be reached"
        )),
        Some((Seen { guest, write: false }, _)) if denied => {
            Some(format!("`{path}` is in `{guest}`, which is granted for reading; grant it with `mode: write`"))
        }
        Some(_) => None,
        None => {
            let direct = direct(&path);
            let (guest, _) = direct.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()).unwrap_or(("/", ""));
            let mode = if denied { "write" } else { "read" };
            Some(format!(
                "`{path}` is not in a folder that the job grants; write \
                 `grants: {{ files: [{{ host: FOLDER, guest: {guest}, mode: {mode} }}] }}`"
            ))
        }
    }
}

/// Returns whether a path leads out of the folder where it begins.
fn leaves(path: &str) -> bool {
    let mut depth = 0_usize;
    for part in path.split('/') {
        depth = match part {
            "" | "." => depth,
            ".." if depth == 0 => return true,
            ".." => depth - 1,
            _ => depth + 1,
        };
    }
    false
}

/// Returns an absolute path without `.` and `..` parts.
fn direct(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Returns the path in a line whose complaint is at `said`: a quoted text, a word with a slash, or
/// the text before the complaint.
fn path<'a>(line: &'a str, said: &Range<usize>) -> Option<&'a str> {
    let quoted = || ['\'', '"', '`'].into_iter().flat_map(|quote| between(line, quote));
    // Messages may also name a function and a source line; neither is the missing file.
    let is_path = |text: &str| {
        let whole = text.starts_with('/') || !text.contains(' ');
        whole && text.contains(['/', '.']) && !text.contains(['(', ')']) && !text.contains("::") && !is_place(text)
    };
    // A quoted text right after or right before the complaint may be a bare file name.
    let is_near = |at: usize, text: &str| {
        let end = at + text.len() + 1;
        at >= said.end || line.get(end..said.start).is_some_and(|between| between.trim_matches([' ', ':']).is_empty())
    };
    let is_name = |at: usize, text: &str| !text.is_empty() && !text.contains([' ', ',', ':', '(']) && is_near(at, text);
    let distance = |at: usize| if at >= said.end { at - said.end } else { said.start.saturating_sub(at) };
    let words = || line.split([' ', ',', '(', ')', '=', '\'', '"', '`']).map(|word| word.trim_end_matches([':', '.']));
    let found = quoted().filter(|(_, text)| is_path(text));
    let before = line[..said.start].trim_end_matches([' ', ':']).rsplit([' ', ':', '"', '\'', '`']).next();
    found
        .min_by_key(|(at, text)| (!text.starts_with('/'), distance(*at)))
        .or_else(|| quoted().filter(|(at, text)| is_name(*at, text)).min_by_key(|(at, _)| distance(*at)))
        .map(|(_, text)| text)
        .or_else(|| words().find(|word| word.starts_with('/') && is_path(word)))
        .or(before.filter(|word| is_path(word)))
}

/// Returns the texts between each quote and the next one, with their positions. It is not known
/// which of two quotes opens: `can't open 'a'`.
fn between(line: &str, quote: char) -> impl Iterator<Item = (usize, &str)> {
    let places = line.match_indices(quote).map(|(at, _)| at);
    places.clone().zip(places.skip(1)).map(|(from, to)| (from + 1, &line[from + 1..to]))
}

/// Returns whether a text is a position in source code: `src/main.rs:4:5`.
fn is_place(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(_, number)| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_path_and_its_grant_are_told() {
        let told =
            |text: &str| refused(text, &[Seen { guest: "/in", write: false }, Seen { guest: "/out", write: true }]);
        let grant = |path: &str, guest: &str, mode: &str| {
            let grant = format!("`grants: {{ files: [{{ host: FOLDER, guest: {guest}, mode: {mode} }}] }}`");
            Some(format!("`{path}` is not in a folder that the job grants; write {grant}"))
        };
        for text in [
            "FileNotFoundError: [Errno 44] No such file or directory: '/data/orders.csv'",
            "failed to find a pre-opened file descriptor through which \"/data/orders.csv\" could be opened",
            "open /data/orders.csv: no such file or directory",
            "/data/orders.csv: No such file or directory",
            "open: ENOENT: no such file or directory, open '/data/orders.csv'",
            "panicked at src/main.rs:4:5: called `Result::unwrap()` on an `Err` value: Custom { kind: Uncategorized, error: \
             \"failed to find a pre-opened file descriptor through which \\\"/data/orders.csv\\\" could be opened\" }",
            "panicked at /home/me/src/main.rs:4:5: called `Result::unwrap()` on an `Err` value: Custom { error: \"failed to \
             find a pre-opened file descriptor through which \\\"/data/orders.csv\\\" could be opened\" }",
            "can't open '/data/orders.csv': No such file or directory",
        ] {
            assert_eq!(told(text), grant("/data/orders.csv", "/data", "read"), "{text}");
        }
        assert_eq!(told("orders.csv: No such file or directory"), grant("/orders.csv", "/", "read"));
        assert_eq!(told("PermissionError: [Errno 2] Permission denied: '/x/y'"), grant("/x/y", "/x", "write"));
        assert_eq!(told("No such file or directory: 'orders'"), grant("/orders", "/", "read"));
        assert_eq!(told("cannot open '/x/my file': Permission denied"), grant("/x/my file", "/x", "write"));
        assert_eq!(told("/x/../y/./z/a: Operation not permitted"), grant("/x/../y/./z/a", "/y/z", "write"));
        for (path, guest) in [("/in/../../etc/passwd", "/in"), ("/in/a/../../x", "/in"), ("/out/../x", "/out")] {
            let leaves = format!(
                "`{path}` leads out of `{guest}`, the folder that the job grants; nothing outside it can be reached"
            );
            for said in ["Operation not permitted", "No such file or directory", "Capabilities insufficient"] {
                assert_eq!(told(&format!("{path}: {said}")).as_ref(), Some(&leaves), "{said}");
            }
        }
        assert_eq!(told("/in/a/../b: No such file or directory"), None);
        let write = "`/in/a` is in `/in`, which is granted for reading; grant it with `mode: write`";
        assert_eq!(told("OSError: [Errno 69] Read-only file system: '/in/a'").as_deref(), Some(write));
        for text in [
            "No such file or directory: '/in/a'",
            "Permission denied: '/out/a'",
            "No such file or directory",
            "thread 'main' panicked at src/main.rs:4:5: called `Result::unwrap()` on an `Err` value: Os { code: 44, kind: \
             NotFound, message: \"No such file or directory\" }",
            "thread 'main' panicked at /home/me/src/main.rs:4:5: No such file or directory",
            "all is well in /data/orders.csv",
            "",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
        assert!(told("No such file or directory: '/inner/a'").is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(No such file or directory|Permission denied|['\"`:/. é\n]|[a-z]|\\PC){0,60}") {
            let _ = refused(&text, &[Seen { guest: "/", write: false }]);
        }
    }
}
