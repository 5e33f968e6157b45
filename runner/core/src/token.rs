//! Tokens of the API: what a holder may do, until when, and how a token is recognised. The random
//! bytes are an input.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::clock::Timestamp;
use crate::glob::GlobError;
use crate::glob::JobGlob;
use crate::glob::LONGEST_GLOB;

/// Prefix of every token, so that people and source code scanners recognise one.
pub const PREFIX: &str = "jc_";

/// Random bytes of a token: nobody guesses 256 bits, so a plain hash of them is enough to store.
pub const RANDOM_BYTES: usize = 32;

/// Characters of a token after its prefix: 32 bytes in base32.
const ENCODED: usize = 52;

/// A token in plain text, as its holder has it. It is shown once, when it is created, and never
/// stored.
pub struct Plain(String);

impl Plain {
    /// Creates a token from random bytes: `jc_` and 52 lower-case letters and digits.
    pub fn from_random(bytes: &[u8; RANDOM_BYTES]) -> Self {
        Self(format!("{PREFIX}{}", BASE32_NOPAD.encode(bytes).to_ascii_lowercase()))
    }

    /// Returns the text that its holder sends.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Returns its hash, which is stored instead of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

/// SHA-256 of a token. Compared in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Returns the hash of a presented text, or `None` if it cannot be a token.
    pub fn of_presented(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        let well_formed = rest.len() == ENCODED && rest.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        well_formed.then(|| Self::of(text))
    }

    fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Reads a stored hash. Returns `None` if it has the wrong length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the bytes that are stored.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// One thing that a token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Reading everything.
    Read,
    /// Running and cancelling these jobs.
    Run(JobGlob),
    /// Everything.
    Admin,
}

/// An invalid scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// There is no such scope.
    #[error("`{0}` is not a scope (write `read`, `run:GLOB` or `admin`)")]
    Unknown(String),
    /// The pattern after `run:` cannot match any job.
    #[error("{0}")]
    Glob(#[from] GlobError),
    /// The token would allow nothing.
    #[error("a token without a scope allows nothing")]
    Nothing,
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        match (text, text.strip_prefix("run:")) {
            ("read", _) => Ok(Self::Read),
            ("admin", _) => Ok(Self::Admin),
            (_, Some(glob)) => Ok(Self::Run(glob.parse()?)),
            (other, None) => Err(ScopeError::Unknown(other.chars().take(LONGEST_GLOB).collect())),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Run(glob) => write!(f, "run:{}", glob.as_str()),
            Self::Admin => f.write_str("admin"),
        }
    }
}

/// Everything that a token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Creates a set of these scopes, each once.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no scope.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, ScopeError> {
        let mut each: Vec<Scope> = Vec::new();
        for scope in scopes {
            if !each.contains(&scope) {
                each.push(scope);
            }
        }
        if each.is_empty() { Err(ScopeError::Nothing) } else { Ok(Self(each)) }
    }

    /// Returns the scopes of a person who needs no token.
    pub fn everything() -> Self {
        Self(vec![Scope::Admin])
    }

    /// Returns whether everything may be read. A token that may only run jobs cannot read what they
    /// return.
    pub fn may_read(&self) -> bool {
        self.0.iter().any(|scope| matches!(scope, Scope::Read | Scope::Admin))
    }

    /// Returns whether this job may be run and cancelled.
    pub fn may_run(&self, job: &str) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::Admin => true,
            Scope::Run(glob) => glob.fits(job),
            Scope::Read => false,
        })
    }

    /// Returns whether the token may run at least some jobs, if they exist.
    pub fn may_run_some(&self) -> bool {
        self.0.iter().any(|scope| matches!(scope, Scope::Admin | Scope::Run(_)))
    }

    /// Returns whether everything is allowed.
    pub fn is_admin(&self) -> bool {
        self.0.contains(&Scope::Admin)
    }

    /// Iterates over the scopes.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Reads scopes separated by spaces, as they are stored.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::new(text.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>()?)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.0.iter().enumerate() {
            write!(f, "{}{scope}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// A token, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Ids increase and are never reused.
    pub id: u64,
    /// The name that its creator gave it. Runs requested with the token show this name.
    pub name: String,
    /// The hash by which it is recognised.
    pub hash: TokenHash,
    /// What it allows.
    pub scopes: Scopes,
    /// When it was created.
    pub created: Timestamp,
    /// When it expires, if it does.
    pub expires: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked: Option<Timestamp>,
}

