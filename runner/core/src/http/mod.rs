//! HTTP requests of plugins: what they request, and what is allowed.
//!
//! - `host`: hosts in a canonical form, and patterns of hosts
//! - `path`: paths, and patterns of paths
//! - `target`: the target of one request
//! - `rule`: which requests are allowed
//! - `address`: which addresses may be connected to
//! - `operator`: the operator's rules for all requests

mod address;
mod host;
mod operator;
mod path;
mod rule;
mod target;

pub use address::AddressRange;
pub use address::is_public;
pub use host::Host;
pub use host::HostPattern;
pub use operator::HttpRules;
pub use operator::Proxy;
pub use path::PathPattern;
pub use rule::Rule;
pub use rule::is_method;
pub use target::Scheme;
pub use target::Target;
