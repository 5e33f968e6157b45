//! The tasks of a child, and its answers.

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::plugin::PluginKind;
use jobcontrol_core::plugin::Script;
use jobcontrol_core::types::Table;
use serde::Deserialize;
use serde::Serialize;

/// A task for a child with a plugin's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Describes the plugin: answers [`Described`] or [`Refused`].
    Read,
    /// Writes its interface as WIT: answers a text, or [`Refused`].
    Wit,
    /// Finds names and lines: answers a list of lists of [`Frame`], one for each [`RawCall`], or
    /// [`Refused`].
    Trace,
    /// Compiles it: answers native code, or writes an error to standard error.
    Compile,
}

impl Task {
    /// All tasks, with their names in the child's arguments.
    const ALL: [(&'static str, Self); 4] =
        [("read", Self::Read), ("wit", Self::Wit), ("trace", Self::Trace), ("compile", Self::Compile)];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, task)| *task == self).map_or("", |(name, _)| name)
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, task)| *task)
    }
}

/// The exit code of a child whose time was up.
pub(crate) const TIMED_OUT: i32 = 75;

/// The most bytes of an answer: far above what people write, and little for the runner.
pub(crate) const ANSWER: u64 = 16 << 20;

/// A plugin as its child describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Described {
    pub(crate) kind: Kind,
    pub(crate) functions: Table,
    /// Exports that no job can call, each with the reason.
    pub(crate) refused: Vec<(String, String)>,
    pub(crate) imports: Vec<String>,
    /// Why an import cannot be linked, although its name is known.
    pub(crate) misfit: Option<String>,
    /// Whether the file contained the stock preview1 adapter.
    pub(crate) stock_adapter: bool,
    /// The language that it was written in, and its compiler.
    pub(crate) language: Option<String>,
    /// What the interpreter runs, if it is a script.
    pub(crate) script: Option<Script>,
}

/// What is wrong with a plugin, in words that follow its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) why: Why,
    pub(crate) what: String,
    pub(crate) help: Option<String>,
}

impl Refused {
    pub(crate) fn new(why: Why, what: impl Into<String>) -> Self {
        Self { why, what: what.into(), help: None }
    }

    /// Adds a hint unless there is one already.
    #[must_use]
    pub(crate) fn or_help(self, help: &str) -> Self {
        Self { help: self.help.or_else(|| Some(help.to_owned())), ..self }
    }
}

/// The kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Why {
    NotWebAssembly,
    InvalidWat,
    Damaged,
    Kind,
    MissingImport,
    TooLarge,
    /// Needs a proposal that the engine does not run.
    Feature,
    /// Defines more than the engine has room for.
    Capacity,
    /// A script with an error in it.
    Script,
}

impl Why {
    pub(crate) fn code(self) -> Code {
        match self {
            Self::NotWebAssembly => Code::NotWebAssembly,
            Self::InvalidWat => Code::InvalidWat,
            Self::Damaged => Code::PluginDamaged,
            Self::Kind => Code::PluginKind,
            Self::MissingImport => Code::MissingImport,
            Self::TooLarge => Code::PluginExhausts,
            Self::Feature => Code::UnsupportedFeature,
            Self::Capacity => Code::PluginCapacity,
            Self::Script => Code::ScriptMistake,
        }
    }
}

/// [`PluginKind`], in its serialized form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Component,
    WitModule,
    NumericModule,
    CommandModule,
    Script,
}

impl Kind {
    pub(crate) fn plugin(self) -> PluginKind {
        match self {
            Self::Component => PluginKind::Component,
            Self::WitModule => PluginKind::WitModule,
            Self::NumericModule => PluginKind::NumericModule,
            Self::CommandModule => PluginKind::CommandModule,
            Self::Script => PluginKind::Script,
        }
    }
}

/// A call of a trap, as the engine knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RawCall {
    /// Its offset in the compiled binary.
    pub(crate) offset: u64,
    /// Its name in the binary, which may be mangled.
    pub(crate) name: String,
}

/// The calls that each raw call stands for, innermost first. There are several if the compiler
/// inlined calls.
pub(crate) type Traced = Vec<Vec<Frame>>;
