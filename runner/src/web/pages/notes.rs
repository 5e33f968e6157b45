//! The notes of a job as a page shows them.

use askama::Template;
use jobcontrol_core::notes::Block;
use jobcontrol_core::notes::Inline;
use jobcontrol_core::notes::Target;
use jobcontrol_core::notes::parse;

use crate::show::escape::clean;

/// The notes of a job.
#[derive(Template)]
#[template(path = "notes.html")]
pub(super) struct Notes {
    blocks: Vec<Block>,
}

impl Notes {
    /// Parses notes. Returns `None` if the job has none.
    pub(super) fn of(text: Option<&str>) -> Option<Self> {
        let blocks = parse(&clean(text?));
        (!blocks.is_empty()).then_some(Self { blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_notes_is_text_and_links_lead_where_they_may() {
        let hostile = "<b>x</b> \u{202e}\n\n* `a\" onclick=x <https://e.example/\"><script>>`_\n\n`b <job:../\"x>`_\n";
        let html = Notes::of(Some(hostile)).unwrap().to_string();
        assert!(!html.contains("<script") && !html.contains("<b>x") && !html.contains("\" onclick"), "{html}");
        assert!(html.contains("href=\"/jobs/../%22x\"") || html.contains("href=\"/jobs/..%2F%22x\""), "{html}");
        assert!(Notes::of(None).is_none() && Notes::of(Some(" \n")).is_none());
    }
}
