//! The bridge from the `log` crate to the host's log.

use log::Level;
use log::LevelFilter;
use log::Log;
use log::Metadata;
use log::Record;
use log::kv;

use crate::host;

static LOGGER: Logger = Logger;

pub(crate) fn install() {
    if log::set_logger(&LOGGER).is_ok() {
        // The host decides what it shows; a build keeps everything.
        log::set_max_level(LevelFilter::Trace);
    }
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        host::write(&entry(record));
    }

    fn flush(&self) {}
}

fn entry(record: &Record<'_>) -> host::Entry {
    let mut fields = Fields(Vec::with_capacity(record.key_values().count()));
    // `Fields` never returns an error.
    let _ = record.key_values().visit(&mut fields);
    host::Entry {
        level: level(record.level()),
        message: record.args().to_string(),
        target: record.target().to_owned(),
        fields: fields.0,
        failure: None,
    }
}

/// Converts a level. The contract has no level below debug.
fn level(level: Level) -> host::Level {
    match level {
        Level::Error => host::Level::Error,
        Level::Warn => host::Level::Warning,
        Level::Info => host::Level::Info,
        Level::Debug | Level::Trace => host::Level::Debug,
    }
}

struct Fields(Vec<(String, String)>);

impl<'kvs> kv::VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_its_counterpart() {
        let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
        let names = levels.map(|each| format!("{:?}", level(each)));
        let wanted = ["Error", "Warning", "Info", "Debug", "Debug"];
        for (name, wanted) in names.iter().zip(wanted) {
            assert!(name.ends_with(wanted), "{name} is not {wanted}");
        }
    }

    #[test]
    fn key_values_become_fields_in_their_order() {
        let pairs = [("zeta", kv::Value::from(3)), ("alpha", kv::Value::from("x"))];
        let record = Record::builder()
            .level(Level::Info)
            .target("sales::clean")
            .args(format_args!("dropped"))
            .key_values(&pairs)
            .build();
        let entry = entry(&record);
        assert_eq!(entry.target, "sales::clean");
        assert_eq!(entry.message, "dropped");
        let wanted = [("zeta", "3"), ("alpha", "x")];
        assert_eq!(entry.fields, wanted.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
