//! Brokers that want TLS, and to know who comes.

use super::broker::Broker;
use super::built;
use super::credentials;
use super::folder;
use crate::harness::Folder;
use crate::harness::peer::certificate;
use crate::harness::served::Served;
use crate::harness::serving::Serving;

/// A user of the broker, with the seed that signs in. Both are of the manual of NATS.
const USER: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

/// Builds a job with a service and a worker that reach the broker by these flags.
fn works(folder: &Folder, flags: &[&str]) {
    let served = Served::start(folder, flags);
    let arguments: Vec<&str> = ["worker", "--log", "json", "--slots", "1"].iter().chain(flags).copied().collect();
    let worker = Serving::of(&mut folder.command(&arguments));
    worker.record("working");
    assert_eq!(built(folder, &served, "six", 1, "SUCCESSFUL")["retval"], 6);
    worker.stop();
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_key_signs_in_over_tls() {
    let (certified, key) = (certificate("server.pem"), certificate("server.key"));
    let broker = Broker::configured(&format!(
        "tls {{ cert_file: \"{certified}\", key_file: \"{key}\" }}\nauthorization {{ users: [ {{ nkey: \"{USER}\" }} ] }}\n"
    ));
    let folder = folder().file("seed", format!("{SEED}\n"));
    let (url, authority) = (format!("tls://localhost:{}", broker.port()), certificate("authority.pem"));
    let flags = ["--bus", &url, "--bus-nkey", "seed", "--bus-ca", &authority];
    works(&folder, &flags);
    let refused = |flags: &[&str], why: &str| {
        let arguments: Vec<&str> = ["worker"].iter().chain(flags).copied().collect();
        folder.run(&arguments).code(1).says(&format!("the bus `{url}`")).says(why);
    };
    refused(&flags[..4], "certificate");
    refused(&["--bus", &url, "--bus-ca", &authority], "authorization");
    folder.write("wrong", "SUAGARBAGE");
    refused(&["--bus", &url, "--bus-nkey", "wrong", "--bus-ca", &authority], "");
    refused(&["--bus", &url, "--bus-nkey", "none", "--bus-ca", &authority], "the NKey `none`");
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn a_password_signs_in_and_is_not_shown() {
    let broker = Broker::configured("authorization { user: ann, password: \"tu@lips\" }\n");
    let folder = folder();
    let url = format!("nats://ann:tu%40lips@127.0.0.1:{}", broker.port());
    works(&folder, &["--bus", &url]);
    let wrong = format!("nats://ann:roses@127.0.0.1:{}", broker.port());
    let answer = folder.run(&["worker", "--bus", &wrong]).code(1).says(&format!("nats://127.0.0.1:{}", broker.port()));
    assert!(!answer.stderr.contains("roses"), "{answer:#?}");
}

#[test]
#[ignore = "wants a NATS server, see the step `workers` of ci/suites.sh"]
fn credentials_sign_in_if_the_account_vouches_for_the_user() {
    let (account, other) = (credentials::account(1), credentials::account(2));
    let (user, thief) = (credentials::user(1), credentials::user(2));
    let (seed, own) = (user.seed().unwrap(), thief.seed().unwrap());
    let good = credentials::user_jwt(&user, &account, &account);
    let forged = credentials::user_jwt(&user, &account, &other);
    let stranger = credentials::user_jwt(&user, &other, &other);
    let broker = Broker::configured(&credentials::trusting(&account));
    let folder = folder()
        .file("good", credentials::file(&good, &seed))
        .file("forged", credentials::file(&forged, &seed))
        .file("stranger", credentials::file(&stranger, &seed))
        .file("stolen", credentials::file(&good, &own))
        .file("garbled", credentials::file(&good, "SUAGARBAGE"))
        .file("half", format!("-----BEGIN NATS USER JWT-----\n{good}\n------END NATS USER JWT------\n"))
        .file("seed", format!("{seed}\n"));
    let url = broker.url();
    works(&folder, &["--bus", &url, "--bus-credentials", "good"]);
    let refused = |flags: &[&str], why: &str| {
        for program in [&["worker"][..], &["serve", "--listen", "off"]] {
            let arguments = [program, &["--bus", &url], flags].concat();
            let answer = folder.run(&arguments).code(1).says(&format!("the bus `{url}`: ")).says(why);
            assert!(!answer.stderr.contains(&seed), "{answer:#?}");
        }
    };
    refused(&[], "authorization violation");
    for file in ["forged", "stranger", "stolen"] {
        refused(&["--bus-credentials", file], "authorization violation");
    }
    for file in ["garbled", "half", "seed", "none"] {
        refused(&["--bus-credentials", file], &format!("the credentials `{file}`: "));
    }
}
