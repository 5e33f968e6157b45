//! The plugin of every toolchain, in Rust.

wit_bindgen::generate!({ path: "../wit", world: "shop", generate_all });

use jobcontrol::plugin::log;
use jobcontrol::plugin::types::Level;

struct Shop;

export!(Shop);

impl Guest for Shop {
    fn greet(name: String, times: u32) -> String {
        log::write(&log::Entry {
            level: Level::Info,
            message: format!("greeting {name}"),
            target: "shop".to_owned(),
            fields: vec![("times".to_owned(), times.to_string())],
            failure: None,
        });
        vec![format!("Hello, {name}!"); times as usize].join(" ")
    }

    fn dearest(orders: Vec<Order>, among: Option<Priority>) -> Option<Order> {
        let orders = orders.into_iter().filter(|order| among.is_none_or(|priority| order.priority == priority));
        orders.max_by_key(|order| order.price)
    }

    fn discounted(order: Order, discount: Discount) -> Result<u64, String> {
        let off = match discount {
            Discount::Nothing => 0,
            Discount::Percent(percent) => order.price * u64::from(percent) / 100,
            Discount::Voucher(cents) => cents,
        };
        order.price.checked_sub(off).ok_or_else(|| format!("{} costs {} and {off} is taken off", order.id, order.price))
    }
}
