//! Tokens of the API.

use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::token::NewToken;
use jobcontrol_core::token::Token;
use jobcontrol_core::token::TokenHash;
use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::Row;
use rusqlite::params;
use rusqlite::types::Type;

use super::sql;
use super::sql::RowError;

pub(super) fn create(db: &Connection, new: &NewToken) -> sql::Result {
    let sql = "INSERT INTO token (name, hash, scopes, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)";
    let expires = new.expires.map(|time| time.0);
    let values = params![new.name, new.hash.as_bytes(), new.scopes.to_string(), new.created.0, expires];
    match db.prepare_cached(sql)?.execute(values) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(RowError::Answer(StorageError::Refused("the token already exists".to_owned())))
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(u64::try_from(db.last_insert_rowid()).unwrap_or(0)),
    }
}

pub(super) fn revoke(db: &Connection, id: u64, time: Timestamp) -> sql::Result {
    let sql = "UPDATE token SET revoked = coalesce(revoked, ?2) WHERE id = ?1";
    match db.prepare_cached(sql)?.execute(params![sql::number(id), time.0])? {
        0 => Err(RowError::Answer(StorageError::NoToken(id))),
        _ => Ok(0),
    }
}

pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<Token>> {
    let sql = "SELECT id, name, hash, scopes, created, expires, revoked FROM token ORDER BY id";
    db.prepare_cached(sql)?.query_map([], read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Token> {
    // Anything else that somebody has written into the file does not become a token.
    let odd = |column: usize, kind: Type, what: &str| {
        rusqlite::Error::FromSqlConversionFailure(column, kind, format!("it is not {what}").into())
    };
    let hash = TokenHash::from_bytes(row.get_ref(2)?.as_blob()?);
    let scopes = row.get_ref(3)?.as_str()?.parse();
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        hash: hash.ok_or_else(|| odd(2, Type::Blob, "a hash"))?,
        scopes: scopes.map_err(|_| odd(3, Type::Text, "a list of scopes"))?,
        created: Timestamp(row.get(4)?),
        expires: row.get::<_, Option<i64>>(5)?.map(Timestamp),
        revoked: row.get::<_, Option<i64>>(6)?.map(Timestamp),
    })
}
