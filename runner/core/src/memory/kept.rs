//! The data that services keep in the in-memory store, and the tokens of the API.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::storage::NewReload;
use crate::storage::ReloadRow;
use crate::storage::Result;
use crate::storage::ScheduleState;
use crate::storage::StorageError;
use crate::storage::Tried;
use crate::token::NewToken;
use crate::token::Token;

#[derive(Default)]
pub(super) struct Kept {
    pub(super) next_reload: u64,
    pub(super) reloads: Vec<ReloadRow>,
    /// The schedules, each with the run that records what it has missed, as long as nothing has run
    /// since.
    pub(super) schedules: BTreeMap<String, (ScheduleState, Option<u64>)>,
    pub(super) tried: BTreeMap<String, String>,
    pub(super) leader: Option<String>,
    pub(super) tokens: Vec<Token>,
    /// The runs that a process has ever owned, or that were held.
    pub(super) begun: BTreeSet<u64>,
    /// The runs whose end has been reported.
    pub(super) told: BTreeSet<u64>,
}

impl Kept {
    pub(super) fn reload(&mut self, new: NewReload) -> u64 {
        self.next_reload += 1;
        let NewReload { created, reload } = new;
        self.reloads.push(ReloadRow { id: self.next_reload, created, reload });
        self.next_reload
    }

    pub(super) fn try_all(&mut self, tried: Vec<Tried>) -> u64 {
        self.tried.extend(tried.into_iter().map(|tried| (tried.job.to_string(), tried.fingerprint)));
        0
    }

    pub(super) fn create_token(&mut self, new: NewToken) -> Result<u64> {
        if self.tokens.iter().any(|token| token.hash == new.hash) {
            return Err(StorageError::Refused("the token already exists".to_owned()));
        }
        let id = self.tokens.len() as u64 + 1;
        self.tokens.push(new.stored(id));
        Ok(id)
    }

    pub(super) fn revoke_token(&mut self, id: u64, time: Timestamp) -> Result<u64> {
        let token = self.tokens.iter_mut().find(|token| token.id == id).ok_or(StorageError::NoToken(id))?;
        token.revoked.get_or_insert(time);
        Ok(0)
    }
}
