//! Checks jobs against the signatures of their functions: the result is a consistent graph, or
//! everything that is wrong at once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Span;
use crate::diagnostic::listed;
use crate::diagnostic::nearest;
use crate::diagnostic::some_of;
use crate::diagnostic::without_space;
use crate::job::Arg;
use crate::job::ArgNode;
use crate::job::Hook;
use crate::job::Job;
use crate::plugin::Plugin;
use crate::retry::RetryOn;
use crate::types::Problem;
use crate::types::Retvals;
use crate::types::Signature;
use crate::types::Type;
use crate::types::fits;
use crate::types::resolve;
use crate::types::same_name;
use crate::value::Value;

/// The result of looking up the plugin that a job names.
pub type Lookup = Result<Arc<Plugin>, PluginProblem>;

/// Why a job's plugin cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginProblem {
    /// The kind of mistake.
    pub code: Code,
    /// A description in words.
    pub message: String,
    /// Hints that fix it.
    pub help: Vec<String>,
}

impl PluginProblem {
    /// Creates a problem without hints.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: Vec::new() }
    }

    /// Adds a hint.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// A job together with the function it calls.
#[derive(Clone, Debug)]
pub struct CheckedJob {
    /// The job.
    pub job: Arc<Job>,
    /// Its plugin.
    pub plugin: Arc<Plugin>,
    /// The function it calls.
    pub signature: Arc<Signature>,
}

/// All readable jobs of a folder, and the problems of each.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The jobs by id. A job whose function is not known is left out.
    pub jobs: BTreeMap<String, CheckedJob>,
    /// The dependencies of every readable job, whether they are known or not.
    pub dependencies: BTreeMap<String, Vec<String>>,
    /// The problems, by the job that they are in.
    pub broken: BTreeMap<String, Vec<Diagnostic>>,
}

impl Graph {
    /// Returns `targets` and all their direct and indirect dependencies.
    pub fn closure<'a>(&'a self, targets: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        closure(targets, |id| self.dependencies.get(id).into_iter().flatten().map(String::as_str).collect())
    }

    /// Returns the problems of `targets` and of everything they depend on.
    pub fn problems_of<'a>(&'a self, targets: impl IntoIterator<Item = &'a str>) -> Vec<&'a Diagnostic> {
        self.closure(targets).into_iter().filter_map(|id| self.broken.get(id)).flatten().collect()
    }
}

/// Returns `targets` and everything they need, directly or not; `needs` returns what one job needs.
pub fn closure<'a>(
    targets: impl IntoIterator<Item = &'a str>,
    needs: impl Fn(&'a str) -> Vec<&'a str>,
) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = targets.into_iter().collect();
    while let Some(id) = next.pop() {
        if seen.insert(id) {
            next.extend(needs(id));
        }
    }
    seen
}

/// Checks all jobs of a folder. `plugins` holds the lookup result for each job, in the same order;
/// `broken` holds the jobs that could not be read.
pub fn check(jobs: Vec<Job>, plugins: &[Lookup], broken: BTreeMap<String, Vec<Diagnostic>>) -> Graph {
    let mut graph = Graph { broken, ..Graph::default() };
    let mut places: BTreeMap<String, Arc<Job>> = BTreeMap::new();
    for (job, lookup) in jobs.into_iter().zip(plugins) {
        let job = Arc::new(job);
        if let Some(first) = places.get(&job.id) {
            let message = format!("two jobs are called `{}`", job.id);
            let twice = Diagnostic::at(Code::DuplicateId, &job.place.source, job.place.id, message)
                .label("the second")
                .related(&first.place.source, first.place.id, "the first")
                .help("ids must be unique in the whole folder");
            graph.broken.entry(job.id.clone()).or_default().push(twice);
            continue;
        }
        let dependencies = job.dependency_ids().iter().map(|(id, _)| (*id).to_owned()).collect();
        graph.dependencies.insert(job.id.clone(), dependencies);
        match find_function(&job, lookup) {
            Ok((plugin, signature)) => {
                graph.jobs.insert(job.id.clone(), CheckedJob { job: Arc::clone(&job), plugin, signature });
            }
            Err(problem) => graph.broken.entry(job.id.clone()).or_default().push(problem),
        }
        places.insert(job.id.clone(), job);
    }
    let mut missing = BTreeMap::new();
    for job in places.values() {
        let problems = check_job(&graph, &places, job, &mut missing);
        if !problems.is_empty() {
            graph.broken.entry(job.id.clone()).or_default().extend(problems);
        }
    }
    report_cycles(&mut graph, &places);
    graph
}

