//! Graphs of 40, 300 and 2,000 jobs.

use std::fmt::Write;

use serde_json::Value;

use crate::harness::Folder;
use crate::harness::browser::Browser;
use crate::harness::served::Served;

/// So many jobs in ten manifests, each of which needs two others.
fn graph(count: usize) -> Folder {
    let mut files = vec!["jobs:\n".to_owned(); 10];
    for at in 0..count {
        let needs = if at < 20 { String::new() } else { format!(", dependencies: [j{}, j{}]", at / 2, at / 3) };
        let _ = writeln!(files[at * 10 / count], "  - {{ id: j{at}, function: add:add, args: [{at}, 1]{needs} }}");
    }
    files
        .iter()
        .enumerate()
        .fold(Folder::new().guest("add.wat"), |folder, (at, text)| folder.file(&format!("jobs/m{at}.yaml"), text))
}

/// Boxes that overlap, and points of edges that lie in a box.
const WRONG: &str = "
    const boxes = [...document.querySelectorAll('[data-graph] .node')].map((n) => {
      const [x, y] = n.getAttribute('transform').match(/-?[\\d.]+/g).map(Number), r = n.querySelector('.box');
      return [x, y, Number(r.getAttribute('width')), Number(r.getAttribute('height'))]; });
    let wrong = 0;
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => { if (a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3]) wrong += 1; }));
    for (const edge of document.querySelectorAll('[data-graph] .edge')) {
      const length = edge.getTotalLength();
      for (let k = 1; k < 60; k += 1) {
        const p = edge.getPointAtLength(length * k / 60);
        if (boxes.some((b) => p.x > b[0] + 0.5 && p.x < b[0] + b[2] - 0.5 && p.y > b[1] + 0.5 && p.y < b[1] + b[3] - 0.5)) wrong += 1;
      }
    }
    return [boxes.length, wrong, document.querySelectorAll('[data-graph] .edge').length]";

/// Where everything is.
const PLACES: &str = "return [...document.querySelectorAll('[data-graph] .edge, [data-graph] .node')]
    .map((e) => (e.getAttribute('d') ?? e.getAttribute('transform') + e.dataset.id)).join(' ')";

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn graphs_of_any_size_can_be_read() {
    for (count, drawn) in [(40, 40), (300, 300), (2_000, 10)] {
        let folder = graph(count);
        let served = Served::start(&folder, &[]);
        let browser = Browser::start(&served.address);
        browser.look(1440, 900, false);
        browser.open("/graph");
        let found = browser.run(WRONG);
        assert_eq!((&found[0], &found[1]), (&Value::from(drawn), &Value::from(0)), "{count} jobs");
        let first = browser.run(PLACES);
        browser.open("/graph");
        assert_eq!(browser.run(PLACES), first, "the same twice");
        let edges = served.get("/api/v1/graph")["edges"].as_array().unwrap().len();
        if count <= 300 {
            assert_eq!(found[2], edges, "every edge is drawn");
            let elements = browser.count("*");
            assert!(elements <= 4_000, "{elements} elements");
            match count {
                40 => browser.click("details > summary"),
                _ => browser.click("[data-live=graph] a.btn"),
            }
            let rows = browser.run(
                "return [...document.querySelectorAll('details tbody tr')].map((r) => r.cells[2].textContent === '–' ? 0 : r.cells[2].textContent.split(', ').length).reduce((a, b) => a + b, 0)",
            );
            assert_eq!(rows, edges, "the table has the same");
        } else {
            assert!(browser.text("main").contains("2,000 jobs in 10 groups"), "{}", browser.text("main .sub"));
            // A group opens in its place.
            browser.click("[data-graph] .node[data-id=\"jobs/m3.yaml\"]");
            assert_eq!(browser.count("[data-graph] .node"), 209);
            browser.open("/graph?focus=j100");
            assert_eq!(browser.count("[data-graph] .node.is-self"), 1);
            assert_eq!(browser.run(WRONG)[1], 0);
        }
        browser.is_content();
    }
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn what_a_job_needs_and_what_needs_it_lights_up() {
    let folder = graph(40);
    let served = Served::start(&folder, &[]);
    let browser = Browser::start(&served.address);
    browser.look(1440, 900, false);
    browser.open("/graph");
    // A window that has just come up may not have the focus yet, and then nothing in it gets any.
    let focus = "(document.activeElement?.blur(), document.querySelector('.node[data-id=j20]').focus())";
    browser.wait(&format!("({focus}, document.querySelectorAll('.node.hot').length > 1)"));
    for id in ["j10", "j6", "j20"] {
        assert_eq!(browser.count(&format!(".node.hot[data-id={id}]")), 1, "{id}");
    }
    assert_eq!(browser.count(".node.hot[data-id=j19]"), 0, "no relation");
    let width =
        browser.run("return Number(document.querySelector('[data-graph]').getAttribute('width'))").as_f64().unwrap();
    browser.click("[data-z='+']");
    let wider =
        browser.run("return Number(document.querySelector('[data-graph]').getAttribute('width'))").as_f64().unwrap();
    assert!(wider > width, "{width} and {wider}");
}
