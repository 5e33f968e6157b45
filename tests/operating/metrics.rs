//! What a service counts, of a service in this process.

use std::sync::Arc;
use std::time::Duration;

use jobcontrol::app::App;
use jobcontrol::catalog::watch::SettingsFile;
use jobcontrol_core::event::EventKind;

use crate::harness::Folder;

/// The value of a line that begins so.
#[track_caller]
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no `{name}` in\n{text}")).parse().unwrap()
}

#[test]
fn a_service_counts_what_it_does() {
    let folder = Folder::new().guest("add.wat").guest("divide.wat");
    folder.write("jobs/addition.yaml", "function: add:add\nargs: [1, 2]\nschedule: \"* * * * * *\"\n");
    folder.write("jobs/division.yaml", "function: divide:divide\nargs: [1, 0]\nschedule: \"* * * * * *\"\n");
    let settings = folder.settings();
    let app = App::new(settings, Arc::new(|_: &str| {}));
    let workspace = app.settings.workspace.clone();
    let file = SettingsFile { read: Box::new(move || Ok(workspace.clone())), path: folder.path("jobcontrol.yaml") };
    let mut events = app.engine(64).unwrap().publisher().watch();
    let service = app.serve(file, false, None).unwrap();
    let mut ended = std::collections::BTreeSet::new();
    while ended.len() < 2 {
        let published = events.blocking_recv().unwrap();
        if matches!(published.event.kind, EventKind::Finished { .. }) {
            ended.insert(published.event.job_id.clone());
        }
    }
    let text = service.metrics();
    service.stop(Duration::from_secs(60)).unwrap();
    let at_least = |name: &str, least: f64| {
        let found = value(&text, name);
        assert!(found >= least, "{name} {found}\n{text}");
    };
    at_least("jobcontrol_builds_total{status=\"SUCCESSFUL\"}", 1.0);
    at_least("jobcontrol_builds_total{status=\"FAILED\"}", 1.0);
    at_least("jobcontrol_attempts_failed_total", 1.0);
    at_least("jobcontrol_build_wait_seconds_count", 2.0);
    at_least("jobcontrol_build_duration_seconds_count", 2.0);
    at_least("jobcontrol_schedule_due_total{result=\"fired\"}", 2.0);
    at_least("jobcontrol_reloads_total", 1.0);
    at_least("jobcontrol_store_commits_total", 1.0);
    at_least("jobcontrol_store_writes_total", value(&text, "jobcontrol_store_commits_total"));
    at_least("process_resident_memory_bytes", 1e6);
    at_least("jobcontrol_builds_memory_limit_bytes", 1e6);
    for (name, exact) in [
        ("jobcontrol_leader", 1.0),
        ("jobcontrol_jobs", 2.0),
        ("jobcontrol_manifest_mistakes", 0.0),
        ("jobcontrol_watcher_events_dropped_total", 0.0),
        ("jobcontrol_build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert!((value(&text, name) - exact).abs() < f64::EPSILON, "{name}\n{text}");
    }
    assert!(!text.contains("addition") && !text.contains("division"), "a job is no label:\n{text}");
    assert!(text.ends_with("# EOF\n"));
}
