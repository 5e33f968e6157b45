//! What a server says its orders are.

use serde::Deserialize;

use crate::FetchError;
use crate::Order;
use crate::http;

#[derive(Deserialize)]
struct Listed {
    id: u64,
    customer: String,
    amount: u64,
}

/// Gets the orders that a server lists.
pub fn fetch(url: &str) -> Result<Vec<Order>, FetchError> {
    let response = http::get(url).map_err(|error| FetchError::Network(format!("{error:?}")))?;
    match response.status {
        200 => read(&response.body),
        401 | 403 => Err(FetchError::Unauthorized),
        429 => Err(FetchError::RateLimited),
        status => Err(FetchError::Status(status)),
    }
}

fn read(body: &[u8]) -> Result<Vec<Order>, FetchError> {
    let listed: Vec<Listed> = serde_json::from_slice(body).map_err(|error| FetchError::Malformed(error.to_string()))?;
    Ok(listed.into_iter().map(|Listed { id, customer, amount }| Order { id, customer, amount }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_the_server_writes_them() {
        let orders = read(br#"[{ "id": 1, "customer": "Ada", "amount": 250, "note": "new" }]"#).expect("orders");
        assert_eq!((orders.len(), orders[0].customer.as_str(), orders[0].amount), (1, "Ada", 250));
    }

    #[test]
    fn what_is_no_list_of_orders_says_where() {
        let Err(FetchError::Malformed(reason)) = read(br#"[{ "id": 1, "customer": "Ada" }]"#) else {
            panic!("it is not complete");
        };
        assert!(reason.contains("missing field `amount` at line 1"), "{reason}");
    }
}
