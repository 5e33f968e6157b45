//! A failure about a file that the job does not grant: the library of the plugin's language only says that there is no
//! such file, since a plugin sees nothing but what was granted.

/// A folder that a plugin sees.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Where the plugin sees it.
    pub guest: &'a str,
    /// Whether it may write there.
    pub write: bool,
}

/// How libraries say that a file is not there, which they also say where nothing is granted.
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

/// How they say that it may not be written.
const DENIED: &[&str] = &[
    "operation not permitted",
    "permission denied",
    "read-only file system",
    "accessdenied",
    "eperm",
    "eacces",
    "erofs",
];

/// Bytes of a line that are looked at: a message about a file is short.
const LINE: usize = 2_000;

/// Lines that are looked at, from the end.
const LINES: usize = 100;

/// Which path a text complains of and the grant that opens it, if no folder of `seen` does.
pub fn refused(text: &str, seen: &[Seen<'_>]) -> Option<String> {
    text.lines().rev().take(LINES).find_map(|line| in_line(&line[..line.floor_char_boundary(LINE)], seen))
}

fn in_line(line: &str, seen: &[Seen<'_>]) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().find_map(|phrase| lower.find(phrase));
    let (at, denied) = says(MISSING).map(|at| (at, false)).or_else(|| says(DENIED).map(|at| (at, true)))?;
    let path = path(line, at)?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let holds = |guest: &str| {
        let guest = guest.trim_end_matches('/');
        path.strip_prefix(guest).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match seen.iter().filter(|folder| holds(folder.guest)).max_by_key(|folder| folder.guest.len()) {
        Some(folder) if denied && !folder.write => {
            let guest = folder.guest;
            Some(format!("`{path}` is in `{guest}`, which is granted for reading; grant it with `mode: write`"))
        }
        Some(_) => None,
        None => {
            let guest =
                path.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| !folder.is_empty()).unwrap_or("/");
            let mode = if denied { "write" } else { "read" };
            Some(format!(
                "`{path}` is in no folder that the job grants; write \
                 `grants: {{ files: [{{ host: FOLDER, guest: {guest}, mode: {mode} }}] }}`"
            ))
        }
    }
}

/// The path in a line that complains at `at`: in quotes, or the word with a slash, or what stands before the complaint.
fn path(line: &str, at: usize) -> Option<&str> {
    let quoted = ['\'', '"', '`'].into_iter().filter_map(|quote| {
        let (_, rest) = line.split_once(quote)?;
        rest.split_once(quote).map(|(path, _)| path)
    });
    let word = line
        .split([' ', ',', '(', ')', '='])
        .map(|word| word.trim_end_matches([':', '.']))
        .find(|word| word.starts_with('/'));
    let before =
        line[..at].trim_end_matches([' ', ':']).rsplit([' ', ':']).next().filter(|word| word.contains(['.', '/']));
    quoted
        .filter(|path| !path.is_empty() && !path.contains(' '))
        .max_by_key(|path| path.contains(['/', '.']))
        .or(word)
        .or(before)
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
            Some(format!("`{path}` is in no folder that the job grants; write {grant}"))
        };
        for text in [
            "FileNotFoundError: [Errno 44] No such file or directory: '/data/orders.csv'",
            "failed to find a pre-opened file descriptor through which \"/data/orders.csv\" could be opened",
            "open /data/orders.csv: no such file or directory",
            "/data/orders.csv: No such file or directory",
            "open: ENOENT: no such file or directory, open '/data/orders.csv'",
        ] {
            assert_eq!(told(text), grant("/data/orders.csv", "/data", "read"), "{text}");
        }
        assert_eq!(told("orders.csv: No such file or directory"), grant("/orders.csv", "/", "read"));
        assert_eq!(told("PermissionError: [Errno 2] Permission denied: '/x/y'"), grant("/x/y", "/x", "write"));
        let write = "`/in/a` is in `/in`, which is granted for reading; grant it with `mode: write`";
        assert_eq!(told("OSError: [Errno 69] Read-only file system: '/in/a'").as_deref(), Some(write));
        for text in [
            "No such file or directory: '/in/a'",
            "Permission denied: '/out/a'",
            "No such file or directory",
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
