//! Attacks that once did harm, one file each, with what the host must still do.

mod bulk;
mod causes;
mod compiled_size;
mod contract;
mod endless;
mod exit;
mod file_size;
mod forgery;
mod groups;
mod hooks;
mod line_tables;
mod mangled_name;
mod many_exports;
mod many_failures;
mod orphans;
mod output;
mod plain_text;
mod planted;
mod random;
mod requests;
mod texts;
mod tracebacks;
mod type_names;
mod waiting;
