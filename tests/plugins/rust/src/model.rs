//! What the jobs share, apart from them.

use std::error::Error;
use std::fmt;

use jobcontrol_plugin::Data;

#[derive(Clone, Debug, Data, PartialEq)]
pub enum Kind {
    Small,
    VeryLarge,
}

#[derive(Clone, Debug, Data, PartialEq)]
pub struct Circle {
    pub radius: f64,
}

#[derive(Clone, Debug, Data, PartialEq)]
pub struct Square {
    pub side: f64,
    pub labels: Vec<String>,
}

#[derive(Clone, Debug, Data, PartialEq)]
pub enum Shape {
    Circle(Circle),
    Square(Square),
}

#[derive(Clone, Debug, Data, PartialEq)]
pub struct Names {
    pub first: String,
    pub unit_price: f64,
}

/// A value of each type that all forms have.
#[derive(Clone, Debug, Data, PartialEq)]
pub struct Every {
    pub yes: bool,
    pub tiny: u8,
    pub tiny_signed: i8,
    pub short: u16,
    pub short_signed: i16,
    pub word: u32,
    pub word_signed: i32,
    pub long: u64,
    pub long_signed: i64,
    pub single: f32,
    pub double: f64,
    pub letter: char,
    pub text: String,
    pub bytes: Vec<u8>,
    pub items: Vec<Names>,
    pub lists: Vec<Vec<u32>>,
    pub pair: (String, u32),
    pub maybe: Option<String>,
    pub kind: Kind,
    pub shape: Shape,
}

/// What this form has beside.
#[derive(Clone, Debug, Data, PartialEq)]
pub struct More {
    pub rights: Rights,
    pub twice: Option<Option<u8>>,
    pub either: Result<(), String>,
    pub payment: Payment,
    pub boxed: Box<Names>,
}

#[derive(Clone, Debug, Data, PartialEq)]
#[data(flags)]
pub struct Rights {
    pub read: bool,
    pub write: bool,
    #[data(name = "run")]
    pub execute: bool,
}

/// Cases whose core values are of different kinds.
#[derive(Clone, Debug, Data, PartialEq)]
pub enum Payment {
    Cash,
    Card(String),
    Invoice(u32),
    Rate(f64),
    Half(f32),
    Later(u64),
}

/// What jobs of several languages pass on.
#[derive(Clone, Debug, Data, PartialEq)]
pub struct Order {
    pub id: String,
    pub cents: i64,
    pub notes: Vec<String>,
}

/// Why something is refused, as data.
#[derive(Clone, Debug, Data, PartialEq)]
pub enum Refusal {
    Closed,
    TooMany(u32),
}

/// Why something went wrong, for people.
#[derive(Debug)]
pub struct Broken {
    pub what: String,
    pub source: Option<Box<Self>>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
