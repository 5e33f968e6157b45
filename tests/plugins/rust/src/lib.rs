//! What every form of job can do, in Rust: the same functions as in the other folders of
//! `tests/plugins`.

pub mod model;

use std::collections::hash_map::RandomState;
use std::env;
use std::fs;
use std::hash::BuildHasher;
use std::io;
use std::time::SystemTime;

use jobcontrol_plugin::ProgressIterator;
use jobcontrol_plugin::http;
use jobcontrol_plugin::job;
use jobcontrol_plugin::skip;

use crate::model::Broken;
use crate::model::Every;
use crate::model::More;
use crate::model::Names;
use crate::model::Order;
use crate::model::Payment;
use crate::model::Refusal;

/// Gives back what it gets.
///
/// Every type there and back.
#[job]
pub fn there_and_back(every: Every) -> Every {
    every
}

/// The same, for what only some forms have.
#[job]
pub fn more_there_and_back(more: More) -> More {
    more
}

/// Gives single values back, of each kind of core value.
#[job]
pub fn one_by_one(
    a: i8,
    b: i16,
    c: f32,
    d: f64,
    e: bool,
    f: char,
    g: i64,
    h: Payment,
) -> (i8, i16, f32, f64, bool, char, i64, Payment) {
    (a, b, c, d, e, f, g, h)
}

/// Takes more than fits into single values.
#[job]
pub fn many(first: Every, second: Every) -> (String, u64) {
    (first.text + &second.text, first.long + second.long)
}

/// Leaves a note.
#[job]
pub fn noted(mut order: Order) -> Order {
    order.notes.push("rust".to_owned());
    order
}

/// Leaves out what can be left out.
#[job]
pub fn greeting(name: String, greeting: Option<String>) -> String {
    format!("{}, {name}!", greeting.as_deref().unwrap_or("Hello"))
}

#[job]
pub fn told(name: String) {
    log::debug!("looking for {name}");
    log::info!(target: "manners", name = name.as_str(), times = 2; "greeting {name}");
    log::warn!("no hat was taken off");
    log::error!("the hand was not shaken");
}

/// Has the name of a function of C, which printing needs.
#[job]
pub fn write(text: String) -> String {
    println!("{text}");
    text
}

#[job]
pub fn steps(outer: u32, inner: u32) -> u64 {
    let mut sum = 0;
    for _ in (0..outer).progress(["outer"]) {
        sum += (0..u64::from(inner)).progress(["outer", "inner"]).sum::<u64>();
    }
    sum
}

#[job]
pub fn skipped(reason: String) -> String {
    skip(&reason)
}

/// Fails, for a reason that has a reason.
#[job]
pub fn broken(what: String) -> Result<u32, Broken> {
    let source = Some(Box::new(Broken { what: "the disk is full".to_owned(), source: None }));
    Err(Broken { what, source })
}

/// Fails as most programs do.
#[job(name = "boxed")]
pub fn broken_in_a_box(path: String) -> Result<String, Box<dyn std::error::Error>> {
    Ok(fs::read_to_string(path)?)
}

#[job]
pub fn panics(items: Vec<u8>, at: u32) -> u8 {
    items[at as usize]
}

/// Refuses, and says why as a value.
#[job]
pub fn refused(count: u32) -> Result<u32, Refusal> {
    match count {
        0 => Err(Refusal::Closed),
        1..10 => Ok(count),
        more => Err(Refusal::TooMany(more)),
    }
}

#[job]
pub fn checked(is_right: bool) -> Result<(), Payment> {
    if is_right { Ok(()) } else { Err(Payment::Rate(0.5)) }
}

/// What a server answers.
#[job]
pub fn fetched(url: String) -> Result<String, http::Error> {
    http::get(url).header("accept", "text/plain").send()?.ok()?.text()
}

#[job]
pub fn copied(from: String, to: String) -> io::Result<u64> {
    fs::copy(from, to)
}

#[job]
pub fn variable(name: String) -> Option<String> {
    env::var(name).ok()
}

/// Seconds since 1970.
#[job]
pub fn moment() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[job]
pub fn chance() -> u64 {
    RandomState::new().hash_one(0)
}

/// As many records as one wants.
#[job]
pub fn names(count: u32) -> Vec<Names> {
    (0..count).map(|at| Names { first: format!("n{at}"), unit_price: f64::from(at) }).collect()
}

#[job]
pub fn price(names: Vec<Names>) -> f64 {
    names.iter().map(|it| it.unit_price).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_still_a_function() {
        assert_eq!(refused(3), Ok(3));
        assert_eq!(refused(10), Err(Refusal::TooMany(10)));
        assert_eq!(steps(2, 3), 6);
        assert_eq!(broken("x".to_owned()).map_err(|error| error.to_string()), Err("x".to_owned()));
    }
}
