//! The program: from arguments to a command, and from a command to an exit code.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap_complete::ArgValueCandidates;

use crate::app::App;
use crate::catalog::workspace::SETTINGS_FILE;
use crate::request::refusal::RefusalKind;
use crate::service::systemd::Activated;
use crate::service::systemd::activated_sockets;
use crate::settings::ConfigFile;
use crate::settings::Options;
use crate::settings::settled;

use super::builds;
use super::cache;
use super::check;
use super::completions;
use super::enqueue;
use super::error;
use super::error::CliError;
use super::explain;
use super::flags::Color;
use super::flags::Format;
use super::flags::settings;
use super::graph;
use super::jobs;
use super::logs;
use super::make;
use super::new;
use super::next;
use super::plugins;
use super::render;
use super::render::Out;
use super::run;
use super::runs;
use super::runtime;
use super::secrets;
use super::serve;
use super::signals;
use super::store;
use super::tokens;
use super::watch;
use super::worker;
use super::workers;

/// The argument with which the program starts itself to compile a plugin.
const INTERPRET: &str = "__interpret";

/// A job runner whose jobs are WebAssembly.
///
/// Jobs are YAML files in a folder. Each names a function that a plugin (.wasm) exports, with its
/// arguments. The types of the whole graph are checked before anything runs. Each function is
/// called in a sandbox that has only the rights granted to the job. Every build is kept.
#[derive(Parser, Debug)]
#[command(name = "jobcontrol", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str =
    "The global options can be given as JOBCONTROL_JOBS, _STORE, _CONFIG, _CACHE, _FORMAT and _COLOR.

Exit codes: 0 done or skipped, 1 a build failed or a dependency is missing, 2 usage, \
3 the manifests have mistakes, 4 not found, 5 storage, 70 a bug, 130 interrupted.";

#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// The jobs folder [default: jobs]
    #[arg(long, global = true, value_name = "DIR", env = "JOBCONTROL_JOBS", hide_env = true)]
    jobs: Option<PathBuf>,
    /// Where builds are kept, sqlite:PATH or memory: [default: sqlite:jobcontrol.db]
    #[arg(long, global = true, value_name = "URL", env = "JOBCONTROL_STORE", hide_env = true)]
    store: Option<String>,
    /// The operator's file [default: the nearest jobcontrol.yaml here or in a parent folder]
    #[arg(long, global = true, value_name = "FILE", env = "JOBCONTROL_CONFIG", hide_env = true)]
    config: Option<PathBuf>,
    /// The folder of compiled plugins [default: jobcontrol in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", env = "JOBCONTROL_CACHE", hide_env = true)]
    cache: Option<PathBuf>,
    /// The folder of the interpreters of scripts [default: jobcontrol/runtimes in the user's data
    /// folder]
    #[arg(long, global = true, value_name = "DIR", env = "JOBCONTROL_RUNTIMES", hide_env = true)]
    runtimes: Option<PathBuf>,
    /// The output format: for people, or one JSON document (JSON lines when following); `graph` can
    /// also print text, dot, mermaid or svg, and `check` sarif
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", env = "JOBCONTROL_FORMAT")]
    #[arg(hide_env = true)]
    format: Format,
    /// Show no log and no progress
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Show log records of every level
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Show return values in full on a terminal, however long they are
    #[arg(long, global = true)]
    full: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", env = "JOBCONTROL_COLOR")]
    #[arg(hide_env = true)]
    color: Color,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Check every manifest against every plugin, and report all mistakes at once
    Check {
        /// Report only mistakes in these files or folders
        paths: Vec<PathBuf>,
        /// Keep running, and check again after each change
        #[arg(long)]
        watch: bool,
        /// Fail on warnings, too
        #[arg(long, conflicts_with = "watch")]
        deny_warnings: bool,
    },
    /// Build jobs with live progress and log, and print what the functions return
    Run(run::RunArgs),
    /// Leave a run to a service, and return at once
    Enqueue(enqueue::EnqueueArgs),
    /// Show when a job's schedule is due next
    Next(next::NextArgs),
    /// Watch the jobs folder and run what is due, until Ctrl-C
    Serve(serve::ServeArgs),
    /// Run attempts for services on other machines, until Ctrl-C
    Worker(worker::WorkerArgs),
    /// List the workers that are on a bus
    Workers(workers::WorkersArgs),
    /// List runs (the jobs requested together, and their outcome); show, cancel or repeat one
    Runs(runs::RunsArgs),
    /// List the jobs and the status of each
    Jobs(jobs::JobsArgs),
    /// Show one job
    Job {
        /// The job's id
        #[arg(add = ArgValueCandidates::new(completions::jobs))]
        job: String,
    },
    /// Show the dependencies between jobs
    Graph(graph::GraphArgs),
    /// List builds
    Builds(builds::BuildsArgs),
    /// Show, cancel, delete or repeat one build
    Build {
        #[command(subcommand)]
        command: builds::BuildCommand,
    },
    /// Show the log of a build, or prune logs
    Logs(logs::LogsArgs),
    /// Create a folder to start from: a script or a crate, a manifest that runs it, and a test
    New(new::NewArgs),
    /// Make a plugin from its source, and put it beside the manifest
    Make(make::MakeArgs),
    /// Show what a plugin exports and imports; without a plugin, list the available ones
    Inspect {
        /// A plugin's file, or its name
        plugin: Option<String>,
    },
    /// Explain a diagnostic code, with an example; without a code, list all
    Explain {
        /// The code, as `check` shows it: JC0101
        code: Option<String>,
    },
    /// Print a JSON Schema of manifests; editors use it to complete functions and their arguments
    Schema,
    /// Create, remove, back up, restore, prune or migrate the store
    Store {
        #[command(subcommand)]
        command: store::StoreCommand,
    },
    /// Clean up the folder of compiled plugins
    Cache {
        #[command(subcommand)]
        command: cache::CacheCommand,
    },
    /// Install the interpreter of a language, or list the installed ones
    Runtime {
        #[command(subcommand)]
        command: runtime::RuntimeCommand,
    },
    /// Say which secrets of jobcontrol.yaml are available
    Secrets {
        #[command(subcommand)]
        command: secrets::SecretsCommand,
    },
    /// Create, list and revoke tokens, with which others use the API of a service
    Token {
        #[command(subcommand)]
        command: tokens::TokenCommand,
    },
    /// Print a script that completes commands in a shell
    Completions {
        /// The shell
        #[arg(value_parser = completions::shell())]
        shell: String,
    },
}

