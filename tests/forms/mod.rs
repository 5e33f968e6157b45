//! What every form of job can do: one suite for all of them, each with the same functions in
//! `tests/plugins`.

mod graph;
mod made;
mod rust;

use serde_json::Value;
use serde_json::json;

use crate::harness::Answer;
use crate::harness::Folder;
use crate::harness::peer::Peer;
use crate::harness::peer::ok;
use crate::harness::root;
use crate::scripts::build;

/// A form of job: what stands before the `:` in manifests, and a folder that has the plugin.
struct Form {
    plugin: &'static str,
    folder: Folder,
}

const EVERY: &str = "{ yes: true, tiny: 255, tiny-signed: -128, short: 65535, short-signed: -32768, word: 4294967295, \
    word-signed: -2147483648, long: 18446744073709551615, long-signed: -9223372036854775808, single: 0.5, double: .inf, \
    letter: é, text: \"a\\nü\", bytes: [0, 255], items: [{ first: a, unit-price: 1.5 }], lists: [[1, 2], [], [3]], \
    pair: [x, 7], maybe: null, kind: very-large, shape: { square: { side: 2, labels: [a, b] } } }";

const CONFIG: &str =
    "environment: [GREETING]\nceiling: { files: [{ host: in, mode: read }, { host: out, mode: write }] }\n";

impl Form {
    /// A form whose plugin is a file of the repository.
    fn new(plugin: &'static str, file: &str) -> Self {
        let text = std::fs::read(root().join(file)).expect("the plugin");
        let name = file.rsplit('/').next().expect("a name");
        Self::of(plugin, Folder::new().file(&format!("jobs/{name}"), text))
    }

    fn of(plugin: &'static str, folder: Folder) -> Self {
        // What the plugin can do by `wasi:http` at all is told of each of its jobs.
        let http = if plugin == "rust-form" { ", http: []" } else { "" };
        let files = "files: [{ host: ../in, guest: /in, mode: read }, { host: ../out, guest: /out, mode: write }]";
        let job = |id: &str, function: &str, args: &str| {
            format!(
                "  - {{ id: {id}, function: \"{plugin}:{function}\", args: {args}, grants: {{ {files}, env: [GREETING]{http} }} }}\n"
            )
        };
        let jobs = [
            job("every", "there-and-back", &format!("[{EVERY}]")),
            job("again", "there-and-back", "[!retval every]"),
            job("greeting", "greeting", "[Ada]"),
            job("welcome", "greeting", "[Ada, Welcome]"),
            job("told", "told", "[Ada]"),
            job("steps", "steps", "[3, 4]"),
            job("skipped", "skipped", "[nothing to do]"),
            job("broken", "broken", "[the report was not saved]"),
            job("refused", "refused", "[30]"),
            job("allowed", "refused", "[3]"),
            job("copied", "copied", "[/in/a.txt, /out/b.txt]"),
            job("peep", "copied", "[/etc/passwd, /out/c.txt]"),
            job("variable", "variable", "[GREETING]"),
            job("home", "variable", "[HOME]"),
            job("moment", "moment", "[]"),
            job("chance", "chance", "[]"),
            job("names", "names", "[1000]"),
            job("price", "price", "[!retval names]"),
        ];
        folder.write("jobcontrol.yaml", CONFIG);
        folder.write("jobs/jobs.yaml", format!("jobs:\n{}", jobs.concat()));
        folder.write("in/a.txt", "ä\n");
        std::fs::create_dir(folder.path("out")).expect("a folder");
        Self { plugin, folder }
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let mut command = self.folder.command(arguments);
        if let Some(installed) = std::env::var_os("JOBCONTROL_PYTHON") {
            command.env("JOBCONTROL_RUNTIMES", installed);
        }
        command.env("GREETING", "hi").env("HOME", "/root").output().expect("the program starts").into()
    }

    /// The last build of a job, which is built now.
    fn built(&self, id: &str) -> Value {
        self.run(&["run", id]);
        build(&self.folder, id)
    }

