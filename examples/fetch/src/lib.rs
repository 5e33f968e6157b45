//! An example plugin: orders from a server, over HTTPS and with a token, and what they come to.
//!
//! `http` is a GET by `wasi:http` alone; `orders` reads what it brings, `totals` adds it up. The
//! token is in neither: the host adds it, by the job's grant.

mod http;
mod orders;
mod totals;

wit_bindgen::generate!({ path: "wit", world: "fetch" });
export!(Fetch);

struct Fetch;

impl Guest for Fetch {
    fn fetch_orders(url: String) -> Result<Vec<Order>, FetchError> {
        orders::fetch(&url)
    }

    fn totals(orders: Vec<Order>) -> Vec<Total> {
        totals::of(&orders)
    }
}
