//! What a child is asked for, and what it answers.

use jobcontrol_core::diagnostic::Code;
use jobcontrol_core::failure::Frame;
use jobcontrol_core::plugin::PluginKind;
use jobcontrol_core::plugin::Script;
use jobcontrol_core::types::Table;
use serde::Deserialize;
use serde::Serialize;

/// What a child does with a plugin's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Says what it is: [`Described`] or [`Refused`].
    Read,
    /// Writes it as WIT text: a text, or [`Refused`].
    Wit,
    /// Finds names and lines: a list of lists of [`Frame`], one for each [`RawCall`], or
    /// [`Refused`].
    Trace,
    /// Compiles it: native code, or a text on standard error.
    Compile,
}

impl Task {
    /// All, by the name that stands in the child's arguments.
    const ALL: [(&'static str, Self); 4] =
        [("read", Self::Read), ("wit", Self::Wit), ("trace", Self::Trace), ("compile", Self::Compile)];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, task)| *task == self).map_or("", |(name, _)| name)
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, task)| *task)
    }
}

/// How a child says that its time was up.
pub(crate) const TIMED_OUT: i32 = 75;

/// Bytes of an answer: far above what people write, and little for the runner.
pub(crate) const ANSWER: u64 = 16 << 20;

/// A plugin as its child describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Described {
    pub(crate) kind: Kind,
    pub(crate) functions: Table,
    /// Exports that no job can call, each with the reason.
    pub(crate) refused: Vec<(String, String)>,
    pub(crate) imports: Vec<String>,
    /// Why an import cannot be linked although its name is known.
    pub(crate) misfit: Option<String>,
    /// Whether the stock adapter for preview1 is in it as it came.
    pub(crate) stock_adapter: bool,
    /// The language that it was written in, and its compiler.
    pub(crate) language: Option<String>,
    /// What an interpreter runs, if it is a script.
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

    /// The same, with what would mend it.
    #[must_use]
    pub(crate) fn or_help(self, help: &str) -> Self {
        Self { help: self.help.or_else(|| Some(help.to_owned())), ..self }
    }
}

/// The sort of what is wrong.
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
    /// A script with a mistake.
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

/// [`PluginKind`], as it is sent.
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

/// A call of a trap as the engine knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RawCall {
    /// Where in the binary that was compiled.
    pub(crate) offset: u64,
    /// Its name as the binary has it, mangled perhaps.
    pub(crate) name: String,
}

/// The calls that one raw call stands for, innermost first: several where the compiler put some
/// into others.
pub(crate) type Traced = Vec<Vec<Frame>>;