fn find_function(job: &Job, lookup: &Lookup) -> Result<(Arc<Plugin>, Arc<Signature>), Diagnostic> {
    let place = &job.place;
    let at = |code: Code, message: String| Diagnostic::at(code, &place.source, place.function, message);
    let plugin = lookup.as_ref().map_err(|problem| {
        let diagnostic = Diagnostic { caller: Some(job.id.clone()), ..at(problem.code, problem.message.clone()) };
        problem.help.iter().fold(diagnostic, |diagnostic, help| diagnostic.help(help))
    })?;
    let signature = plugin
        .find(job.function.export.as_deref())
        .map_err(|problem| at(problem.code, problem.message).maybe_help(problem.help))?;
    Ok((Arc::clone(plugin), Arc::clone(signature)))
}

/// Checks one job. `missing` caches the nearest id for each id that does not exist, because a
/// folder may mention the same one thousands of times.
fn check_job(
    graph: &Graph,
    places: &BTreeMap<String, Arc<Job>>,
    job: &Job,
    missing: &mut BTreeMap<String, Option<String>>,
) -> Vec<Diagnostic> {
    let source = &job.place.source;
    let mut out = Vec::new();
    for (id, span) in job.dependency_ids() {
        if !places.contains_key(id) && !graph.broken.contains_key(id) {
            let find = || nearest(id, places.keys().map(String::as_str)).map(str::to_owned);
            let near = missing.entry(id.to_owned()).or_insert_with(find);
            let help = near.as_ref().map(|near| format!("did you mean `{near}`?"));
            let message = format!("there is no job `{id}`");
            out.push(Diagnostic::at(Code::NoSuchJob, source, span, message).maybe_help(help));
        }
    }
    for (reference, span) in job.references() {
        if graph.jobs.get(&reference.job).is_some_and(|other| other.signature.retval().is_none()) {
            let signature = &graph.jobs[&reference.job].signature;
            let message = format!("`{}` returns nothing", reference.job);
            let help = format!("to only run after it, write `dependencies: [{}]` in the job", reference.job);
            let place = &graph.jobs[&reference.job].job.place;
            let problem = Diagnostic::at(Code::RetvalOfNothing, source, span, message)
                .label("there is no value to use")
                .related(&place.source, place.function, format!("`{signature}` has no result"));
            out.push(problem.help(help));
        }
    }
    if let Some(checked) = graph.jobs.get(&job.id) {
        out.extend(check_retry(job, &checked.signature));
        let bound = bind(job, &checked.signature, &mut out);
        let retvals = SignatureRetvals(graph);
        let mut problems = Vec::new();
        for ((name, ty), arg) in checked.signature.params.iter().zip(bound) {
            if let Some(arg) = arg {
                resolve(&arg, name, ty, &retvals, &mut problems);
            }
        }
        out.extend(problems.into_iter().map(|problem| diagnose(graph, job, problem)));
        for (hook, shows) in [(&job.hooks.cleanup, false), (&job.hooks.repr, true)] {
            out.extend(hook.as_ref().and_then(|hook| check_hook(checked, hook, shows).err()));
        }
    }
    out
}

