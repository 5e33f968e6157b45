//! Reading the CSV that the job's `files` grant lets the plugin see.

use std::fs::File;
use std::io;
use std::io::ErrorKind;
use std::io::Read;

use csv::StringRecord;
use jobcontrol_plugin::ProgressIterator;
use jobcontrol_plugin::progress;

use crate::FetchError;
use crate::Order;
use crate::example::sales::types::BadLine;
use crate::example::sales::types::Currency;
use crate::example::sales::types::Region;
use crate::money;

/// Where the manifest's grant puts the files.
const FOLDER: &str = "/data";

const HEADER: [&str; 7] = ["id", "date", "customer", "region", "currency", "amount", "coupon"];

/// How much is read between two reports of progress.
const CHUNK: usize = 64 * 1024;

pub(crate) fn orders(file: &str, since: Option<&str>) -> Result<Vec<Order>, FetchError> {
    if let Some(date) = since.filter(|date| !is_date(date)) {
        return Err(FetchError::BadDate(date.to_owned()));
    }
    let path = format!("{FOLDER}/{file}");
    let bytes = read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => FetchError::MissingFile(path.clone()),
        _ => FetchError::Unreadable(format!("{path}: {error}")),
    })?;
    log::info!(path = path.as_str(), bytes = bytes.len(); "read {path}");
    let mut orders = parse(&bytes)?;
    if let Some(since) = since {
        let all = orders.len();
        // Dates of this form sort as text.
        orders.retain(|order| order.date.as_str() >= since);
        log::info!(since = since, left_out = all - orders.len(); "left out what is before {since}");
    }
    log::info!(orders = orders.len(); "fetched {} orders", money::grouped(orders.len() as u64));
    Ok(orders)
}

fn read(path: &str) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let total = file.metadata()?.len();
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        progress::report(&["fetch", "read"], bytes.len() as u64, total, path);
        match file.read(&mut chunk)? {
            0 => return Ok(bytes),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<Order>, FetchError> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|error| bad_line(1, &error))?;
    if header != HEADER.as_slice() {
        return Err(FetchError::BadHeader(header.iter().collect::<Vec<_>>().join(",")));
    }
    let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
    let mut orders = Vec::new();
    for row in reader.records().progress(["fetch", "parse"]).with_total(lines.saturating_sub(1)) {
        let row = row.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            bad_line(line, &error)
        })?;
        let line = row.position().map_or(0, csv::Position::line);
        let order = order(&row).map_err(|reason| FetchError::BadLine(BadLine { line, reason }))?;
        orders.push(order);
    }
    Ok(orders)
}

fn bad_line(line: u64, error: &csv::Error) -> FetchError {
    FetchError::BadLine(BadLine { line, reason: error.to_string() })
}

fn order(row: &StringRecord) -> Result<Order, String> {
    let [id, date, customer, region, currency, amount, coupon] =
        [0, 1, 2, 3, 4, 5, 6].map(|column| row.get(column).unwrap_or_default().trim());
    if !is_date(date) {
        return Err(format!("`{date}` is no date"));
    }
    Ok(Order {
        id: id.parse().map_err(|_| format!("`{id}` is no order number"))?,
        date: date.to_owned(),
        customer: customer.to_owned(),
        region: region_named(region)?,
        amount: money::parse(amount).ok_or_else(|| format!("`{amount}` is no amount"))?,
        currency: currency_named(currency)?,
        coupon: Some(coupon).filter(|text| !text.is_empty()).map(str::to_owned),
    })
}

fn region_named(name: &str) -> Result<Option<Region>, String> {
    Ok(Some(match name {
        "" => return Ok(None),
        "north" => Region::North,
        "south" => Region::South,
        "east" => Region::East,
        "west" => Region::West,
        _ => return Err(format!("`{name}` is no region")),
    }))
}

fn currency_named(name: &str) -> Result<Currency, String> {
    match name {
        "EUR" => Ok(Currency::Eur),
        "USD" => Ok(Currency::Usd),
        "GBP" => Ok(Currency::Gbp),
        _ => Err(format!("`{name}` is no currency that is known here")),
    }
}

/// Whether the text looks like `2026-11-01`.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |digits: usize, allowed: std::ops::RangeInclusive<u16>| {
        parts.next().is_some_and(|part| {
            part.len() == digits
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && part.parse().is_ok_and(|number| allowed.contains(&number))
        })
    };
    part(4, 0..=9999) && part(2, 1..=12) && part(2, 1..=31) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "id,date,customer,region,currency,amount,coupon\n";

    fn parsed(rows: &str) -> Result<Vec<Order>, FetchError> {
        parse(format!("{HEAD}{rows}").as_bytes())
    }

    #[test]
    fn a_row_becomes_an_order() {
        let orders = parsed("7,2026-11-01,\"Oak, Iron\",,USD,-1.50,LOYAL15\n").expect("a good row");
        let [order] = orders.as_slice() else { panic!("{orders:?}") };
        assert_eq!((order.id, order.amount, order.currency), (7, -150, Currency::Usd));
        assert_eq!((order.customer.as_str(), order.region), ("Oak, Iron", None));
        assert_eq!(order.coupon.as_deref(), Some("LOYAL15"));
    }

    #[test]
    fn another_header_is_refused() {
        let error = parse(b"id,date\n1,2026-11-01\n").expect_err("another header");
        assert!(matches!(error, FetchError::BadHeader(found) if found == "id,date"));
    }

    #[test]
    fn a_bad_line_is_named() {
        let good = "1,2026-11-01,A,east,EUR,1.00,\n";
        for (row, wanted) in [
            ("x,2026-11-01,A,east,EUR,1.00,\n", "`x` is no order number"),
            ("2,2026-13-01,A,east,EUR,1.00,\n", "`2026-13-01` is no date"),
            ("2,2026-11-01,A,east,EUR,much,\n", "`much` is no amount"),
            ("2,2026-11-01,A,up,EUR,1.00,\n", "`up` is no region"),
            ("2,2026-11-01,A,east,XAU,1.00,\n", "`XAU` is no currency that is known here"),
        ] {
            let Err(FetchError::BadLine(bad)) = parsed(&format!("{good}{row}")) else {
                panic!("{row} was taken");
            };
            assert_eq!((bad.line, bad.reason.as_str()), (3, wanted));
        }
        assert!(matches!(parsed("1,2\n"), Err(FetchError::BadLine(bad)) if bad.line == 2));
    }

    #[test]
    fn dates_are_told_from_other_text() {
        assert!(is_date("2026-02-28"));
        for text in ["", "yesterday", "2026-2-28", "2026-02-32", "2026-02-28-", "+026-01-01"] {
            assert!(!is_date(text), "{text}");
        }
    }
}
