//! What `check` tells programs: JSON and SARIF.

use serde_json::Value;
use serde_json::json;

use crate::harness::Folder;

/// Two mistakes on lines of two files, one of a whole file.
fn mistaken() -> Folder {
    Folder::new()
        .guest("sales.wat")
        .file("jobs/a b.yaml", "id: fetch\nfunction: sales:fetch-orders\nargs: [\"2026-11-01\"]\n")
        .file("jobs/lines.yaml", "function: sales:print-lines\ntitle: Zeilen\nargs: [\"é\", !retval fetch]\n")
        .file("jobs/print.yaml", "function: sales:print-lines\nargs: [!retval fetch]\n")
        .file("jobs/utf16.yaml", b"\xff\xfea\0:\0")
}

fn sarif(folder: &Folder, code: i32) -> Value {
    let answer = folder.run(&["check", "--format", "sarif"]).code(code);
    assert_eq!(answer.stderr, "");
    serde_json::from_str(&answer.stdout).expect("one JSON document")
}

#[test]
fn json_has_a_summary_and_every_place() {
    let folder = mistaken();
    folder.run(&["check", "--format", "json"]).code(3);
    let json = folder.json(&["check"]);
    assert_eq!(json["summary"], json!({ "manifests": 4, "jobs": 3, "errors": 4, "warnings": 0 }));
    let misfit = &json["diagnostics"][2];
    assert_eq!(
        *misfit,
        json!({
            "code": "JC0413", "severity": "error",
            "message": "lines[].total: u64 does not fit u32",
            "file": "jobs/print.yaml", "line": 2, "column": 16, "end_line": 2, "end_column": 21,
            "label": "`fetch` is list<order>, and `lines` takes list<line>",
            "related": [{
                "file": "jobs/a b.yaml", "line": 2, "column": 11, "end_line": 2, "end_column": 29,
                "label": "`fetch` returns list<order>",
            }],
            "help": [
                "`fetch` is list<order { total: u64, .. }>",
                "expected list<line { total: u32, .. }>",
                "make the two functions agree, or add a job between them that converts the value",
            ],
        })
    );
    let whole = &json["diagnostics"][3];
    assert_eq!(
        (&whole["code"], &whole["file"], &whole["line"]),
        (&json!("JC0102"), &json!("jobs/utf16.yaml"), &Value::Null)
    );
}

#[test]
fn columns_count_characters() {
    let json = mistaken().json(&["check"]);
    let surplus = &json["diagnostics"][1];
    assert_eq!((&surplus["code"], &surplus["column"]), (&json!("JC0402"), &json!(21)));
}

#[test]
fn json_of_a_sound_folder_has_no_mistakes() {
    let folder = Folder::new().guest("add.wat").file("jobs/x.yaml", "function: add:add\nargs: [1, 2]\n");
    let json = folder.json(&["check"]);
    assert_eq!(
        json,
        json!({ "summary": { "manifests": 1, "jobs": 1, "errors": 0, "warnings": 0 }, "diagnostics": [] })
    );
}

/// What the schema of SARIF 2.1.0 asks for, of the parts that are written.
#[test]
fn sarif_has_rules_results_and_places() {
    let log = sarif(&mistaken(), 3);
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().is_some_and(|url| url.ends_with("/sarif-schema-2.1.0.json")), "{log:#}");
    let [run] = log["runs"].as_array().expect("runs").as_slice() else { panic!("one run in {log:#}") };
    assert_eq!(
        (&run["tool"]["driver"]["name"], &run["columnKind"]),
        (&json!("jobcontrol"), &json!("unicodeCodePoints"))
    );
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let ids: Vec<_> = rules.iter().map(|rule| rule["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["JC0102", "JC0402", "JC0405", "JC0413"]);
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(rule[text]["text"].as_str().is_some_and(|text| text.ends_with('.')), "{text} of {rule:#}");
        }
    }
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 4);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(result["ruleId"], ids[index]);
        assert_eq!(result["level"], "error");
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(result["locations"].as_array().map(Vec::len), Some(1));
    }
    let misfit = &results[2];
    let place = &misfit["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "jobs/print.yaml");
    assert_eq!(place["region"], json!({ "startLine": 2, "startColumn": 16, "endLine": 2, "endColumn": 21 }));
    let other = &misfit["relatedLocations"][0];
    assert_eq!(other["physicalLocation"]["artifactLocation"]["uri"], "jobs/a%20b.yaml");
    assert_eq!(other["message"]["text"], "`fetch` returns list<order>");
    assert_eq!(
        results[3]["locations"][0],
        json!({ "physicalLocation": { "artifactLocation": { "uri": "jobs/utf16.yaml" } } })
    );
}

#[test]
fn sarif_of_a_sound_folder_has_no_results() {
    let folder = Folder::new().guest("add.wat").file("jobs/x.yaml", "function: add:add\nargs: [1, 2]\n");
    assert_eq!(sarif(&folder, 0)["runs"][0]["results"], json!([]));
}

#[test]
fn mistakes_of_the_operator_are_in_the_document_too() {
    let folder = Folder::new().file("jobcontrol.yaml", "enviroment: [HOME]\n");
    let log = sarif(&folder, 3);
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "jobcontrol.yaml");
    assert_eq!(folder.json(&["check"])["diagnostics"][0]["code"], "JC0201");
}

#[test]
fn sarif_is_for_check_alone() {
    Folder::new().run(&["jobs", "--format", "sarif"]).code(2).says("`--format sarif` is for `check`");
}