/// Checks a cleanup function or, if it `shows`, a repr function. Either must take what the job
/// returns.
fn check_hook(checked: &CheckedJob, hook: &Hook, shows: bool) -> Result<(), Diagnostic> {
    let at = |code: Code, message: String| Diagnostic::at(code, &checked.job.place.source, hook.span, message);
    let found = checked.plugin.find(Some(&hook.export));
    let signature = found.map_err(|problem| at(problem.code, problem.message).maybe_help(problem.help))?;
    let shown = format!("its function is `{signature}`");
    let misfit = |message: String| Err(at(Code::HookMisfit, message).help(shown.clone()));
    let Some(retval) = checked.signature.retval() else {
        return misfit(format!("`{}` cannot be called: the job returns nothing to pass to it", hook.export));
    };
    let Some((name, ty)) = signature.params.first() else {
        return misfit(format!("`{}` has no parameter for the job's return value", hook.export));
    };
    if let Err(problem) = fits(retval, ty) {
        let mut diagnostic = at(Code::HookMisfit, format!("{name}: {problem}"));
        if problem.from != retval.to_string() || problem.to != ty.to_string() {
            let both = [format!("the job returns {}", problem.from), format!("the function expects {}", problem.to)];
            diagnostic = both.into_iter().fold(diagnostic, Diagnostic::help);
        }
        return Err(diagnostic.maybe_help(problem.help).help(shown));
    }
    if let Some((name, _)) = signature.params[1..].iter().find(|(_, ty)| !matches!(ty, Type::Option(_))) {
        return misfit(format!("`{}` is called with one argument, but also needs `{name}`", hook.export));
    }
    if shows && signature.retval() != Some(&Type::String) {
        return misfit(format!("`{}` must return a string", hook.export));
    }
    Ok(())
}

/// Checks that the cases of `retry: { on: [error(CASE)] }` are cases of the function's error.
fn check_retry(job: &Job, signature: &Signature) -> Vec<Diagnostic> {
    let (what, cases) = match &signature.result {
        Some(Type::Result(_, Some(error))) => match &**error {
            Type::Variant(named) => (named.name.clone(), named.names().collect()),
            Type::Enum(named) => (named.name.clone(), named.names().collect()),
            other => (other.to_string(), Vec::new()),
        },
        Some(Type::Result(_, None)) => ("error".to_owned(), Vec::new()),
        _ => (String::new(), Vec::new()),
    };
    let mut out = Vec::new();
    for on in &job.retry.on {
        let RetryOn::Case(case, span) = on else { continue };
        if cases.iter().any(|known| same_name(known, case)) {
            continue;
        }
        let message = match (what.as_str(), cases.is_empty()) {
            ("", _) => "the function returns no error".to_owned(),
            (what, true) => format!("the function's error is {what}, which has no cases"),
            (what, false) => format!("{what} has no case `{case}`"),
        };
        let help = match nearest(case, cases.iter().copied()) {
            Some(near) => format!("did you mean `error({near})`?"),
            None if cases.is_empty() => format!("the function is `{signature}`"),
            None => format!("its cases are {}", some_of(cases.iter().map(ToString::to_string))),
        };
        out.push(Diagnostic::at(Code::RetryCase, &job.place.source, *span, message).help(help));
    }
    out
}

fn diagnose(graph: &Graph, job: &Job, mut problem: Problem) -> Diagnostic {
    let source = &job.place.source;
    // A value that was filled in for a variable may be a secret.
    let written = source.text.get(problem.span.start..problem.span.end).unwrap_or("");
    if let Some((_, value)) = problem.found.as_mut().filter(|_| is_number(written)) {
        // As it was written: in `0123` and `4.50` the zeros may count.
        *value = format!("the number {written}");
    }
    let reason = if written.contains("${") { problem.reason.clone() } else { problem.reason_with_value() };
    let message = format!("{}: {reason}", problem.path);
    let diagnostic = Diagnostic::at(problem.code, source, problem.span, message);
    let diagnostic = problem.help.into_iter().fold(diagnostic, Diagnostic::help);
    let Some((origin, label)) = problem.origin else {
        return diagnostic;
    };
    let Some(other) = graph.jobs.get(&origin) else {
        return diagnostic.label(label);
    };
    let place = &other.job.place;
    let returns = other.signature.retval().map(|ty| format!("`{origin}` returns {ty}")).unwrap_or_default();
    diagnostic.label(label).related(&place.source, place.function, returns)
}

fn is_number(written: &str) -> bool {
    written.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && written.parse::<f64>().is_ok()
}

