//! Attacks that once did harm, one file each, with what the host must still do.

mod bulk;
mod exit;
mod file_size;
mod forgery;
mod hooks;
