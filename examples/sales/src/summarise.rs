//! Adding up.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jobcontrol_plugin::ProgressIterator;

use crate::Order;
use crate::Summary;
use crate::example::sales::types::CustomerTotal;
use crate::example::sales::types::RegionTotal;

/// How many orders, and their amounts together.
#[derive(Clone, Copy, Default)]
struct Tally {
    orders: u32,
    total: i64,
}

impl Tally {
    fn add(&mut self, amount: i64) {
        self.orders += 1;
        self.total = self.total.saturating_add(amount);
    }
}

pub(crate) fn orders(orders: &[Order], top: usize) -> Result<Summary, String> {
    let dates = || orders.iter().map(|order| order.date.clone());
    let Some(period) = dates().min().zip(dates().max()) else {
        return Err("there are no orders to sum up".to_owned());
    };
    let mut all = Tally::default();
    let mut regions = BTreeMap::<_, Tally>::new();
    let mut customers = BTreeMap::<&str, Tally>::new();
    for order in orders.iter().progress(["summarise"]) {
        all.add(order.amount);
        regions.entry(order.region).or_default().add(order.amount);
        customers.entry(&order.customer).or_default().add(order.amount);
    }
    log::debug!(regions = regions.len(), customers = customers.len(); "added up");
    let mut regions: Vec<_> =
        regions.into_iter().map(|(region, Tally { orders, total })| RegionTotal { region, orders, total }).collect();
    regions.sort_by_key(|region| Reverse(region.total));
    let mut customers: Vec<_> = customers
        .into_iter()
        .map(|(name, Tally { orders, total })| CustomerTotal { customer: name.to_owned(), orders, total })
        .collect();
    customers.sort_by_key(|customer| Reverse(customer.total));
    customers.truncate(top);
    Ok(Summary {
        period,
        orders: all.orders,
        total: all.total,
        median: median(orders.iter().map(|order| order.amount).collect()),
        with_coupon: orders.iter().filter(|order| order.coupon.is_some()).count() as u32,
        regions,
        customers,
    })
}

/// Of an even number of amounts, the mean of the two in the middle.
fn median(mut amounts: Vec<i64>) -> i64 {
    amounts.sort_unstable();
    let middle = amounts.len() / 2;
    match amounts.len() {
        0 => 0,
        length if length.is_multiple_of(2) => amounts[middle - 1].midpoint(amounts[middle]),
        _ => amounts[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::sales::types::Currency;
    use crate::example::sales::types::Region;

    fn order(customer: &str, region: Option<Region>, amount: i64) -> Order {
        Order {
            id: 0,
            date: format!("2026-11-{amount:02}"),
            customer: customer.to_owned(),
            region,
            amount,
            currency: Currency::Eur,
            coupon: None,
        }
    }

    #[test]
    fn totals_are_sorted_and_cut() {
        let list = [
            order("A", Some(Region::North), 3),
            order("B", None, 10),
            order("C", Some(Region::North), 5),
            order("A", Some(Region::East), 4),
        ];
        let summary = orders(&list, 2).expect("some orders");
        assert_eq!((summary.orders, summary.total, summary.median), (4, 22, 4));
        assert_eq!(summary.period, ("2026-11-03".to_owned(), "2026-11-10".to_owned()));
        let regions: Vec<_> = summary.regions.iter().map(|r| (r.region, r.total)).collect();
        assert_eq!(regions, [(None, 10), (Some(Region::North), 8), (Some(Region::East), 4)]);
        let customers: Vec<_> = summary.customers.iter().map(|c| (c.customer.as_str(), c.orders, c.total)).collect();
        assert_eq!(customers, [("B", 1, 10), ("A", 2, 7)]);
    }

    #[test]
    fn nothing_cannot_be_summed_up() {
        assert_eq!(orders(&[], 3).expect_err("none"), "there are no orders to sum up");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![9, 1, 5]), 5);
        assert_eq!(median(vec![9, 1, 5, 6]), 5);
        assert_eq!(median(vec![]), 0);
    }
}