/// Return types according to the signatures, before anything is built.
struct SignatureRetvals<'a>(&'a Graph);

impl Retvals for SignatureRetvals<'_> {
    fn retval(&self, job: &str) -> Option<(&Type, Option<&Value>)> {
        self.0.jobs.get(job)?.signature.retval().map(|ty| (ty, None))
    }
}

/// Assigns the arguments to the parameters, in declared order. An optional parameter without an
/// argument gets `None`.
pub fn bind<'a>(job: &'a Job, signature: &Signature, out: &mut Vec<Diagnostic>) -> Vec<Option<Cow<'a, Arg>>> {
    if signature.command {
        return vec![Some(Cow::Owned(argv(job, out)))];
    }
    bind_function(job, signature, out).into_iter().map(|arg| arg.map(Cow::Borrowed)).collect()
}

/// Returns the argument for a command's only parameter: the list of all entries of `args`.
fn argv(job: &Job, out: &mut Vec<Diagnostic>) -> Arg {
    if let Some((key, _)) = job.kwargs.first() {
        let message = format!("`{}` is a command, which has no named parameters", job.function);
        let help = "its arguments are strings: write each one as an entry of `args`";
        out.push(Diagnostic::at(Code::UnknownParameter, &job.place.source, key.span, message).help(help));
    }
    Arg { node: ArgNode::List(job.args.clone()), span: job.place.args.unwrap_or(job.place.function) }
}

fn bind_function<'a>(job: &'a Job, signature: &Signature, out: &mut Vec<Diagnostic>) -> Vec<Option<&'a Arg>> {
    let source = &job.place.source;
    let shown = || format!("the function is `{signature}`");
    let mut bound: Vec<Option<&Arg>> = signature.params.iter().map(|_| None).collect();
    for (i, arg) in job.args.iter().enumerate() {
        match bound.get_mut(i) {
            Some(slot) => *slot = Some(arg),
            None => {
                let count = signature.params.len();
                let message = format!("there is no parameter for argument {}", i + 1);
                let help = format!("{}, which takes {count}", shown());
                out.push(Diagnostic::at(Code::TooManyArguments, source, arg.span, message).help(help));
            }
        }
    }
    // A misspelt parameter is not also reported as missing.
    let mut misspelt = Vec::new();
    for (key, arg) in &job.kwargs {
        match signature.params.iter().position(|(name, _)| same_name(name, &key.name)) {
            Some(at) if bound[at].is_none() => bound[at] = Some(arg),
            Some(at) => {
                let message = format!("parameter `{}` is given twice", signature.params[at].0);
                let first = bound[at].map_or(key.span, |arg| arg.span);
                let twice = Diagnostic::at(Code::ParameterTwice, source, key.span, message);
                out.push(twice.label("here").related(source, first, "and here"));
            }
            None => {
                let names = signature.params.iter().map(|(name, _)| name.as_str());
                // `text:hello` is the parameter `text` without the space.
                let name = key.name.split(':').next().unwrap_or(&key.name);
                let near = nearest(name, names);
                misspelt.extend(near);
                let spaced = without_space(&key.name).map(|(right, why)| format!("{why}: write `{right}`"));
                let help = spaced.or_else(|| near.map(|near| format!("did you mean `{near}`?")));
                let message = format!("there is no parameter `{}`", key.name);
                let unknown = Diagnostic::at(Code::UnknownParameter, source, key.span, message);
                out.push(unknown.maybe_help(help).help(shown()));
            }
        }
    }
    let missing =
        signature.params.iter().zip(&bound).filter(|((_, ty), arg)| arg.is_none() && !matches!(ty, Type::Option(_)));
    let missing = missing.map(|((name, _), _)| name.as_str()).filter(|name| !misspelt.contains(name));
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        let span = job.place.kwargs.or(job.place.args).unwrap_or(job.place.function);
        let what = if missing.len() == 1 { "argument" } else { "arguments" };
        let message = format!("missing {what} {}", listed(missing.into_iter()));
        out.push(Diagnostic::at(Code::MissingArgument, source, span, message).help(shown()));
    }
    bound
}

