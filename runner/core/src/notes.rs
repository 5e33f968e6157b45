//! Reads the notes of a job: a small subset of reStructuredText, in one pass. Everything outside
//! this subset stays plain text, and none of it can become markup of a page.
//!
//! - paragraphs, titles (underlined with one repeated character), bullet and numbered lists
//! - `*emphasis*`, `**strong**`, ` ``literals`` `
//! - `` `text <address>`_ `` with `http`, `https` or `mailto`, and `job:ID` for another job
//! - literal blocks: indented lines after a line that ends with `::`
//! - all other indented lines, and directives (`.. name::`), as preformatted text

/// A block of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading.
    Title(Vec<Inline>),
    /// A paragraph.
    Paragraph(Vec<Inline>),
    /// A list; whether it is numbered, and its items.
    List(bool, Vec<Vec<Inline>>),
    /// Text as it was typed.
    Literal(String),
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline {
    /// Plain text.
    Text(String),
    /// `*..*`
    Emphasis(String),
    /// `**..**`
    Strong(String),
    /// ` ``..`` `
    Literal(String),
    /// A link: its text and its target.
    Link(String, Target),
}

/// The target of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Another site, with a scheme that cannot run code.
    Address(String),
    /// A job.
    Job(String),
}

/// Schemes that a link may have.
const SCHEMES: [&str; 3] = ["https://", "http://", "mailto:"];

/// Characters that can underline a title.
const UNDERLINES: &str = "=-`:'\"~^_*+#<>.";

/// Reads notes. Any text is valid.
pub fn parse(text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let (mut blocks, mut at) = (Vec::new(), 0);
    while at < lines.len() {
        if lines[at].is_empty() {
            at += 1;
            continue;
        }
        let end = end_of(&lines, at);
        let part = &lines[at..end];
        at = end;
        if indent(part[0]) > 0 || part[0].starts_with("..") {
            at = with_indented(&lines, at);
            blocks.push(Block::Literal(dedented(&lines[end - part.len()..at])));
        } else if let [title, line] = part
            && is_underline(title, line)
        {
            blocks.push(Block::Title(inlines(title)));
        } else if let Some((numbered, _)) = marker(part[0]) {
            let items = items(part, numbered);
            match blocks.last_mut() {
                // Items may have empty lines between them.
                Some(Block::List(before, all)) if *before == numbered => all.extend(items),
                _ => blocks.push(Block::List(numbered, items)),
            }
        } else {
            let joined = part.join(" ");
            let (words, has_literal) = match joined.strip_suffix("::") {
                Some("") => (String::new(), true),
                Some(words) => (format!("{}:", words.trim_end()), true),
                None => (joined, false),
            };
            if !words.is_empty() {
                blocks.push(Block::Paragraph(inlines(words.strip_suffix(" :").unwrap_or(&words))));
            }
            if has_literal {
                let start = (at..lines.len()).find(|at| !lines[*at].is_empty()).unwrap_or(lines.len());
                let end = with_indented(&lines, start);
                if end > start {
                    blocks.push(Block::Literal(dedented(&lines[start..end])));
                    at = end;
                }
            }
        }
    }
    blocks
}

/// Returns the end of the group of lines that begins at `start`: the next empty line, or the end of
/// a title.
fn end_of(lines: &[&str], start: usize) -> usize {
    if let Some(next) = lines.get(start + 1)
        && is_underline(lines[start], next)
    {
        return start + 2;
    }
    (start..lines.len()).find(|at| lines[*at].is_empty()).unwrap_or(lines.len())
}

