//! A stable code for each kind of mistake, with its title. `explanations/CODE.md` explains the
//! code.
//!
//! The first two digits give the area: 01 reading files and YAML, 02 keys and values of a manifest,
//! 03 plugins and functions, 04 arguments and types, 05 the graph, 06 limits and grants. A number
//! never changes its meaning and is never reused; a new kind of mistake takes the next number of
//! its area.

use std::fmt;

macro_rules! codes {
    ($($name:ident $id:literal $title:literal)*) => {
        /// A kind of mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!($id, ": ", $title, ".")] $name,)*
        }

        impl Code {
            /// All codes, by number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the code as it is shown: `JC0101`.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// Describes the kind of mistake, in one line without a full stop.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }

            pub(super) fn text(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("explanations/", $id, ".md")),)*
                }
            }
        }
    };
}

codes! {
    Unreadable "JC0101" "a file or folder cannot be read"
    NotUtf8 "JC0102" "a manifest is not UTF-8"
    TooLarge "JC0103" "a manifest is too large"
    NotYaml "JC0104" "a file is not valid YAML"
    Empty "JC0105" "a manifest is empty"
    DuplicateKey "JC0106" "a key is given twice"
    SeveralDocuments "JC0107" "a file holds several YAML documents"
    TooManyValues "JC0108" "a file expands to too many values"
    NoManifests "JC0109" "the jobs folder has no manifests"
    SettingsAmongJobs "JC0110" "the operator's file is in the jobs folder"
    FolderNamedAsManifest "JC0111" "a folder has the name of a manifest"
    LinkOutside "JC0112" "a link leads out of the jobs folder"
    NotBase64 "JC0113" "a binary value is not valid base64"
    TabIndentation "JC0114" "a line is indented with a tab"
    TooDeep "JC0115" "values are nested too deep"
    TextCutOff "JC0116" "a text is cut off by a comment"
    UnusedAnchor "JC0117" "an anchor is never used"
    NotRead "JC0118" "a file looks like a manifest but is not read"
    NotAManifest "JC0119" "`check` was asked for a file that is not read"

    UnknownKey "JC0201" "a key is not known"
    NotSupportedYet "JC0202" "a part of the manifest is not supported yet"
    WrongKind "JC0203" "a value is of the wrong kind"
    InvalidId "JC0204" "a text cannot be a job's id"
    MissingId "JC0205" "a job in a list has no id"
    DuplicateId "JC0206" "two jobs have the same id"
    MissingFunction "JC0207" "a job has no function"
    FunctionSyntax "JC0208" "a text does not name a function of a plugin"
    UnknownTag "JC0209" "a YAML tag is not known"
    RetvalSyntax "JC0210" "a `!retval` does not name a job"
    NotesTooLong "JC0211" "the notes of a job are too long"
    ListedTwice "JC0212" "a dependency is listed twice"
    VariableSyntax "JC0213" "a `${NAME}` is not well formed"
    VariableNotAllowed "JC0214" "a variable may not be taken from the environment"
    VariableNotSet "JC0215" "an environment variable is not set"
    NumberTooLarge "JC0216" "a number is out of range for every float"
    HookOfOtherPlugin "JC0217" "a cleanup or repr function belongs to another plugin"
    RetvalInText "JC0218" "`!retval` is inside a text"
    LeadingZero "JC0219" "a number begins with a zero"
    SecretSyntax "JC0220" "a `!secret` does not name a secret"
    InvalidCron "JC0221" "a text is not a cron rule"
    NeverDue "JC0222" "a schedule is never due"
    NoSuchTimezone "JC0223" "there is no such time zone"
    InvalidSchedule "JC0224" "a part of `schedule` is not valid"
    InvalidTrigger "JC0225" "`on` does not name a trigger"
    TriggerOfProtected "JC0226" "a protected job has `on: change`"
    InvalidPriority "JC0227" "a priority is not a number in its range"

    NoSuchPlugin "JC0301" "a plugin cannot be found"
    PluginOutside "JC0302" "a plugin is outside the jobs and plugin folders"
    PluginUnreadable "JC0303" "a plugin's file cannot be read"
    PluginTooLarge "JC0304" "a plugin's file is too large"
    NotWebAssembly "JC0305" "a plugin's file is not WebAssembly"
    InvalidWat "JC0306" "a plugin's text is not valid WAT"
    PluginDamaged "JC0307" "a plugin cannot be decoded"
    PluginKind "JC0308" "a plugin is of a kind that cannot be called"
    MissingImport "JC0309" "a plugin imports something that the host does not offer"
    NoSuchFunction "JC0310" "a plugin exports no such function"
    AmbiguousFunction "JC0311" "several interfaces export the function"
    NotCallable "JC0312" "an export cannot be a job's function"
    AmbiguousPlugin "JC0313" "two files of a folder have the plugin's name"
    PluginPinned "JC0314" "the plugin that a job pins by digest was not found"
    PluginExhausts "JC0315" "reading a plugin exceeds its limits"
    UnsupportedFeature "JC0316" "a plugin uses a WebAssembly proposal that is not supported"
    PluginCapacity "JC0317" "a plugin defines more than the engine has room for"
    EnvironmentTooLarge "JC0326" "the variables of a job are too large together"
    ScriptMistake "JC0327" "a script has a mistake"
    NoInterpreter "JC0328" "the interpreter of a script is not installed"

    UnknownParameter "JC0401" "a function has no such parameter"
    TooManyArguments "JC0402" "there are more arguments than parameters"
    ParameterTwice "JC0403" "a parameter is given twice"
    MissingArgument "JC0404" "an argument is missing"
    WrongType "JC0405" "a value does not have the type of its parameter"
    OutOfRange "JC0406" "a number is out of range for its type"
    Inexact "JC0407" "an integer is not exact as a float"
    UnknownField "JC0408" "a record has no such field"
    MissingField "JC0409" "a field of a record is missing"
    FieldTwice "JC0410" "a field of a record is given twice"
    UnknownCase "JC0411" "a type has no such case"
    CasePayload "JC0412" "a case lacks its value, or has one that it does not take"
    RetvalMisfit "JC0413" "the return value of a job does not fit"
    RetvalField "JC0414" "the return value of a job has no such field"
    RetvalOfNothing "JC0415" "the job returns nothing"
    HookMisfit "JC0416" "a cleanup or repr function does not fit what the job returns"

    NoSuchJob "JC0501" "there is no such job"
    Cycle "JC0502" "jobs wait for each other"
    SelfDependency "JC0503" "a job depends on itself"

    InvalidDuration "JC0601" "a text is not a duration"
    InvalidLimit "JC0602" "a limit is not a number or a size"
    LimitOutOfRange "JC0603" "a limit is out of its range"
    AboveCeiling "JC0604" "a job asks for more than the operator allows"
    FilesGrantIncomplete "JC0605" "a files grant lacks its host or guest path"
    GuestPath "JC0606" "the guest path of a grant is not absolute"
    GuestPathTwice "JC0607" "two grants have the same guest path"
    GrantMode "JC0608" "the mode of a files grant is not known"
    FolderRefused "JC0609" "a folder cannot be granted"
    VariableName "JC0610" "a text is not the name of a variable"
    InvalidRetention "JC0611" "an age or a number of builds to keep is not valid"
    InvalidRetry "JC0612" "a part of `retry` is not valid"
    RetryCase "JC0613" "the function's error has no such case"
    NoSuchPool "JC0614" "there is no such pool"
    PoolTooSmall "JC0615" "a job takes more slots than its pool has"
    InvalidPool "JC0616" "a pool has no name, or an invalid one"
    NoSuchSecret "JC0617" "there is no such secret"
    InvalidSecret "JC0618" "a secret in the operator's file has no valid source"
    InvalidHttpGrant "JC0619" "an entry of an HTTP grant is not valid"
    HttpNotGranted "JC0620" "a plugin makes requests, but its job grants none"
    InvalidHttpRules "JC0621" "a rule for HTTP in the operator's file is not valid"
    InvalidClock "JC0622" "a text is not a clock, or not a source of random numbers"
    InvalidNotification "JC0623" "a notification in the operator's file is not valid"
    InvalidServer "JC0624" "a setting of the server is not valid"
    InvalidBus "JC0625" "a setting of the bus is not valid"
    InvalidLabel "JC0626" "a text is not a label, or a job needs too many"
}