    /// All that a form has to do.
    fn conforms(&self) {
        self.run(&["check"]).code(0).tells("18 jobs in 1 manifest: all good");
        self.has_types();
        self.tells();
        self.fails();
        self.refuses();
        self.has_what_is_granted();
        self.makes_requests();
        assert_eq!(self.built("names")["retval"].as_array().map(Vec::len), Some(1000));
        assert_eq!(self.built("price")["retval"], json!(499_500.0), "{}", self.plugin);
    }

    fn has_types(&self) {
        let every = self.built("every");
        let wanted = json!({
            "yes": true, "tiny": 255, "tiny-signed": -128, "short": 65535, "short-signed": -32768, "word": 4_294_967_295_u32,
            "word-signed": -2_147_483_648, "long": "18446744073709551615", "long-signed": "-9223372036854775808",
            "single": 0.5, "double": "Infinity", "letter": "é", "text": "a\nü", "bytes": "AP8=",
            "items": [{ "first": "a", "unit-price": 1.5 }], "lists": [[1, 2], [], [3]], "pair": ["x", 7], "maybe": null,
            "kind": "very-large", "shape": { "square": { "side": 2.0, "labels": ["a", "b"] } },
        });
        assert_eq!(every["retval"], wanted, "{}: {every:#}", self.plugin);
        assert_eq!(self.built("again")["retval"], wanted, "{}", self.plugin);
        assert_eq!(self.built("greeting")["retval"], "Hello, Ada!");
        assert_eq!(self.built("welcome")["retval"], "Welcome, Ada!");
        let said = self.run(&["inspect", &self.file()]).code(0).stdout;
        let wanted = "  /// Gives back what it gets.\n  ///\n  /// Every type there and back.\n  there-and-back: func(every: every) -> every\n";
        assert!(said.contains(wanted), "{said}");
        let job = self.run(&["job", "again"]).code(0).stdout;
        assert!(job.contains("description\n  Gives back what it gets.\n\n  Every type there and back.\n"), "{job}");
    }

    fn file(&self) -> String {
        if self.plugin.contains('.') { self.plugin.to_owned() } else { format!("{}.wasm", self.plugin) }
    }

    fn tells(&self) {
        assert_eq!(self.built("told")["status"], "SUCCESSFUL", "{}", self.plugin);
        let told = self.run(&["logs", "told"]).code(0).stdout;
        for (level, text) in [
            ("DEBUG", "looking for Ada"),
            ("INFO", "greeting Ada name=Ada times=2"),
            ("WARNING", "no hat was taken off"),
            ("ERROR", "the hand was not shaken"),
        ] {
            assert!(told.lines().any(|line| line.contains(level) && line.contains(text)), "{}: {told}", self.plugin);
        }
        let steps = self.built("steps");
        assert_eq!(steps["retval"], json!(18), "{}: {steps:#}", self.plugin);
        let group = |name: &str| {
            let groups = steps["progress"].as_array().into_iter().flatten();
            groups.clone().find(|group| group["group_name"] == name).cloned().unwrap_or_default()
        };
        assert_eq!((&group("outer")["current"], &group("outer::inner")["total"]), (&json!(3), &json!(4)), "{steps:#}");
        let skipped = self.built("skipped");
        assert_eq!((&skipped["status"], &skipped["skip_reason"]), (&json!("SKIPPED"), &json!("nothing to do")));
    }

    fn fails(&self) {
        let broken = self.built("broken");
        let failure = &broken["exception"];
        assert_eq!(failure["message"], "the report was not saved", "{}: {broken:#}", self.plugin);
        assert_eq!(failure["causes"][0]["message"], "the disk is full", "{}: {broken:#}", self.plugin);
        let frames = broken["exception_tb"].as_array().expect("frames");
        let last = frames.last().expect("a frame");
        assert!(last["function"].to_string().contains("broken") && last["line"].as_u64() > Some(10), "{frames:#?}");
    }

