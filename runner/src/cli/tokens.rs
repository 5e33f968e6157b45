//! `token`: tokens that allow others to use the API of a service.

use std::time::Duration;

use clap::Subcommand;
use jobcontrol_core::token::Scope;
use jobcontrol_core::token::Scopes;
use jobcontrol_core::token::Token;
use jobcontrol_core::token::TokenState;
use serde::Serialize;

use super::error;
use super::error::CliError;
use super::flags::duration;
use super::person::person;
use super::render::GREEN;
use super::render::Out;
use super::render::RED;
use super::render::styled;
use super::render::text;
use super::render::time::local;
use crate::app::App;
use crate::request::token;
use crate::show::escape::one_line;
use crate::show::tokens::TokenJson;

/// What to do with tokens.
#[derive(Subcommand, Debug)]
pub(super) enum TokenCommand {
    /// Create a token; it is shown only once
    Create {
        /// What it allows: `read`, `run:GLOB` (run and cancel jobs, such as `run:sales-*`) or
        /// `admin`
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<Scope>,
        /// How long it is valid: `30d`, `12h` [default: forever]
        #[arg(long, value_name = "TIME", value_parser = duration)]
        expires: Option<Duration>,
        /// Its name in lists, and the name under which its holder runs jobs
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// List the tokens, without their secret text
    List,
    /// Revoke a token
    Revoke {
        /// The token's number
        #[arg(value_name = "TOKEN", value_parser = token_number)]
        token: u64,
    },
}

fn token_number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a token number; `jobcontrol token list` lists them"))
}

#[derive(Serialize)]
struct RevokedJson {
    revoked: u64,
}

pub(super) fn token(app: &App, out: &Out, command: &TokenCommand) -> Result<u8, CliError> {
    match command {
        TokenCommand::Create { scopes, expires, name } => create(app, out, scopes, *expires, name.as_deref()),
        TokenCommand::List => list(app, out),
        TokenCommand::Revoke { token } => {
            token::revoke(&*app.storage(false)?, *token)?;
            if out.is_json() {
                out.json(&RevokedJson { revoked: *token })?;
            } else {
                out.answer(format!("token {token} was revoked"))?;
            }
            Ok(error::DONE)
        }
    }
}

fn create(app: &App, out: &Out, scopes: &[Scope], lasts: Option<Duration>, name: Option<&str>) -> Result<u8, CliError> {
    let scopes = Scopes::new(scopes.iter().cloned()).map_err(|error| CliError::usage(error.to_string()))?;
    let name = name.map_or_else(person, str::to_owned);
    let made = token::create(&*app.storage(true)?, &name, scopes, lasts)?;
    if out.is_json() {
        out.json(&TokenJson::new(&made.token, app.clock.now()).with_text(made.plain.text()))?;
        return Ok(error::DONE);
    }
    let until = made.token.expires.map(|time| format!(", until {}", local(time))).unwrap_or_default();
    out.say(format!("token {} for {}{until}; it is shown only now", made.token.id, made.token.scopes));
    out.answer(made.plain.text().to_owned())?;
    Ok(error::DONE)
}

fn list(app: &App, out: &Out) -> Result<u8, CliError> {
    let (tokens, now) = (app.storage(false)?.get_tokens()?, app.clock.now());
    if out.is_json() {
        out.json(&tokens.iter().map(|token| TokenJson::new(token, now)).collect::<Vec<_>>())?;
    } else if tokens.is_empty() {
        out.say("no tokens");
    } else {
        let row = |token: &Token| {
            let state = token.state(now);
            vec![
                token.id.to_string(),
                one_line(&token.name),
                token.scopes.to_string(),
                styled(if state == TokenState::Valid { GREEN } else { RED }, state.name()),
                local(token.created),
                token.expires.map(local).unwrap_or_default(),
            ]
        };
        let header = ["TOKEN", "NAME", "SCOPES", "STATE", "CREATED", "EXPIRES"];
        out.answer(text::table(&header, tokens.iter().map(row).collect()))?;
    }
    Ok(error::DONE)
}
