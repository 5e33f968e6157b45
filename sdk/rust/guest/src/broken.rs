//! An error whose source has a source.

use std::error::Error;
use std::fmt;

#[derive(Debug)]
pub(crate) struct Broken {
    message: &'static str,
    source: Option<Box<Self>>,
}

impl Broken {
    /// Returns three errors, each the source of the one before.
    pub(crate) fn example() -> Self {
        ["the disk is full", "the file cannot be written", "the report was not saved"]
            .into_iter()
            .fold(None, |source, message| Some(Self { message, source: source.map(Box::new) }))
            .unwrap_or(Self { message: "nothing", source: None })
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
