//! The shapes of tokens.

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::token::Token;
use serde::Serialize;

/// A token, without the text that its holder sends.
#[derive(Serialize)]
pub(crate) struct TokenJson<'a> {
    id: u64,
    name: &'a str,
    scopes: Vec<String>,
    /// `valid`, `expired` or `revoked`.
    state: &'static str,
    created: Timestamp,
    expires: Option<Timestamp>,
    revoked: Option<Timestamp>,
    /// The text that its holder sends; it is shown only once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl<'a> TokenJson<'a> {
    pub(crate) fn new(token: &'a Token, now: Timestamp) -> Self {
        Self {
            id: token.id,
            name: &token.name,
            scopes: token.scopes.iter().map(ToString::to_string).collect(),
            state: token.state(now).name(),
            created: token.created,
            expires: token.expires,
            revoked: token.revoked,
            token: None,
        }
    }

    /// Adds the text that its holder sends.
    pub(crate) fn with_text(self, text: &'a str) -> Self {
        Self { token: Some(text), ..self }
    }
}
