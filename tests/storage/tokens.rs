//! Tokens of the API: rules of every backend, then the command line.

use std::time::Duration;

use jobcontrol::request::token::create;
use jobcontrol::request::token::is_any_valid;
use jobcontrol::request::token::revoke;
use jobcontrol_core::clock::ManualClock;
use jobcontrol_core::storage::Storage;
use jobcontrol_core::storage::StorageError;
use jobcontrol_core::storage::Write;
use jobcontrol_core::token::NewToken;
use jobcontrol_core::token::Plain;
use jobcontrol_core::token::Scopes;
use jobcontrol_core::token::TokenHash;
use jobcontrol_core::token::TokenState;
use serde_json::json;

use super::NOON;
use super::noon_plus;
use super::rules;
use crate::harness::Folder;

rules! {
    a_token_is_kept_by_its_hash_and_revoked_once
    a_token_is_good_as_long_as_it_says
}

fn a_token_is_kept_by_its_hash_and_revoked_once(store: &dyn Storage, clock: &ManualClock) {
    assert_eq!(store.get_tokens(), Ok(vec![]));
    let hash = Plain::from_random(&[1; 32]).hash();
    let scopes: Scopes = "read run:sales-*".parse().unwrap();
    let new = NewToken { name: "ünï".to_owned(), hash, scopes, created: NOON, expires: Some(noon_plus(9)) };
    let id = store.write(Write::CreateToken(new.clone())).unwrap();
    assert!(matches!(store.write(Write::CreateToken(new.clone())), Err(StorageError::Refused(_))));
    assert_eq!(store.get_tokens(), Ok(vec![new.clone().stored(id)]));
    clock.set(noon_plus(1));
    revoke(store, id).unwrap();
    clock.set(noon_plus(2));
    revoke(store, id).unwrap();
    assert_eq!(store.get_tokens().unwrap()[0].revoked, Some(noon_plus(1)));
    assert_eq!(store.write(Write::RevokeToken(99, NOON)), Err(StorageError::NoToken(99)));
    let other = NewToken { hash: Plain::from_random(&[2; 32]).hash(), expires: None, ..new };
    assert!(store.write(Write::CreateToken(other)).unwrap() > id);
}

fn a_token_is_good_as_long_as_it_says(store: &dyn Storage, clock: &ManualClock) {
    assert!(!is_any_valid(store).unwrap());
    let made = create(store, "ci", Scopes::everything(), Some(Duration::from_secs(10))).unwrap();
    assert!(is_any_valid(store).unwrap());
    let stored = store.get_tokens().unwrap().remove(0);
    assert_eq!(stored, made.token);
    assert_eq!(TokenHash::of_presented(made.plain.text()), Some(stored.hash));
    clock.set(noon_plus(10));
    assert_eq!(stored.state(store.clock().now()), TokenState::Expired);
    assert!(!is_any_valid(store).unwrap());
    for name in ["", "two\nlines", &"x".repeat(101)] {
        assert!(create(store, name, Scopes::everything(), None).is_err(), "{name:?}");
    }
}

#[test]
fn a_token_is_shown_once_and_listed_without_it() {
    let folder = Folder::new();
    let arguments =
        ["token", "create", "--scope", "run:sales-*", "--scope", "read", "--expires", "30d", "--name", "ci"];
    let made = folder.json(&arguments);
    let text = made["token"].as_str().unwrap();
    assert!(text.starts_with("jc_") && text.len() == 55, "{made}");
    let mut listed = folder.json(&["token", "list"]);
    let listed = listed[0].take();
    assert_eq!(listed["scopes"], json!(["run:sales-*", "read"]));
    assert_eq!((&listed["name"], &listed["state"]), (&json!("ci"), &json!("valid")));
    assert_eq!(listed.get("token"), None);
    // Nothing on the disk has it.
    for file in std::fs::read_dir(folder.path("")).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(text.len()).any(|part| part == text.as_bytes()), "{:?}", file.path());
    }
    folder.run(&["token", "revoke", "1"]).code(0).stdout("token 1 was revoked\n");
    folder.run(&["token", "list"]).code(0).tells("revoked");
    folder.run(&["token", "revoke", "7"]).code(4).says("there is no token 7");
}

#[test]
fn a_scope_that_means_nothing_is_refused() {
    let folder = Folder::new();
    folder.run(&["token", "create", "--scope", "write"]).code(2).says("`write` is not a scope");
    folder.run(&["token", "create", "--scope", "run:a b"]).code(2).says("cannot match a job id");
    folder.run(&["token", "create"]).code(2).says("--scope");
    folder.run(&["token", "create", "--scope", "read", "--name", "a\nb"]).code(2).says("is not a name for a token");
}