/// Returns the end of a block of indented or empty lines.
fn with_indented(lines: &[&str], start: usize) -> usize {
    let is_in = |at: &usize| lines[*at].is_empty() || indent(lines[*at]) > 0;
    let mut end = (start..lines.len()).find(|at| !is_in(at)).unwrap_or(lines.len());
    while end > start && lines[end - 1].is_empty() {
        end -= 1;
    }
    end
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Returns the lines without the indentation that they all share.
fn dedented(lines: &[&str]) -> String {
    let least = lines.iter().filter(|line| !line.is_empty()).map(|line| indent(line)).min().unwrap_or(0);
    let cut = |line: &&str| line.get(least..).unwrap_or_default().to_owned();
    lines.iter().map(cut).collect::<Vec<_>>().join("\n")
}

fn is_underline(title: &str, line: &str) -> bool {
    let sign = line.chars().next().filter(|sign| UNDERLINES.contains(*sign));
    let long = line.chars().count() >= title.chars().count().min(4) && line.chars().count() >= 2;
    indent(title) == 0 && !title.is_empty() && long && sign.is_some_and(|sign| line.chars().all(|c| c == sign))
}

/// Returns whether the list is numbered and where the text begins, if the line begins a list item.
fn marker(line: &str) -> Option<(bool, usize)> {
    if let Some(rest) = line.strip_prefix(['*', '-', '+', '•']) {
        return rest.starts_with(' ').then(|| (false, line.len() - rest.trim_start().len()));
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let is_auto = line.starts_with("#.");
    let after = if is_auto { 1 } else { digits };
    let is_number = is_auto || (1..=9).contains(&digits);
    let rest = line.get(after..).filter(|rest| rest.starts_with(". ") || rest.starts_with(") "))?;
    is_number.then(|| (true, line.len() - rest[1..].trim_start().len()))
}

fn items(lines: &[&str], numbered: bool) -> Vec<Vec<Inline>> {
    let mut texts: Vec<String> = Vec::new();
    for line in lines {
        match (marker(line), texts.last_mut()) {
            (Some((other, start)), _) if other == numbered => texts.push(line[start..].to_owned()),
            (_, Some(text)) => {
                text.push(' ');
                text.push_str(line.trim_start());
            }
            (_, None) => texts.push((*line).to_owned()),
        }
    }
    texts.iter().map(|text| inlines(text)).collect()
}

/// Reads the inline markup of a line.
fn inlines(text: &str) -> Vec<Inline> {
    let (mut found, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(first) = rest.chars().next() {
        // A mark begins at the start of a word.
        let before = plain.chars().next_back();
        let begins = before.is_none_or(|c| c.is_whitespace() || "'\"([{<-/:".contains(c));
        match if begins { inline(rest) } else { None } {
            Some((inline, length)) => {
                if !plain.is_empty() {
                    found.push(Inline::Text(std::mem::take(&mut plain)));
                }
                found.push(inline);
                rest = &rest[length..];
                // The character right behind it is not the start of a word.
                if let Some(next) = rest.chars().next() {
                    plain.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
            None => {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    if !plain.is_empty() {
        found.push(Inline::Text(plain));
    }
    found
}

/// The longest text between two marks, in characters. It bounds the search for the end of an
/// opening mark.
const MARKED: usize = 500;

/// Returns the markup that begins here and its length, if it is complete.
fn inline(text: &str) -> Option<(Inline, usize)> {
    let between = |mark: &str, end: &str| {
        let inner = text.strip_prefix(mark)?;
        let room = inner.char_indices().nth(MARKED).map_or(inner.len(), |(at, _)| at);
        let length = inner[..room].find(end)?;
        let inner = &inner[..length];
        let is_tight =
            !inner.is_empty() && !inner.starts_with(char::is_whitespace) && !inner.ends_with(char::is_whitespace);
        is_tight.then(|| (inner.to_owned(), mark.len() + length + end.len()))
    };
    if text.starts_with("``") {
        return between("``", "``").map(|(inner, length)| (Inline::Literal(inner), length));
    }
    if text.starts_with('`') {
        let (inner, length) = between("`", "`_")?;
        let (words, target) = inner.strip_suffix('>')?.rsplit_once('<')?;
        let target = match target.strip_prefix("job:") {
            Some(job) => Target::Job(job.to_owned()),
            None => {
                Target::Address(SCHEMES.iter().any(|scheme| target.starts_with(scheme)).then(|| target.to_owned())?)
            }
        };
        let words = words.trim();
        let shown = match &target {
            Target::Job(job) | Target::Address(job) if words.is_empty() => job.clone(),
            _ => words.to_owned(),
        };
        return Some((Inline::Link(shown, target), length));
    }
    if text.starts_with("**") {
        return between("**", "**").map(|(inner, length)| (Inline::Strong(inner), length));
    }
    between("*", "*").map(|(inner, length)| (Inline::Emphasis(inner), length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Inline {
        Inline::Text(text.to_owned())
    }

    #[test]
    fn the_parts_that_people_write_are_known() {
        let notes = "Sales\n=====\n\nAdds *up*, with **all** of\n``orders.csv``. See `the shop <https://shop.example/a?b=1>`_\n\
                     or `<job:net-orders>`_.\n\n* one\n* two\n  more\n\n1. first\n2. second\n\nRun::\n\n    a  b\n      c\n\nend";
        let link = |words: &str, to| Inline::Link(words.to_owned(), to);
        assert_eq!(
            parse(notes),
            [
                Block::Title(vec![text("Sales")]),
                Block::Paragraph(vec![
                    text("Adds "),
                    Inline::Emphasis("up".to_owned()),
                    text(", with "),
                    Inline::Strong("all".to_owned()),
                    text(" of "),
                    Inline::Literal("orders.csv".to_owned()),
                    text(". See "),
                    link("the shop", Target::Address("https://shop.example/a?b=1".to_owned())),
                    text(" or "),
                    link("net-orders", Target::Job("net-orders".to_owned())),
                    text("."),
                ]),
                Block::List(false, vec![vec![text("one")], vec![text("two more")]]),
                Block::List(true, vec![vec![text("first")], vec![text("second")]]),
                Block::Paragraph(vec![text("Run:")]),
                Block::Literal("a  b\n  c".to_owned()),
                Block::Paragraph(vec![text("end")]),
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_text() {
        for plain in
            ["2 * 3 * 4", "a*b*c", "**", "* ", "`x`", "`x <javascript:alert(1)>`_", "`x <data:text/html,a>`_", "``a"]
        {
            assert!(
                matches!(&parse(plain)[..], [Block::Paragraph(inlines)] if inlines == &[text(plain.trim_end())])
                    || matches!(&parse(plain)[..], [Block::List(..)]),
                "{plain}: {:?}",
                parse(plain)
            );
        }
        let directive = ".. raw:: html\n\n   <script>alert(1)</script>\n\nafter";
        assert_eq!(parse(directive)[0], Block::Literal(".. raw:: html\n\n   <script>alert(1)</script>".to_owned()));
        assert!(parse("").is_empty() && parse("\n \n").is_empty());
    }

    fn length(blocks: &[Block]) -> usize {
        let inline = |inline: &Inline| match inline {
            Inline::Text(text) | Inline::Emphasis(text) | Inline::Strong(text) | Inline::Literal(text) => text.len(),
            Inline::Link(text, _) => text.len(),
        };
        let all = |inlines: &[Inline]| inlines.iter().map(inline).sum::<usize>();
        let of = |block: &Block| match block {
            Block::Title(inlines) | Block::Paragraph(inlines) => all(inlines),
            Block::List(_, items) => items.iter().map(|item| all(item)).sum(),
            Block::Literal(text) => text.len(),
        };
        blocks.iter().map(of).sum()
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_grows_by_nothing(text in "[*`_<>:.\\- \n=a-c1é]{0,200}") {
            prop_assert!(length(&parse(&text)) <= text.len() + 1);
        }

        #[test]
        fn no_link_leads_to_what_runs(text in "[`<>:_ a-zA-Z/]{0,60}") {
            for block in parse(&text) {
                let Block::Paragraph(inlines) = block else { continue };
                for inline in inlines {
                    if let Inline::Link(_, Target::Address(to)) = inline {
                        prop_assert!(SCHEMES.iter().any(|scheme| to.starts_with(scheme)));
                    }
                }
            }
        }
    }
}
