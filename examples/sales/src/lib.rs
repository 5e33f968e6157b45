//! An example plugin: from a CSV of orders to a sales report, in four functions that are a job
//! each.
//!
//! One file a function, in the order of the jobs: `fetch`, `clean`, `summarise`, `report`.

mod clean;
mod fetch;
mod money;
mod report;
mod summarise;

wit_bindgen::generate!({ path: "wit", world: "sales" });
jobcontrol_plugin::init_on_load!();
export!(Sales);

struct Sales;

impl Guest for Sales {
    fn fetch_orders(file: String, since: Option<String>) -> Result<Vec<Order>, FetchError> {
        fetch::orders(&file, since.as_deref())
    }

    fn clean(orders: Vec<Order>, policy: Option<Policy>) -> CleanResult {
        clean::orders(orders, &policy.unwrap_or_else(clean::usual_policy))
    }

    fn summarise(orders: Vec<Order>, top: u32) -> Result<Summary, String> {
        summarise::orders(&orders, top as usize)
    }

    fn report(summary: Summary, title: Option<String>) -> String {
        report::page(&summary, title.as_deref())
    }
}
