//! The summary as a page of text.

use crate::Summary;
use crate::example::sales::types::Region;
use crate::money;

const WIDTH: usize = 64;
const LONGEST_BAR: i64 = 20;

pub(crate) fn page(summary: &Summary, title: Option<&str>) -> String {
    let title = title.unwrap_or("Sales report");
    let (first, last) = &summary.period;
    let mut lines = vec![
        title.to_owned(),
        "=".repeat(title.chars().count().min(WIDTH)),
        String::new(),
        format!("{first} to {last}"),
        format!(
            "{} orders, {} with a coupon",
            money::grouped(summary.orders.into()),
            money::grouped(summary.with_coupon.into()),
        ),
        format!("{} EUR in all, median {}", money::format(summary.total), money::format(summary.median)),
        String::new(),
        format!("{:<8}{:>8}{:>15}{:>8}", "Region", "Orders", "EUR", "Share"),
    ];
    lines.extend(regions(summary));
    lines.push(String::new());
    lines.push(format!("{:<26}{:>8}{:>15}", "Best customers", "Orders", "EUR"));
    lines.extend(customers(summary));
    lines.push(String::new());
    log::info!(lines = lines.len(); "wrote the report");
    lines.join("\n")
}

fn regions(summary: &Summary) -> impl Iterator<Item = String> {
    let longest = summary.regions.iter().map(|region| region.total).max().unwrap_or(0);
    summary.regions.iter().map(move |region| {
        let line = format!(
            "{:<8}{:>8}{:>15}{:>7.1}%  {}",
            region_name(region.region),
            money::grouped(region.orders.into()),
            money::format(region.total),
            percent(region.total, summary.total),
            bar(region.total, longest),
        );
        line.trim_end().to_owned()
    })
}

fn customers(summary: &Summary) -> impl Iterator<Item = String> {
    summary.customers.iter().zip(1..).map(|(customer, place)| {
        format!(
            "{place:>3}. {:<21}{:>8}{:>15}",
            customer.customer,
            money::grouped(customer.orders.into()),
            money::format(customer.total),
        )
    })
}

fn region_name(region: Option<Region>) -> &'static str {
    match region {
        Some(Region::North) => "north",
        Some(Region::South) => "south",
        Some(Region::East) => "east",
        Some(Region::West) => "west",
        None => "(none)",
    }
}

fn percent(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// The longest bar stands for the greatest amount; no sale is so small that it shows nothing.
fn bar(amount: i64, longest: i64) -> String {
    if amount <= 0 || longest <= 0 {
        return String::new();
    }
    let length = (amount as f64 / longest as f64 * LONGEST_BAR as f64).round() as usize;
    "█".repeat(length.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::sales::types::CustomerTotal;
    use crate::example::sales::types::RegionTotal;

    const WANTED: &str = "\
Autumn
======

2026-09-01 to 2026-11-30
1,200 orders, 30 with a coupon
15,000.00 EUR in all, median 9.99

Region    Orders            EUR   Share
west       1,000      12,000.00   80.0%  ████████████████████
(none)       200       3,000.00   20.0%  █████

Best customers              Orders            EUR
  1. Oak & Iron                 12         800.50
";

    #[test]
    fn a_report_is_a_page_of_text() {
        let summary = Summary {
            period: ("2026-09-01".to_owned(), "2026-11-30".to_owned()),
            orders: 1200,
            total: 1_500_000,
            median: 999,
            with_coupon: 30,
            regions: vec![
                RegionTotal { region: Some(Region::West), orders: 1000, total: 1_200_000 },
                RegionTotal { region: None, orders: 200, total: 300_000 },
            ],
            customers: vec![CustomerTotal { customer: "Oak & Iron".to_owned(), orders: 12, total: 80_050 }],
        };
        assert_eq!(page(&summary, Some("Autumn")), WANTED);
    }

    #[test]
    fn bars_are_in_proportion() {
        assert_eq!(bar(50, 100).chars().count(), 10);
        assert_eq!(bar(1, 1_000_000).chars().count(), 1);
        assert_eq!(bar(-1, 100), "");
    }
}
