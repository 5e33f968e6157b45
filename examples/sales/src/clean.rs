//! Dropping what cannot be a sale, and bringing the rest into euros.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jobcontrol_plugin::ProgressIterator;

use crate::CleanResult;
use crate::Order;
use crate::Policy;
use crate::example::sales::types::Currency;
use crate::example::sales::types::Drops;
use crate::example::sales::types::Rate;
use crate::money;

/// How many of the dropped orders get a warning of their own.
const WARNINGS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Duplicate,
    NotPositive,
    TooHigh,
    NoRate,
}

pub(crate) fn usual_policy() -> Policy {
    Policy {
        highest: 10_000_000,
        region: None,
        rates: vec![Rate { currency: Currency::Usd, euros: 0.92 }, Rate { currency: Currency::Gbp, euros: 1.17 }],
    }
}

pub(crate) fn orders(orders: Vec<Order>, policy: &Policy) -> CleanResult {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::with_capacity(orders.len());
    let mut dropped = Vec::new();
    let mut regions_filled = 0;
    for mut order in orders.into_iter().progress(["clean", "check"]) {
        let verdict = if seen.insert(order.id) { euros(&order, policy) } else { Err(Reason::Duplicate) };
        match verdict {
            Ok(amount) => {
                order.amount = amount;
                order.currency = Currency::Eur;
                if order.region.is_none() && policy.region.is_some() {
                    order.region = policy.region;
                    regions_filled += 1;
                }
                kept.push(order);
            }
            Err(reason) => dropped.push((reason, order)),
        }
    }
    warn(&mut dropped);
    log::info!(kept = kept.len(), dropped = dropped.len(); "cleaned the orders");
    CleanResult { orders: kept, dropped: count(&dropped), regions_filled }
}

/// The amount in cents of euro, or why the order cannot be a sale.
fn euros(order: &Order, policy: &Policy) -> Result<i64, Reason> {
    let rate = match order.currency {
        Currency::Eur => 1.0,
        currency => {
            policy.rates.iter().find(|rate| rate.currency == currency).map(|rate| rate.euros).ok_or(Reason::NoRate)?
        }
    };
    let amount = (order.amount as f64 * rate).round() as i64;
    match u64::try_from(amount) {
        Err(_) | Ok(0) => Err(Reason::NotPositive),
        Ok(cents) if cents > policy.highest => Err(Reason::TooHigh),
        Ok(_) => Ok(amount),
    }
}

/// Duplicates are usual; a wrong amount is worth a look, the largest first.
fn warn(dropped: &mut [(Reason, Order)]) {
    dropped.sort_by_key(|(_, order)| Reverse(order.amount.unsigned_abs()));
    let wrong = dropped.iter().filter(|(reason, _)| *reason != Reason::Duplicate);
    for (reason, order) in wrong.take(WARNINGS) {
        let why = match reason {
            Reason::NoRate => "there is no rate for its currency",
            Reason::TooHigh => "its amount is too high",
            Reason::NotPositive | Reason::Duplicate => "its amount is not positive",
        };
        let amount = money::format(order.amount);
        log::warn!(
            order = order.id, customer = order.customer.as_str(), amount = amount.as_str();
            "order {} was dropped: {why}", order.id
        );
    }
}

fn count(dropped: &[(Reason, Order)]) -> Drops {
    let of = |wanted| dropped.iter().filter(|(reason, _)| *reason == wanted).count() as u32;
    Drops {
        duplicates: of(Reason::Duplicate),
        not_positive: of(Reason::NotPositive),
        too_high: of(Reason::TooHigh),
        no_rate: of(Reason::NoRate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::sales::types::Region;

    fn order(id: u64, amount: i64, currency: Currency) -> Order {
        Order {
            id,
            date: "2026-11-01".to_owned(),
            customer: "Oak & Iron".to_owned(),
            region: None,
            amount,
            currency,
            coupon: None,
        }
    }

    #[test]
    fn each_sort_of_dirt_is_dropped_and_counted() {
        let list = vec![
            order(1, 1000, Currency::Eur),
            order(1, 1000, Currency::Eur),
            order(2, -1, Currency::Eur),
            order(3, 0, Currency::Usd),
            order(4, 10_000_001, Currency::Eur),
            order(5, 100, Currency::Gbp),
        ];
        let mut policy = usual_policy();
        policy.rates.pop();
        let result = orders(list, &policy);
        let drops = result.dropped;
        assert_eq!((drops.duplicates, drops.not_positive), (1, 2));
        assert_eq!((drops.too_high, drops.no_rate), (1, 1));
        let kept: Vec<u64> = result.orders.iter().map(|order| order.id).collect();
        assert_eq!(kept, [1]);
    }

    #[test]
    fn other_currencies_become_euros() {
        let result = orders(vec![order(1, 1050, Currency::Usd)], &usual_policy());
        assert_eq!(result.orders[0].amount, 966);
        assert_eq!(result.orders[0].currency, Currency::Eur);
    }

    #[test]
    fn a_missing_region_is_filled_where_the_policy_has_one() {
        let policy = Policy { region: Some(Region::West), ..usual_policy() };
        let result = orders(vec![order(1, 1, Currency::Eur)], &policy);
        assert_eq!((result.orders[0].region, result.regions_filled), (Some(Region::West), 1));
    }
}
