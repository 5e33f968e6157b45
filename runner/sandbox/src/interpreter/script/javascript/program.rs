//! All files of a script as one text. The interpreter evaluates it to a function that takes the
//! exports of `jobcontrol` and returns the exports of the script.

use std::fmt::Write;

use super::erase::Erased;
use super::erase::erased;
use super::module::Modules;

/// The position of a file in the text: its path, the line before its first, and its number of
/// lines.
pub(super) type Lines = (String, u32, u32);

/// Returns the text, and the position of each file in it.
///
/// # Errors
///
/// Returns the first construct that the interpreter does not support, with its position.
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
        // A getter, so that a later change of an export is visible.
        let own = exports.iter().map(|(name, value)| format!("get {name:?}(){{return {value}}}"));
        let others = all_of.iter().map(|at| format!("...__modules[{at}]"));
        let all: Vec<String> = others.chain(own).collect();
        let _ = writeln!(text, "return{{{}}};}})();", all.join(","));
        line += 1;
    }
    let _ = write!(text, "return __modules[{}];}})", modules.all.len().saturating_sub(1));
    Ok((text, lines))
}
