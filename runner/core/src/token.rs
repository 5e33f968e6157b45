//! Tokens of the API: what a holder may do, until when, and how a token is recognised. Pure: the
//! random bytes come in.

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

/// What every token begins with, so that people and scanners of source code recognise one.
pub const PREFIX: &str = "jc_";

/// Random bytes of a token: nobody guesses 256 bits, so a plain hash of them is enough to store.
pub const RANDOM_BYTES: usize = 32;

/// Characters of a token after its prefix: 32 bytes in base32.
const ENCODED: usize = 52;

/// A token as its holder has it. Shown once, when it is made, and never stored.
pub struct Plain(String);

impl Plain {
    /// The token of these random bytes: `jc_` and 52 lower-case letters and digits.
    pub fn from_random(bytes: &[u8; RANDOM_BYTES]) -> Self {
        Self(format!("{PREFIX}{}", BASE32_NOPAD.encode(bytes).to_ascii_lowercase()))
    }

    /// What its holder sends.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

/// SHA-256 of a token. Compared in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of what somebody presents; none where it cannot be a token.
    pub fn of_presented(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        let well_formed = rest.len() == ENCODED && rest.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        well_formed.then(|| Self::of(text))
    }

    fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Reads a stored hash; none where it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As it is stored.
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
    /// To look at everything.
    Read,
    /// To run and cancel these jobs.
    Run(JobGlob),
    /// Everything.
    Admin,
}

/// A text that is not a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// No such scope.
    #[error("`{0}` is not a scope (write `read`, `run:GLOB` or `admin`)")]
    Unknown(String),
    /// What follows `run:` cannot fit any job.
    #[error("{0}")]
    Glob(#[from] GlobError),
    /// A token that allows nothing.
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

/// All that a token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// These scopes, each once.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, ScopeError> {
        let mut each: Vec<Scope> = Vec::new();
        for scope in scopes {
            if !each.contains(&scope) {
                each.push(scope);
            }
        }
        if each.is_empty() { Err(ScopeError::Nothing) } else { Ok(Self(each)) }
    }

    /// What somebody may do who needs no token.
    pub fn everything() -> Self {
        Self(vec![Scope::Admin])
    }

    /// Whether everything may be looked at. A token that may only run jobs cannot read what they
    /// return.
    pub fn may_read(&self) -> bool {
        self.0.iter().any(|scope| matches!(scope, Scope::Read | Scope::Admin))
    }

    /// Whether this job may be run and cancelled.
    pub fn may_run(&self, job: &str) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::Admin => true,
            Scope::Run(glob) => glob.fits(job),
            Scope::Read => false,
        })
    }

    /// Whether there may be a job that may be run.
    pub fn may_run_some(&self) -> bool {
        self.0.iter().any(|scope| matches!(scope, Scope::Admin | Scope::Run(_)))
    }

    /// Whether everything is allowed.
    pub fn is_admin(&self) -> bool {
        self.0.contains(&Scope::Admin)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Reads scopes with spaces between them, as they are stored.
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

/// A token as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Rising, and never used again.
    pub id: u64,
    /// What its maker called it. Runs that are requested with it are told by this name.
    pub name: String,
    /// How it is recognised.
    pub hash: TokenHash,
    /// What it allows.
    pub scopes: Scopes,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends by itself, if it does.
    pub expires: Option<Timestamp>,
    /// When somebody ended it, if somebody did.
    pub revoked: Option<Timestamp>,
}

/// A token to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// What its maker calls it.
    pub name: String,
    /// How it is recognised.
    pub hash: TokenHash,
    /// What it allows.
    pub scopes: Scopes,
    /// When it is made.
    pub created: Timestamp,
    /// When it ends by itself, if it does.
    pub expires: Option<Timestamp>,
}

impl NewToken {
    /// The token as it is stored under an id.
    pub fn stored(self, id: u64) -> Token {
        let Self { name, hash, scopes, created, expires } = self;
        Token { id, name, hash, scopes, created, expires, revoked: None }
    }
}

/// Whether a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It is.
    Valid,
    /// Its time is over.
    Expired,
    /// Somebody ended it.
    Revoked,
}

impl TokenState {
    /// As programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Token {
    /// Whether it is good at that moment.
    pub fn state(&self, now: Timestamp) -> TokenState {
        match (self.revoked, self.expires) {
            (Some(_), _) => TokenState::Revoked,
            (None, Some(end)) if end <= now => TokenState::Expired,
            (None, _) => TokenState::Valid,
        }
    }
}

/// The token with this hash. Every token is compared in full, so that the time tells nothing.
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