/// Runs the whole program, and returns its exit code.
pub fn main() -> ExitCode {
    signals::ignore_file_size();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == INTERPRET) {
        return render::interpreter_result(jobcontrol_sandbox::serve(&arguments[2..]));
    }
    if completions::complete::<Cli>(&arguments) {
        return ExitCode::SUCCESS;
    }
    render::announce_bugs();
    let json = wants_json(&arguments);
    std::panic::catch_unwind(|| ExitCode::from(command_line(arguments))).unwrap_or_else(|_| {
        if json {
            let out = Out::new(Format::Json, Color::Never, false, false, false);
            render::bug_document(&out);
        }
        ExitCode::from(error::BUG)
    })
}

fn command_line(arguments: Vec<OsString>) -> u8 {
    let json = wants_json(&arguments);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            render::clap_message(&error);
            if !error.use_stderr() {
                return error::DONE;
            }
            if json {
                let out = Out::new(Format::Json, Color::Never, false, false, false);
                render::error_document(&out, &CliError::usage(render::clap_text(&error)));
            }
            return error::USAGE;
        }
    };
    let out = Out::new(cli.global.format, cli.global.color, cli.global.quiet, cli.global.verbose, cli.global.full);
    match answer(cli, &out) {
        Ok(code) => code,
        Err(error) => {
            render::error(&out, &error);
            render::error_document(&out, &error);
            error.exit_code()
        }
    }
}

/// Returns whether JSON was requested, as far as a wrong command line shows that.
fn wants_json(arguments: &[OsString]) -> bool {
    let mut given = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let mut format = None;
    while let Some(argument) = given.next() {
        match argument.strip_prefix("--format") {
            Some("") => format = given.next(),
            Some(value) => format = value.strip_prefix('=').or(format),
            None if argument == "--" => break,
            None => {}
        }
    }
    match format {
        Some(format) => format == "json",
        None => std::env::var("JOBCONTROL_FORMAT").is_ok_and(|format| format == "json"),
    }
}

/// Returns the sockets that systemd has opened for a service. Must be called before any thread
/// starts.
fn activated(command: &Command) -> Result<Vec<Activated>, CliError> {
    let refused = |error| CliError::usage(format!("the sockets of systemd cannot be used: {error}"));
    match command {
        Command::Serve(_) => activated_sockets().map_err(refused),
        _ => Ok(Vec::new()),
    }
}

