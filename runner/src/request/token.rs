//! Tokens of the API: made with the system's randomness, and ended.

use std::time::Duration;

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::Write;
use jobcontrol_core::token::NewToken;
use jobcontrol_core::token::Plain;
use jobcontrol_core::token::RANDOM_BYTES;
use jobcontrol_core::token::Scopes;
use jobcontrol_core::token::Token;
use jobcontrol_core::token::TokenState;

use crate::request::refusal::Refusal;

/// Longest name of a token, in characters: it stands in lists.
const LONGEST_NAME: usize = 100;

/// A token that was made. Its text is shown now and never again.
pub struct Made {
    /// What its holder sends.
    pub plain: Plain,
    /// What is stored.
    pub token: Token,
}

/// Makes a token.
///
/// # Errors
///
/// A name that cannot stand in a list, a machine without randomness, or the store's.
pub fn create(storage: &dyn Storage, name: &str, scopes: Scopes, lasts: Option<Duration>) -> Result<Made, Refusal> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        let message = format!("`{}` is not a name for a token", name.escape_debug());
        return Err(Refusal::usage(message).hint(format!("write up to {LONGEST_NAME} characters on one line")));
    }
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Refusal::failed(format!("the machine gives no random numbers: {error}")))?;
    let plain = Plain::from_random(&bytes);
    let created = storage.clock().now();
    let end =
        |lasts: Duration| Timestamp(created.0.saturating_add(i64::try_from(lasts.as_micros()).unwrap_or(i64::MAX)));
    let new = NewToken { name: name.to_owned(), hash: plain.hash(), scopes, created, expires: lasts.map(end) };
    let id = storage.write(Write::CreateToken(new.clone()))?;
    Ok(Made { plain, token: new.stored(id) })
}

/// Ends a token; one that has ended stays as it is.
///
/// # Errors
///
/// There is no such token, or the store's.
pub fn revoke(storage: &dyn Storage, id: u64) -> Result<(), Refusal> {
    storage.write(Write::RevokeToken(id, storage.clock().now()))?;
    Ok(())
}

/// Whether some token is good now.
///
/// # Errors
///
/// The store's.
pub fn is_any_valid(storage: &dyn Storage) -> Result<bool, Refusal> {
    let now = storage.clock().now();
    Ok(storage.get_tokens()?.iter().any(|token| token.state(now) == TokenState::Valid))
}
