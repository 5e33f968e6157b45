//! HTTP requests that plugins make: what is asked for, and what may be.
//!
//! - `host`: hosts as they are asked for, and patterns of them
//! - `path`: paths, and patterns of them
//! - `target`: what one request asks for
//! - `rule`: what may be asked for
//! - `address`: which addresses may be connected to
//! - `operator`: what the operator says of all requests

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
