//! What a job file lets its plugin access. Each grant is one file: how it is read from a manifest,
//! packed into a build config and back, described to editors, and whether a repeated build may have
//! it again. The sandbox has one file per grant that implements what it lets a guest do.
//!
//! - `grant`: the trait that every grant implements, and the macro that defines [`Grants`]
//! - `today`: what today's manifests say about the job of an older build
//! - `files`, `env`, `secrets`, `http`, `clock` (with `random`): the grants

mod clock;
pub(crate) mod env;
pub(crate) mod files;
mod grant;
pub(crate) mod http;
pub(crate) mod secrets;
mod today;

pub use clock::ClockGrant;
pub use clock::RandomGrant;
pub use env::EnvGrant;
pub use files::FilesGrant;
pub use http::HeaderPart;
pub use http::HttpGrant;
pub use secrets::SecretGrant;
pub use secrets::secrets_still_named;
pub use today::Repeated;
pub use today::Today;
pub use today::Withdrawn;

grant::grants! {
    /// Folders.
    files: FilesGrant,
    /// Environment variables.
    env: EnvGrant,
    /// Secrets, as environment variables.
    secrets: SecretGrant,
    /// HTTP requests.
    http: HttpGrant,
    /// A different clock, at most one.
    clock: ClockGrant,
    /// A different source of random numbers, at most one.
    random: RandomGrant,
}