fn answer(mut cli: Cli, out: &Out) -> Result<u8, CliError> {
    if let Command::Completions { shell } = &cli.command {
        return completions::script(out, shell);
    }
    supported(cli.global.format, &cli.command)?;
    if let Command::Explain { code } = &cli.command {
        return explain::explain(out, code.as_deref());
    }
    if let Command::New(args) = &cli.command {
        return new::new(out, args);
    }
    if let Command::Make(args) = &cli.command {
        cli.global.jobs = cli.global.jobs.or_else(|| args.jobs());
    }
    let activated = activated(&cli.command)?;
    let app = match open(&cli.global, out) {
        // A program that reads the mistakes gets those of the operator's file in the same format.
        Err(CliError::Refused(refusal))
            if refusal.kind == RefusalKind::Unchecked
                && matches!(cli.command, Command::Check { .. })
                && out.format != Format::Human =>
        {
            return check::report(out, &refusal.diagnostics, check::Counts::default());
        }
        opened => opened?,
    };
    // The `store` commands may replace or remove the store, so it is left as it is for them.
    if !matches!(cli.command, Command::Store { .. }) {
        app.store.take_log_in();
    }
    if out.verbose {
        out.say(in_force(&app.settings.config));
    }
    match cli.command {
        Command::Check { paths, watch: true, .. } => watch::check(&app, options(&cli.global)?, out, &paths),
        Command::Check { paths, deny_warnings, .. } => check::check(&app, out, &paths, deny_warnings),
        Command::Run(args) if args.watch => watch::run(&app, options(&cli.global)?, out, &args.ask),
        Command::Run(args) => run::run(&app, out, &args),
        Command::Enqueue(args) => enqueue::enqueue(&app, out, &args),
        Command::Next(args) => next::next(&app, out, &args),
        Command::Serve(args) => {
            let bus = args.bus.bus(&app)?;
            let app = app.on_bus(bus);
            serve::serve(&app, options(&cli.global)?, out, &args, activated)
        }
        Command::Worker(args) => worker::work(&app, out, &args),
        Command::Workers(args) => workers::list(&app, out, &args),
        Command::Runs(args) => runs::runs(&app, out, &args),
        Command::Jobs(args) => jobs::list(&app, out, &args),
        Command::Job { job } => jobs::show(&app, out, &job),
        Command::Graph(args) => graph::graph(&app, out, &args),
        Command::Builds(args) => builds::list(&app, out, &args),
        Command::Build { command } => builds::build(&app, out, &command),
        Command::Logs(args) => logs::logs(&app, out, &args),
        Command::Make(args) => make::make(&app, out, &args),
        Command::Inspect { plugin: None } => plugins::list(&app, out),
        Command::Inspect { plugin: Some(plugin) } => plugins::inspect(&app, out, &plugin),
        Command::Schema => plugins::schema(&app, out),
        Command::Store { command } => store::store(&app, out, &command),
        Command::Cache { command } => cache::cache(&app, out, &command),
        Command::Runtime { command } => runtime::runtime(&app, out, &command),
        Command::Token { command } => tokens::token(&app, out, &command),
        Command::Secrets { command } => secrets::secrets(&app, out, &command),
        Command::Explain { .. } | Command::Completions { .. } | Command::New(_) => Ok(error::DONE),
    }
}

fn in_force(config: &ConfigFile) -> String {
    match config.is_there {
        true => format!("the configuration is {}", settled(&config.path).display()),
        false => format!("no {SETTINGS_FILE} was found"),
    }
}

fn supported(format: Format, command: &Command) -> Result<(), CliError> {
    match (format, command) {
        (Format::Human | Format::Json, _)
        | (Format::Sarif, Command::Check { .. })
        | (Format::Text | Format::Dot | Format::Mermaid | Format::Svg, Command::Graph(_)) => Ok(()),
        (Format::Sarif, _) => Err(CliError::usage("`--format sarif` is for `check`".to_owned())),
        _ => Err(CliError::usage("`--format text`, `dot`, `mermaid` and `svg` are for `graph`".to_owned())),
    }
}

fn options(global: &Global) -> Result<Options, CliError> {
    let program = std::env::current_exe()
        .map_err(|e| CliError::failed(format!("this program cannot find itself to read plugins: {e}")))?;
    Ok(Options {
        jobs: global.jobs.clone(),
        store: global.store.clone(),
        config: global.config.clone(),
        cache: global.cache.clone(),
        runtimes: global.runtimes.clone(),
        interpreter: vec![program.into(), INTERPRET.into()],
    })
}

fn open(global: &Global, out: &Out) -> Result<App, CliError> {
    let settings = settings(&options(global)?)?;
    let warner = out.clone();
    let warn = Arc::new(move |message: &str| warner.warn(message));
    Ok(App::new(settings, warn))
}
