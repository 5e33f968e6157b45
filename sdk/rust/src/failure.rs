//! Ending a build as failed.

use std::any;
use std::error::Error;
use std::iter;
use std::panic::Location;

use crate::host;

/// The kind of an error whose type has no name, such as a `dyn Error`.
const UNNAMED: &str = "error";

/// The longest chain of sources that is followed, in case an error is its own source.
const MAX_CAUSES: usize = 32;

/// Ends the build as failed, with a traceback of one frame: the place of this call.
///
/// `kind` names the kind of failure as a type would, such as `BadHeader`. A function that returns a
/// `result` should return its error instead. Use this in functions that return none, and deep in a
/// call stack where handing an error up is not worth it.
#[track_caller]
pub fn fail(kind: &str, message: &str) -> ! {
    host::fail(&host::Failure {
        kind: kind.to_owned(),
        message: message.to_owned(),
        frames: vec![frame(Location::caller())],
        causes: Vec::new(),
    })
}

/// Ends the build as failed with an error and the chain of its [sources](Error::source).
///
/// The kind is the name of the error's type, or `error` for a `dyn Error`, as it is for all
/// sources. The traceback has one frame: the place of this call.
#[track_caller]
pub fn fail_with<E: Error + ?Sized>(error: &E) -> ! {
    host::fail(&host::Failure {
        kind: kind(any::type_name::<E>()).to_owned(),
        message: error.to_string(),
        frames: vec![frame(Location::caller())],
        causes: causes(error.source()),
    })
}

/// Ends the build as failed with an error of this kind, at this place.
pub(crate) fn raise(kind: &str, error: &dyn Error, frame: host::Frame) -> ! {
    host::fail(&host::Failure {
        kind: kind.to_owned(),
        message: error.to_string(),
        frames: vec![frame],
        causes: causes(error.source()),
    })
}

pub(crate) fn frame(location: &Location<'_>) -> host::Frame {
    frame_of(location.file(), location.line(), "")
}

pub(crate) fn frame_of(file: &str, line: u32, function: &str) -> host::Frame {
    host::Frame {
        file: file.to_owned(),
        line,
        function: function.to_owned(),
        context: Vec::new(),
        context_start: 0,
        locals: Vec::new(),
    }
}

fn causes(nearest: Option<&(dyn Error + 'static)>) -> Vec<host::Cause> {
    iter::successors(nearest, |&error| error.source())
        .take(MAX_CAUSES)
        .map(|error| host::Cause { kind: UNNAMED.to_owned(), message: error.to_string(), frames: Vec::new() })
        .collect()
}

/// Returns the bare name of a type: `Broken` for `sales::Broken<sales::Csv>`.
pub(crate) fn kind(type_name: &str) -> &str {
    let bare = type_name.split('<').next().unwrap_or_default();
    match bare.rsplit("::").next() {
        Some(name) if !name.is_empty() && !bare.starts_with("dyn ") && name != "Box" => name,
        _ => UNNAMED,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<Self>>);

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|link| link as _)
        }
    }

    #[derive(Debug)]
    struct Loop;

    impl fmt::Display for Loop {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }

    impl Error for Loop {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Self)
        }
    }

    #[test]
    fn a_kind_is_the_last_name_of_the_type() {
        assert_eq!(kind("std::io::error::Error"), "Error");
        assert_eq!(kind("sales::Broken<sales::Csv>"), "Broken");
        assert_eq!(kind("Plain"), "Plain");
        assert_eq!(kind(any::type_name::<dyn Error>()), "error");
        assert_eq!(kind(any::type_name::<dyn Error + Send + Sync>()), "error");
        assert_eq!(kind(any::type_name::<Box<dyn Error>>()), "error");
    }

    #[test]
    fn causes_are_listed_nearest_first() {
        let error = Link("top", Some(Box::new(Link("middle", Some(Box::new(Link("root", None)))))));
        let messages: Vec<_> = causes(error.source()).into_iter().map(|cause| cause.message).collect();
        assert_eq!(messages, ["middle", "root"]);
    }

    #[test]
    fn an_endless_chain_is_cut() {
        assert_eq!(causes(Loop.source()).len(), MAX_CAUSES);
    }

    #[test]
    fn a_frame_has_the_file_and_line_of_its_place() {
        let here = Location::caller();
        let frame = frame(here);
        assert!(frame.file.ends_with("failure.rs"));
        assert_eq!(frame.line, here.line());
    }

    #[test]
    #[should_panic(expected = "BadHeader: no column id")]
    fn failing_without_a_host_panics() {
        fail("BadHeader", "no column id");
    }
}
