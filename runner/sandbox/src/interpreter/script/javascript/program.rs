//! All files of a script as one text, which the interpreter evaluates to a function: given what
//! `jobcontrol` exports, it returns what the script exports.

use std::fmt::Write;

use super::erase::Erased;
use super::erase::erased;
use super::module::Modules;

/// Where a file stands in the text: its path, the line before its first, and how many it has.
pub(super) type Lines = (String, u32, u32);

/// The text, and where each file stands in it.
///
/// # Errors
///
/// What the interpreter cannot be given, with its place.
pub(super) fn of(modules: &Modules<'_>) -> Result<(String, Vec<Lines>), String> {
    let mut text = String::from("(function(__host,__awaited,__started){\"use strict\";const __modules=[];\n");
    let (mut line, mut lines) = (1_u32, Vec::new());
    for (at, module) in modules.all.iter().enumerate() {
        let Erased { text: body, exports, all_of } = erased(modules, module)?;
        let _ = writeln!(text, "__modules[{at}]=(function(){{");
        line += 1;
        let count = u32::try_from(body.matches('\n').count() + 1).unwrap_or(u32::MAX);
        lines.push((module.path.clone(), line, count));
        let _ = writeln!(text, "{body}");
        line = line.saturating_add(count);
        // What is exported later, or again, is seen as it is then.
        let own = exports.iter().map(|(name, value)| format!("get {name:?}(){{return {value}}}"));
        let others = all_of.iter().map(|at| format!("...__modules[{at}]"));
        let all: Vec<String> = others.chain(own).collect();
        let _ = writeln!(text, "return{{{}}};}})();", all.join(","));
        line += 1;
    }
    let _ = write!(text, "return __modules[{}];}})", modules.all.len().saturating_sub(1));
    Ok((text, lines))
}
