//! Where names lead, and where they may not.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;

use jobcontrol::service::engine::guest_runtime;
use jobcontrol_core::diagnostic::Span;
use jobcontrol_core::event::Outcome;
use jobcontrol_core::grants::HttpGrant;
use jobcontrol_core::http::AddressRange;
use jobcontrol_core::http::HostPattern;
use jobcontrol_core::http::HttpRules;
use jobcontrol_core::http::Rule;
use jobcontrol_core::value::Value as Returned;
use jobcontrol_sandbox::Call;
use jobcontrol_sandbox::Granted;
use jobcontrol_sandbox::Names;

use super::*;
use crate::harness::peer::Peer;
use crate::harness::peer::ok;
use crate::sandbox::call_with;
use crate::sandbox::function;
use crate::sandbox::sandbox_for;

#[test]
fn addresses_that_are_not_public_are_refused_unless_the_operator_names_them() {
    let peer = Peer::http(|_| ok("never"));
    let port = peer.port;
    let grant = format!("grants: {{ http: [{{ host: \"*\", scheme: http, ports: [{port}] }}] }}");
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "0.0.0.0",
    ] {
        let folder = folder(&[&format!("id: job, function: http:code, args: [\"http://{host}:{port}/\"], {grant}")]);
        folder.write("jobcontrol.yaml", "");
        assert_eq!(returned(&folder), "ErrorCode::DestinationIpProhibited", "{host}");
        let log = folder.run(&["logs", "job"]).code(0);
        log.tells("is not a public address; the operator can allow it in jobcontrol.yaml: `http: { addresses: [");
    }
    assert_eq!(peer.heads(), Vec::<String>::new());
}

/// Names whose answers are given in turn.
struct Turns(Mutex<Vec<Vec<IpAddr>>>);

impl Turns {
    fn of(answers: &[&[&str]]) -> Arc<Self> {
        let answer = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self(Mutex::new(answers.iter().rev().map(answer).collect())))
    }
}

impl Names for Turns {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(name, "api.test");
        self.0.lock().unwrap().pop().ok_or_else(|| io::Error::other("no more answers"))
    }
}

/// The codes of the errors of GETs, of a sandbox whose operator allows 127.0.0.1 alone.
fn codes(names: Arc<Turns>, port: u16, count: usize) -> Vec<String> {
    let rules = HttpRules { addresses: vec![AddressRange::parse("127.0.0.1").unwrap()], ..HttpRules::default() };
    let sandbox = sandbox_for(1).with_names(names);
    let runtime = guest_runtime().unwrap();
    let code = function(&sandbox, "http.wasm", "code");
    let rule = Rule { host: HostPattern::Any, scheme: None, ports: None, methods: None, paths: None };
    let grant = HttpGrant { rule: Some(rule), headers: Vec::new(), span: Span::default() };
    let url = || vec![Returned::string(format!("http://api.test:{port}/"))];
    let granted = Granted { http: vec![grant], http_rules: Arc::new(rules), ..Granted::default() };
    let call = || Call { granted: granted.clone(), ..call_with(url()) };
    let code = |_| match runtime.block_on(sandbox.call(&code, call())).outcome {
        Outcome::Returned(Some(Returned::String(code))) => code,
        Outcome::Returned(_) => "none".to_owned(),
        other => panic!("{other:?}"),
    };
    (0..count).map(code).collect()
}

#[test]
fn a_name_that_changes_its_answer_leads_nowhere_else() {
    let peer = Peer::http(|_| ok("hello"));
    // Whoever asked again between the check and the connection would get the second answer.
    let changing = Turns::of(&[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.1"]]);
    let prohibited = "ErrorCode::DestinationIpProhibited";
    assert_eq!(codes(changing, peer.port, 3), ["none", prohibited, "none"]);
    assert_eq!(peer.heads().len(), 2);
    assert!(peer.heads()[0].to_ascii_lowercase().contains(&format!("host: api.test:{}\r\n", peer.port)));
}

#[test]
fn of_several_addresses_only_those_that_are_allowed_are_tried() {
    let peer = Peer::http(|_| ok("hello"));
    let several =
        Turns::of(&[&["10.0.0.1", "::1", "127.0.0.1"], &["::ffff:10.0.0.1", "10.0.0.1"], &["::ffff:127.0.0.1"], &[]]);
    let codes = codes(several, peer.port, 5);
    assert_eq!(codes[..3], ["none", "ErrorCode::DestinationIpProhibited", "none"]);
    assert!(codes[3..].iter().all(|code| code.starts_with("ErrorCode::DnsError")), "{codes:?}");
}
