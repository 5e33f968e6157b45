// Plain numbers, and nothing that says so: no WIT, no library.

export function percent_of(price: u32, percent: u32): u32 {
  return price * percent / 100;
}

export function mean(a: f64, b: f64): f64 {
  return (a + b) / 2;
}

export function largest(a: i64, b: i64): i64 {
  return a > b ? a : b;
}