/// How bad a kind of mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The job cannot run, or the file is not valid.
    Error,
    /// It works, but is probably not what the author meant.
    Warning,
}

impl Severity {
    /// Returns the name that people and programs read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Code {
    /// Returns how bad a mistake of this kind is.
    pub fn severity(self) -> Severity {
        match self {
            Self::TextCutOff
            | Self::UnusedAnchor
            | Self::NotRead
            | Self::RetvalInText
            | Self::LeadingZero
            | Self::NeverDue => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// Finds the code that a person wrote: `JC0101`, `jc0101` or `101`.
    pub fn find(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let digits = upper.strip_prefix("JC").unwrap_or(&upper);
        Self::ALL.iter().copied().find(|code| code.id() == format!("JC{digits:0>4}"))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_order_and_unique() {
        assert!(Code::ALL.is_sorted_by(|a, b| a.id() < b.id()));
        for code in Code::ALL {
            let digits = code.id().strip_prefix("JC").unwrap();
            assert!(digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()), "{code}");
        }
    }

    #[test]
    fn a_code_is_found_however_it_is_written() {
        for text in ["JC0101", "jc0101", "0101", "101", " JC101 "] {
            assert_eq!(Code::find(text), Some(Code::Unreadable), "{text}");
        }
        assert_eq!(Code::find("JC9999"), None);
        assert_eq!(Code::find(""), None);
    }
}
