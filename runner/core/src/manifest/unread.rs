//! A guess at the contents of a manifest that cannot be read as YAML.

use super::keys::id::valid_id;

/// Finds ids in lines that begin with `id:`. That is enough to know which jobs a broken file takes
/// down.
pub fn ids_of_text(text: &str) -> Vec<String> {
    text.lines().filter_map(id_of_line).map(str::to_owned).collect()
}

fn id_of_line(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "-{[".contains(c));
    let value = line.strip_prefix("id:")?.split([',', '#', '}']).next()?;
    let id = value.trim().trim_matches(['"', '\'']);
    valid_id(id).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_what_cannot_be_read() {
        let text = "jobs:\n  - id: one  # the first\n    args: [1, 2\n  - { id: two, function: x\n  -id: three\nid: 'four'\ngrid: no\n  id: a b\n";
        assert_eq!(ids_of_text(text), ["one", "two", "three", "four"]);
        assert_eq!(ids_of_text(""), Vec::<String>::new());
    }
}