/// A token to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// The name that its creator gives it.
    pub name: String,
    /// The hash by which it is recognised.
    pub hash: TokenHash,
    /// What it allows.
    pub scopes: Scopes,
    /// When it is created.
    pub created: Timestamp,
    /// When it expires, if it does.
    pub expires: Option<Timestamp>,
}

impl NewToken {
    /// Returns the token as it is stored under this id.
    pub fn stored(self, id: u64) -> Token {
        let Self { name, hash, scopes, created, expires } = self;
        Token { id, name, hash, scopes, created, expires, revoked: None }
    }
}

/// Whether a token is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It is valid.
    Valid,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

impl TokenState {
    /// Returns the name that programs read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Token {
    /// Returns whether it is valid at this moment.
    pub fn state(&self, now: Timestamp) -> TokenState {
        match (self.revoked, self.expires) {
            (Some(_), _) => TokenState::Revoked,
            (None, Some(end)) if end <= now => TokenState::Expired,
            (None, _) => TokenState::Valid,
        }
    }
}

/// Returns the token with this hash. Every token is compared in full, so that the time reveals
/// nothing.
pub fn find<'t>(tokens: &'t [Token], presented: &TokenHash) -> Option<&'t Token> {
    tokens.iter().fold(None, |found, token| if token.hash == *presented { Some(token) } else { found })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scopes_are_read_as_they_were_written(
            texts in prop::collection::vec("read|admin|run:[a-z*-]{1,6}", 1..5),
        ) {
            let scopes: Scopes = texts.join(" ").parse().unwrap();
            prop_assert_eq!(scopes.to_string().parse::<Scopes>().unwrap(), scopes);
        }
    }

    #[test]
    fn what_is_not_a_scope_is_refused() {
        for text in ["", "write", "run", "run:", "run:a b", "run:../x", "Read", "run:é"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
        assert_eq!("".parse::<Scopes>(), Err(ScopeError::Nothing));
        let long = format!("run:{}", "*".repeat(LONGEST_GLOB + 1));
        assert!(long.parse::<Scope>().is_err());
    }

    #[test]
    fn each_scope_allows_what_it_says_and_no_more() {
        let may = |text: &str| {
            let scopes: Scopes = text.parse().unwrap();
            (scopes.may_read(), scopes.may_run("sales-x"), scopes.may_run("other"), scopes.is_admin())
        };
        assert_eq!(may("read"), (true, false, false, false));
        assert_eq!(may("run:sales-*"), (false, true, false, false));
        assert_eq!(may("read run:*"), (true, true, true, false));
        assert_eq!(may("admin"), (true, true, true, true));
    }

    #[test]
    fn a_token_is_recognised_and_nothing_else_is() {
        let plain = Plain::from_random(&[7; RANDOM_BYTES]);
        assert_eq!(plain.text().len(), PREFIX.len() + ENCODED);
        assert_eq!(TokenHash::of_presented(plain.text()), Some(plain.hash()));
        assert_ne!(Plain::from_random(&[8; RANDOM_BYTES]).hash(), plain.hash());
        let upper = plain.text().to_ascii_uppercase();
        for wrong in ["", "jc_", "jc_abc", &plain.text()[1..], &upper, &format!("{}a", plain.text())] {
            assert_eq!(TokenHash::of_presented(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_token_ends_by_time_or_by_hand() {
        let token = Token {
            id: 1,
            name: "ci".to_owned(),
            hash: Plain::from_random(&[1; RANDOM_BYTES]).hash(),
            scopes: Scopes::everything(),
            created: Timestamp(0),
            expires: Some(Timestamp(10)),
            revoked: None,
        };
        assert_eq!(token.state(Timestamp(9)), TokenState::Valid);
        assert_eq!(token.state(Timestamp(10)), TokenState::Expired);
        let revoked = Token { revoked: Some(Timestamp(5)), ..token };
        assert_eq!(revoked.state(Timestamp(6)), TokenState::Revoked);
    }
}
