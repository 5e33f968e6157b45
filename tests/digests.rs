//! Jobs that pin their plugin by digest: they run those bytes alone, from the file or from the
//! store.

use crate::harness::Folder;

/// A plugin whose function answers with this number.
fn plugin(answer: u32) -> String {
    format!(
        r#"(component
  (core module $m (func (export "f") (result i32) (i32.const {answer})))
  (core instance $i (instantiate $m))
  (func (export "answer") (result u32) (canon lift (core func $i "f"))))"#
    )
}

fn digest(folder: &Folder) -> String {
    folder.json(&["inspect", "p"])["digest"].as_str().expect("a digest").to_owned()
}

/// A folder in which a job that pins today's plugin was built once.
fn built() -> (Folder, String) {
    let folder = Folder::new().file("jobs/p.wat", plugin(1));
    let digest = digest(&folder);
    folder.write("jobs/j.yaml", format!("function: p@sha256:{digest}:answer\n"));
    folder.run(&["run", "j"]).code(0).stdout("1\n");
    (folder, digest)
}

#[test]
fn a_pinned_plugin_is_the_file_while_it_is_the_same() {
    let (folder, digest) = built();
    let shown = folder.run(&["build", "show", "1"]).code(0);
    assert!(shown.stdout.contains(&format!("sha256:{digest}")), "{shown:#?}");
    folder.write("jobs/k.yaml", format!("function: p@sha256:{}:answer\n", digest.to_uppercase()));
    folder.run(&["run", "k"]).code(0).stdout("1\n");
}

#[test]
fn a_pinned_plugin_runs_after_its_file_was_replaced_or_deleted() {
    let (folder, _) = built();
    folder.write("jobs/p.wat", plugin(2));
    folder.run(&["check"]).code(0);
    folder.run(&["run", "j"]).code(0).stdout("1\n");
    folder.write("jobs/p.wat", "no longer WAT");
    folder.run(&["run", "j"]).code(0).stdout("1\n");
    std::fs::remove_file(folder.path("jobs/p.wat")).expect("a file");
    folder.run(&["run", "j"]).code(0).stdout("1\n");
    let status = folder.json(&["jobs"]);
    assert_eq!(status[0]["status"], "success", "{status:#}");
}

#[test]
fn a_pinned_plugin_that_nobody_has_is_explained() {
    let (folder, digest) = built();
    folder.write("jobs/p.wat", plugin(2));
    let answer = folder.run(&["check", "--store", "sqlite:other.db"]).code(3);
    let now = self::digest(&folder);
    assert!(
        answer.stdout.contains(
            "error[JC0314]: no plugin `p` with the pinned digest was found, neither on disk nor in the store"
        )
    );
    assert!(answer.stdout.contains(&format!("write `p@sha256:{now}:answer`")), "{answer:#?}");
    assert!(answer.stdout.contains(&format!("has none with sha256:{digest}")), "{answer:#?}");
    assert!(!folder.path("other.db").exists(), "a check makes no store");
    std::fs::remove_file(folder.path("jobs/p.wat")).expect("a file");
    let answer = folder.run(&["check", "--store", "sqlite:other.db"]).code(3);
    assert!(answer.stdout.contains("there is no file with that name either"), "{answer:#?}");
}

#[test]
fn half_a_digest_is_no_pin() {
    let folder = Folder::new().file("jobs/p.wat", plugin(1)).file("jobs/j.yaml", "function: p@sha256:0123abc:answer\n");
    let answer = folder.run(&["check"]).code(3);
    assert!(answer.stdout.contains("`0123abc` is not a SHA-256 (write 64 hexadecimal digits)"), "{answer:#?}");
    assert!(answer.stdout.contains("`jobcontrol inspect PLUGIN` shows the whole digest"), "{answer:#?}");
}
