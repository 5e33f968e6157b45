//! What each customer has ordered.

use std::collections::BTreeMap;

use crate::Order;
use crate::Total;

/// The totals of all customers, the largest amount first.
pub fn of(orders: &[Order]) -> Vec<Total> {
    let mut by_customer: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
    for order in orders {
        let (count, amount) = by_customer.entry(&order.customer).or_default();
        *count += 1;
        *amount = amount.saturating_add(order.amount);
    }
    let total = |(customer, (orders, amount)): (&str, _)| Total { customer: customer.to_owned(), orders, amount };
    let mut totals: Vec<_> = by_customer.into_iter().map(total).collect();
    totals.sort_by_key(|total| std::cmp::Reverse(total.amount));
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_amount_comes_first() {
        let order = |id, customer: &str, amount| Order { id, customer: customer.to_owned(), amount };
        let totals = of(&[order(1, "Ada", 5), order(2, "Bo", 7), order(3, "Ada", 4)]);
        let shown: Vec<_> = totals.iter().map(|total| (total.customer.as_str(), total.orders, total.amount)).collect();
        assert_eq!(shown, [("Ada", 2, 9), ("Bo", 1, 7)]);
    }
}