fn report_cycles(graph: &mut Graph, places: &BTreeMap<String, Arc<Job>>) {
    let mut indices = BTreeMap::new();
    let mut net = petgraph::graph::DiGraph::<&str, ()>::new();
    for id in places.keys() {
        indices.insert(id.as_str(), net.add_node(id));
    }
    for (id, dependencies) in &graph.dependencies {
        for dependency in dependencies {
            if let (Some(from), Some(to)) = (indices.get(id.as_str()), indices.get(dependency.as_str())) {
                net.add_edge(*from, *to, ());
            }
        }
    }
    let mut found = Vec::new();
    for component in petgraph::algo::tarjan_scc(&net) {
        let members: BTreeSet<&str> = component.iter().map(|i| net[*i]).collect();
        let Some(first) = members.first() else {
            continue;
        };
        if let Some(cycle) = shortest_cycle(&graph.dependencies, &members, first) {
            found.push((members.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), cycle));
        }
    }
    for (members, cycle) in found {
        let diagnostic = cycle_diagnostic(places, &cycle);
        // Every member of the cycle is broken, but only the first one carries the report.
        for id in members.iter().skip(1) {
            graph.broken.entry(id.clone()).or_default();
        }
        graph.broken.entry(members[0].clone()).or_default().push(diagnostic);
    }
}

/// Finds the shortest cycle from `start` along dependencies back to `start`; both ends are
/// included.
fn shortest_cycle(
    dependencies: &BTreeMap<String, Vec<String>>,
    members: &BTreeSet<&str>,
    start: &str,
) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(id) = queue.pop_front() {
        for next in dependencies.get(id).into_iter().flatten() {
            if next == start {
                let mut cycle = vec![start.to_owned(), id.to_owned()];
                let mut at = id;
                while at != start {
                    at = came_from[at];
                    cycle.push(at.to_owned());
                }
                cycle.reverse();
                return Some(cycle);
            }
            if members.contains(next.as_str()) && !came_from.contains_key(next.as_str()) {
                came_from.insert(next, id);
                queue.push_back(next);
            }
        }
    }
    None
}

/// How many jobs of a long cycle are shown at each of its ends.
const CYCLE_END: usize = 10;

/// Returns the whole cycle, or only its two ends if it is long.
fn ends(cycle: &[String]) -> Vec<&[String]> {
    if cycle.len() <= 2 * CYCLE_END {
        return vec![cycle];
    }
    vec![&cycle[..CYCLE_END], &cycle[cycle.len() - CYCLE_END..]]
}

/// Formats the jobs of a cycle on one line. A long cycle is shortened to its ends and the number of
/// jobs in between.
fn in_short(cycle: &[String]) -> String {
    let parts: Vec<_> = ends(cycle).into_iter().map(|part| part.join(" -> ")).collect();
    let between = cycle.len().saturating_sub(2 * CYCLE_END);
    parts.join(&format!(" -> .. {between} more .. -> "))
}

fn cycle_diagnostic(places: &BTreeMap<String, Arc<Job>>, cycle: &[String]) -> Diagnostic {
    let mention = |from: &str, to: &str| {
        let job = &places[from];
        let span = job.dependency_ids().iter().find(|(id, _)| *id == to).map_or_else(Span::default, |(_, span)| *span);
        (Arc::clone(&job.place.source), span)
    };
    let (source, span) = mention(&cycle[0], &cycle[1]);
    let (code, message) = match cycle {
        [id, _] => (Code::SelfDependency, format!("job `{id}` depends on itself")),
        _ => (Code::Cycle, format!("these jobs wait for each other: {}", in_short(cycle))),
    };
    let mut diagnostic =
        Diagnostic::at(code, &source, span, message).label(format!("`{}` needs `{}`", cycle[0], cycle[1]));
    for pair in ends(cycle).into_iter().flat_map(|part| part.windows(2)).skip(1) {
        let (source, span) = mention(&pair[0], &pair[1]);
        diagnostic = diagnostic.related(&source, span, format!("`{}` needs `{}`", pair[0], pair[1]));
    }
    diagnostic.help("remove one of these dependencies")
}
