//! How pages look, beside how they looked when somebody last looked at them: in light, dark, on a
//! phone and on paper.
//!
//! A look is a picture of few large cells of grey. Texts may change a little in it, as times do; a
//! style that is missing, a part that has moved or colours of the other theme do not pass.
//! `BLESS=1` writes the looks anew: look at the pictures in `target/pages` before you commit them.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde_json::json;

use super::pages::PAGES;
use super::sample;
use crate::harness::browser::Browser;
use crate::harness::root;
use crate::harness::served::Served;

/// Cells of a look, side by side and one above the other.
const COLUMNS: usize = 24;
const ROWS: usize = 18;
/// How much the greys may differ on average, of 255, and how many cells may differ by more than
/// `FAR`.
const MEAN: f64 = 4.0;
const FAR: u8 = 40;
const MOST_FAR: usize = 9;

/// The ways to look at a page: how wide, in the dark, on paper.
const WAYS: [(&str, u32, bool, bool); 4] = [
    ("light", 1440, false, false),
    ("dark", 1440, true, false),
    ("phone", 390, false, false),
    ("print", 800, false, true),
];

/// The greys of a picture in few cells. A browser that shows no page of ours reads the picture.
fn look(reader: &Browser, picture: &[u8]) -> Vec<u8> {
    let script = format!(
        "const image = new Image();
         image.onload = () => {{
           const canvas = new OffscreenCanvas({COLUMNS}, {ROWS}), at = canvas.getContext('2d');
           at.imageSmoothingQuality = 'high';
           at.drawImage(image, 0, 0, {COLUMNS}, {ROWS});
           const all = at.getImageData(0, 0, {COLUMNS}, {ROWS}).data, greys = [];
           for (let i = 0; i < all.length; i += 4) greys.push(Math.round((all[i] * 3 + all[i + 1] * 6 + all[i + 2]) / 10));
           done(greys);
         }};
         image.onerror = () => done([]);
         image.src = 'data:image/png;base64,{}';",
        BASE64.encode(picture)
    );
    let greys = reader.run_async(&script);
    let greys: Vec<u8> =
        greys.as_array().unwrap().iter().map(|grey| u8::try_from(grey.as_u64().unwrap()).unwrap()).collect();
    assert_eq!(greys.len(), COLUMNS * ROWS);
    greys
}

/// What is too different between two looks.
fn difference(was: &[u8], now: &[u8]) -> Option<String> {
    let apart = || was.iter().zip(now).map(|(was, now)| was.abs_diff(*now));
    let mean = apart().map(f64::from).sum::<f64>() / now.len() as f64;
    let far = apart().filter(|apart| *apart > FAR).count();
    (was.len() != now.len() || mean > MEAN || far > MOST_FAR)
        .then(|| format!("the greys differ by {mean:.1} on average, {far} cells by more than {FAR}"))
}

#[test]
#[ignore = "wants Chromium, see tests/browser/README.md"]
fn every_page_looks_as_it_did() {
    let folder = sample();
    let served = Served::start(&folder, &[]);
    let (browser, reader) = (Browser::start(&served.address), Browser::start(&served.address));
    let kept = root().join("tests/browser/looks.json");
    let known: BTreeMap<String, String> =
        std::fs::read(&kept).map(|kept| serde_json::from_slice(&kept).unwrap()).unwrap_or_default();
    let pictures = root().join("target/pages");
    std::fs::create_dir_all(&pictures).unwrap();
    let (mut wrong, mut seen, mut light) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (path, name) in PAGES.into_iter().chain([("/nothing", "error")]) {
        for (way, width, dark, paper) in WAYS {
            browser.look(width, 1080, dark);
            if paper {
                browser.command("Emulation.setEmulatedMedia", &json!({ "media": "print" }));
            }
            browser.open(path);
            let picture = browser.picture();
            std::fs::write(pictures.join(format!("{name}-{way}.png")), &picture).unwrap();
            let now = look(&reader, &picture);
            match way {
                "light" => light.clone_from(&now),
                "dark" => assert!(difference(&light, &now).is_some(), "{name} is the same in both themes"),
                _ => {}
            }
            let name = format!("{name} {way}");
            let was = known.get(&name).map(|was| BASE64.decode(was.as_bytes()).unwrap()).unwrap_or_default();
            wrong.extend(difference(&was, &now).map(|how| format!("{name}: {how}")));
            seen.insert(name, BASE64.encode(&now));
            browser.command("Emulation.setEmulatedMedia", &json!({ "media": "" }));
        }
    }
    if std::env::var_os("BLESS").is_some() {
        let text = serde_json::to_string_pretty(&seen).unwrap();
        return std::fs::write(kept, text + "\n").unwrap();
    }
    assert_eq!(known.keys().collect::<Vec<_>>(), seen.keys().collect::<Vec<_>>(), "each page has its looks");
    assert!(wrong.is_empty(), "see target/pages, and BLESS=1 if it is right so:\n{}", wrong.join("\n"));
}
