//! Plain numbers, and nothing that says so: no WIT, no library.

#[unsafe(no_mangle)]
pub extern "C" fn percent_of(price: u32, percent: u32) -> u32 {
    price * percent / 100
}

#[unsafe(no_mangle)]
pub extern "C" fn mean(a: f64, b: f64) -> f64 {
    (a + b) / 2.0
}

#[unsafe(no_mangle)]
pub extern "C" fn largest(a: i64, b: i64) -> i64 {
    a.max(b)
}
