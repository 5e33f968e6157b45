//! Hooks that are over a limit: what is said of it names the key that raises that very limit, and
//! no other.

use crate::harness::Folder;

fn built(manifest: &str) -> Folder {
    let manifest = format!("id: j\nfunction: hooks_endless:seven\n{manifest}\n");
    let folder = Folder::new().guest("hooks_endless.wat").file("jobs/j.yaml", manifest);
    folder.run(&["run", "j"]).code(0).stdout("7\n");
    folder
}

#[test]
fn the_time_of_a_repr_is_the_same_for_every_job() {
    let folder = Folder::new()
        .guest("hooks_endless.wat")
        .file("jobs/j.yaml", "id: j\ntimeout: 20s\nfunction: hooks_endless:seven\nrepr_function: hooks_endless:show\n");
    let said = "its repr_function `hooks_endless:show` failed: timeout: the call took longer than 5s, which is the same \
                for every job\n";
    folder.run(&["run", "j"]).code(0).stdout("7\n").says(said);
}

#[test]
fn a_hook_has_the_time_of_its_build() {
    let folder = built("timeout: 100ms\nrepr_function: hooks_endless:show\ncleanup_function: hooks_endless:clean");
    let said = "failed: timeout: the call took longer than 100ms, the limit of its build; `timeout` raises it for \
                later builds";
    folder.run(&["build", "show", "1"]).code(0).says(said);
    folder.run(&["build", "delete", "1"]).code(1).says(said);
    folder.write("jobs/j.yaml", "id: j\ntimeout: 3s\nfunction: hooks_endless:seven\n");
    folder.run(&["build", "delete", "1"]).code(1).says(said);
}

#[test]
fn a_hook_at_the_ceiling_names_the_operators_key() {
    let folder = built("cleanup_function: hooks_endless:clean");
    folder.write("jobcontrol.yaml", "ceiling: { timeout: 100ms }\n");
    let said = "the call took longer than 100ms, the most that `ceiling: { timeout: .. }` in jobcontrol.yaml allows";
    folder.run(&["build", "delete", "1"]).code(1).says(said);
}

#[test]
fn a_hook_has_the_memory_of_its_build() {
    let folder = built("limits: { memory: 1 MiB }\ncleanup_function: hooks_endless:grow");
    let said = "the memory of the call is above 1 MiB (6464 KiB requested), the limit of its build; \
                `limits: { memory: .. }` raises it for later builds";
    folder.run(&["build", "delete", "1"]).code(1).says(said);
}