    /// An error that is a value is how the build failed.
    fn refuses(&self) {
        let refused = self.built("refused");
        let value = &refused["exception"]["value"];
        // A case of Python carries a dataclass.
        assert!([json!({ "too-many": 30 }), json!({ "too-many": { "count": 30 } })].contains(value), "{refused:#}");
        assert_eq!(refused["status"], "FAILED");
        assert_eq!(self.built("allowed")["retval"], json!(3), "{}", self.plugin);
    }

    fn makes_requests(&self) {
        let server = Peer::http(|head| match head.split(' ').nth(1) {
            Some("/missing") => "HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nno such".to_owned(),
            Some("/moved") => "HTTP/1.1 302 Found\r\nlocation: /?q=1\r\ncontent-length: 0\r\n\r\n".to_owned(),
            Some("/away") => {
                "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.2/\r\ncontent-length: 0\r\n\r\n".to_owned()
            }
            _ => ok("hello"),
        });
        let port = server.port;
        let job = |id: &str, path: &str, http: &str| {
            let args = format!("[\"http://127.0.0.1:{port}{path}\"]");
            format!(
                "  - {{ id: {id}, function: \"{}:fetched\", args: {args}, grants: {{ http: [{http}] }} }}\n",
                self.plugin
            )
        };
        let grant = format!("{{ host: 127.0.0.1, scheme: http, ports: [{port}] }}");
        let jobs = [
            job("found", "/?q=1#part", &grant),
            job("missing", "/missing", &grant),
            job("moved", "/moved", &grant),
            job("away", "/away", &grant),
            job("denied", "/", ""),
        ];
        self.folder.write("jobs/http.yaml", format!("jobs:\n{}", jobs.concat()));
        self.folder.write("jobcontrol.yaml", format!("{CONFIG}http: {{ addresses: [127.0.0.1] }}\n"));
        let found = self.built("found");
        assert_eq!(found["retval"], "hello", "{found:#}");
        let head = server.heads().concat();
        assert!(head.starts_with("GET /?q=1 HTTP/1.1") && head.to_lowercase().contains("accept: text/plain"), "{head}");
        let moved = self.built("moved");
        assert_eq!(moved["retval"], "hello", "{moved:#}");
        for (id, said) in [
            ("away", "GET http://127.0.0.2/` is not granted"),
            ("missing", "the server answered 404: no such"),
            ("denied", "is not granted; add `grants: { http: ["),
        ] {
            let failed = self.built(id);
            assert!(failed["exception"]["message"].to_string().contains(said), "{failed:#}");
        }
    }

    fn has_what_is_granted(&self) {
        let copied = self.built("copied");
        assert_eq!(copied["retval"], json!(3), "{}: {copied:#}", self.plugin);
        assert_eq!(std::fs::read_to_string(self.folder.path("out/b.txt")).expect("a copy"), "ä\n");
        assert_eq!(self.built("peep")["status"], "FAILED", "{}", self.plugin);
        assert_eq!(self.built("variable")["retval"], "hi");
        assert_eq!(self.built("home")["retval"], Value::Null);
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970").as_secs_f64();
        let moment = self.built("moment")["retval"].as_f64().expect("a moment");
        assert!((now - moment).abs() < 600.0, "{now} and {moment}");
        let drawn = [(), ()].map(|()| self.built("chance")["retval"].to_string());
        assert_ne!(drawn[0], drawn[1], "each call has numbers of its own");
    }
}

#[test]
fn rust_conforms() {
    Form::new("rust-form", "tests/guests/rust-form.wasm").conforms();
}

#[test]
fn javascript_conforms() {
    Form::new("form.js", "tests/plugins/js/form.js").conforms();
}

#[test]
fn typescript_conforms() {
    Form::new("form.ts", "tests/plugins/ts/form.ts").conforms();
}

#[test]
#[ignore = "wants the interpreter of Python, in JOBCONTROL_PYTHON: see ci/suites.sh"]
fn python_conforms() {
    Form::new("form.py", "tests/plugins/python/form.py").conforms();
}
