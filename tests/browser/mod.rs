//! The pages in a real Chromium. What each test is named after is what a person would notice.
//!
//! - `pages`: each page, wide and narrow, light and dark: sound for axe-core, within its budgets
//! - `plain`: the same without scripts
//! - `form`: the run form, every type there and back
//! - `open`: pages that stay open
//! - `long`: a log of a million records
//! - `looks`: how pages look, beside how they looked
//! - `drawn`: graphs of up to 2,000 jobs
//! - `keys`: the keyboard
//! - `hostile`: texts and requests that mean no good; the two odd nights of the year

#![expect(clippy::unwrap_used, reason = "what is missing ends its test")]

mod drawn;
mod form;
mod hostile;
mod keys;
mod long;
mod looks;
mod open;
mod pages;
mod plain;

use jobcontrol::record::sqlite::SqliteStorage;
use jobcontrol_core::clock::Timestamp;
use jobcontrol_core::event::Level;
use jobcontrol_core::event::NewRecord;

use crate::harness::Folder;

/// Writes records of these numbers into the log of a build, each 997th of which warns.
fn say(store: &SqliteStorage, build: u64, from: u64, to: u64) {
    let line = |number: u64| {
        let level = if number.is_multiple_of(997) { Level::Warning } else { Level::Info };
        NewRecord::new(
            Timestamp(1_795_348_800_000_000 + number as i64 * 1_000),
            level,
            "big.log",
            format!("record {number}"),
        )
    };
    crate::harness::say(store, build, from..=to, line);
}

/// The sample jobs, built, with one that fails, one that is protected and one that has a schedule.
fn sample() -> Folder {
    let jobs = "jobs:
  - { id: bad, function: divide:divide, args: [1, 0], title: Divide by nothing, tags: [test] }
  - id: good
    function: divide:divide
    args: [6, 3]
    title: Six by three
    tags: [test, maths]
    schedule: { cron: \"0 6 * * *\", timezone: Europe/Rome }
    notes: |
      Divides *six* by **three**, see ``divide.wat`` and `next <job:next>`_.

      * one
      * two
  - { id: next, function: divide:divide, kwargs: { a: !retval good, b: 1 }, protected: true }
";
    let folder = Folder::new().samples().guest("divide.wat").guest("types.wat").file("jobs/more.yaml", jobs);
    let folder = folder.file("jobs/types.yaml", "id: types\\nfunction: types:all\\n".replace("\\n", "\n"));
    folder.run(&["run", "--deps", "sales-report"]).code(0);
    folder.run(&["run", "good"]).code(0);
    folder.run(&["run", "bad"]).code(1);
    folder
}
