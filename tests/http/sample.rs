//! The example `fetch`, against a real HTTPS server.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use super::*;
use crate::harness::peer::Peer;
use crate::harness::peer::ok;
use crate::harness::root;

const ORDERS: &str = r#"[{"id":1,"customer":"Ada","amount":500},{"id":2,"customer":"Bo","amount":700},
    {"id":3,"customer":"Ada","amount":400}]"#;

/// The example's own folder, for a server at a port of this machine.
fn example(port: u16) -> Folder {
    let read = |path: &str| std::fs::read_to_string(root().join("examples/fetch").join(path)).unwrap();
    let plugin = std::fs::read(root().join("examples/fetch/jobs/fetch.wasm")).unwrap();
    let manifest =
        read("jobs/fetch.yaml").replace("methods: [GET]", &format!("methods: [GET]\n          ports: [{port}]"));
    let manifest =
        manifest.replace("}/v1/orders", &format!("}}:{port}/v1/orders")).replace("initial: 1s", "initial: 1ms");
    let folder = Folder::new().file("jobs/fetch.wasm", plugin).file("jobs/fetch.yaml", manifest);
    folder.file("jobcontrol.yaml", format!("{}{}", read("jobcontrol.yaml"), operator()))
}

fn run(folder: &Folder, token: &str) -> Answer {
    let mut command = folder.command(&["run", "totals", "--deps"]);
    command.env("SHOP", "localhost").env("SHOP_TOKEN", token);
    command.output().unwrap().into()
}

#[test]
fn the_sample_waits_for_its_server_and_hands_the_records_on() {
    let asked = AtomicU32::new(0);
    let server = Peer::https("server", move |head| {
        if !head.to_ascii_lowercase().contains("authorization: bearer token-of-the-shop\r\n") {
            return "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".to_owned();
        }
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n".to_owned(),
            _ => ok(ORDERS),
        }
    });
    let folder = example(server.port);
    let answer = run(&folder, "token-of-the-shop").code(0);
    let totals: Value = serde_json::from_str(&folder.json(&["build", "show", "totals"])["retval"].to_string()).unwrap();
    let expected = serde_json::json!([
        { "customer": "Ada", "orders": 2, "amount": 900 },
        { "customer": "Bo", "orders": 1, "amount": 700 },
    ]);
    assert_eq!(totals, expected, "{answer:#?}");
    let orders = folder.json(&["build", "show", "orders"]);
    assert_eq!((&orders["attempt"], &orders["http"]["requests"]), (&3.into(), &3.into()), "{orders:#}");
    let wrong = run(&folder, "token-of-nobody");
    wrong.code(0);
    let mut command = folder.command(&["run", "orders"]);
    command.env("SHOP", "localhost").env("SHOP_TOKEN", "token-of-nobody");
    Answer::from(command.output().unwrap()).code(1).says("error: unauthorized");
}

#[test]
fn the_sample_checks_as_it_stands() {
    let example = root().join("examples/fetch");
    let folder = Folder::new();
    let mut command = folder.command(&["check"]);
    Answer::from(command.current_dir(example).output().unwrap()).code(0);
}
