//! Creates and revokes tokens of the API.

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

/// The longest name of a token, in characters, because lists show it.
const LONGEST_NAME: usize = 100;

/// A new token. Its text is shown now and never again.
pub struct Made {
    /// The text that its holder sends.
    pub plain: Plain,
    /// What is stored.
    pub token: Token,
}

/// Creates a token from the system's random numbers.
///
/// # Errors
///
/// Returns a refusal if a list cannot show the name, if the machine gives no random numbers, or if
/// the store cannot be written to.
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

/// Revokes a token. A token that has already ended stays as it is.
///
/// # Errors
///
/// Returns a refusal if the token does not exist, or if the store cannot be written to.
pub fn revoke(storage: &dyn Storage, id: u64) -> Result<(), Refusal> {
    storage.write(Write::RevokeToken(id, storage.clock().now()))?;
    Ok(())
}

/// Returns whether any token is valid now.
///
/// # Errors
///
/// Returns a refusal if the store cannot be read.
pub fn is_any_valid(storage: &dyn Storage) -> Result<bool, Refusal> {
    let now = storage.clock().now();
    Ok(storage.get_tokens()?.iter().any(|token| token.state(now) == TokenState::Valid))
}
