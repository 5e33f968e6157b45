//! Accounts and users of a broker, as `nsc` creates them: an operator vouches for accounts, and an
//! account for its users. Each vouches with a JWT that it signs.

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use nkeys::KeyPairType;
use serde_json::Value;
use serde_json::json;

/// In an account or a user, a limit that is left out is zero, and so nothing is allowed.
const UNLIMITED: i64 = -1;

/// The key of an account. Each number has its own.
pub fn account(number: u8) -> KeyPair {
    key(KeyPairType::Account, number)
}

/// The key of a user. Each number has its own.
pub fn user(number: u8) -> KeyPair {
    key(KeyPairType::User, number)
}

/// A key that is the same in every run of a test, and another one for each kind and number.
fn key(kind: KeyPairType, number: u8) -> KeyPair {
    let mut seed = [number; 32];
    seed[0] = kind.clone() as u8;
    KeyPair::new_from_raw(kind, seed).expect("a key")
}

/// Lines for a broker whose operator vouches for this account, which may use JetStream.
pub fn trusting(account: &KeyPair) -> String {
    let (operator, system) = (key(KeyPairType::Operator, 0), key(KeyPairType::Account, 0));
    let limits = json!({
        "conn": UNLIMITED, "leaf": UNLIMITED, "subs": UNLIMITED, "data": UNLIMITED, "payload": UNLIMITED,
        "imports": UNLIMITED, "exports": UNLIMITED, "wildcards": true,
        "mem_storage": UNLIMITED, "disk_storage": UNLIMITED, "streams": UNLIMITED, "consumer": UNLIMITED,
    });
    let vouched = |subject: &KeyPair, what: Value| jwt(&operator, &operator, subject, &what);
    let trusted = vouched(&operator, json!({ "type": "operator", "version": 2 }));
    let with_jetstream = vouched(account, json!({ "type": "account", "version": 2, "limits": limits }));
    let without = vouched(&system, json!({ "type": "account", "version": 2 }));
    let (account, system) = (account.public_key(), system.public_key());
    // JetStream does not start without an account for the system itself.
    format!(
        "operator: \"{trusted}\"\nsystem_account: \"{system}\"\nresolver: MEMORY\n\
         resolver_preload {{\n  {account}: \"{with_jetstream}\"\n  {system}: \"{without}\"\n}}\n"
    )
}

/// The JWT of a user of an account. It is valid if that account is the signer.
pub fn user_jwt(user: &KeyPair, account: &KeyPair, signer: &KeyPair) -> String {
    let what = json!({ "type": "user", "version": 2, "subs": UNLIMITED, "data": UNLIMITED, "payload": UNLIMITED });
    jwt(signer, account, user, &what)
}

/// A file of credentials: the JWT of a user, and the seed of the user's key.
pub fn file(jwt: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         ************************* IMPORTANT *************************\n\
         NKEY Seed printed below can be used to sign and prove identity.\n\
         NKEYs are sensitive and should be treated as secrets.\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n\n\
         *************************************************************\n"
    )
}

/// What the issuer says about the subject. The broker looks at neither the name nor the id.
fn jwt(signer: &KeyPair, issuer: &KeyPair, subject: &KeyPair, what: &Value) -> String {
    let (issuer, subject) = (issuer.public_key(), subject.public_key());
    let claims = json!({
        "jti": format!("{issuer}-{subject}"), "iat": 1_700_000_000, "iss": issuer, "sub": subject,
        "name": "tests", "nats": what,
    });
    let encoded = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let said = format!("{}.{}", encoded(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#), encoded(&claims.to_string()));
    let signature = signer.sign(said.as_bytes()).expect("a signature");
    format!("{said}.{}", BASE64URL_NOPAD.encode(&signature))
}
