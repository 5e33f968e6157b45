//! The functions of a plugin, indexed by each of their names. A plugin may export hundreds of
//! thousands, even under one name in as many interfaces. So no lookup of one function scans all of
//! them.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use crate::types::Signature;

/// What a plugin exports.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    all: Vec<Arc<Signature>>,
    /// Indices of the functions by their names without an interface.
    by_name: HashMap<String, Vec<usize>>,
    /// How many functions each name with an interface matches: `iface#f`, `ns:pkg/iface#f`, and the
    /// latter with a version.
    with_interface: HashMap<String, usize>,
}

impl Deref for Functions {
    type Target = [Arc<Signature>];

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl FromIterator<Arc<Signature>> for Functions {
    fn from_iter<I: IntoIterator<Item = Arc<Signature>>>(functions: I) -> Self {
        let all: Vec<_> = functions.into_iter().collect();
        let (mut by_name, mut with_interface) = (HashMap::<_, Vec<_>>::new(), HashMap::new());
        for (at, function) in all.iter().enumerate() {
            let name = kebab(&function.name);
            for interface in interfaces(function) {
                *with_interface.entry(format!("{interface}#{name}")).or_insert(0) += 1;
            }
            by_name.entry(name).or_default().push(at);
        }
        Self { all, by_name, with_interface }
    }
}

impl<'a> IntoIterator for &'a Functions {
    type Item = &'a Arc<Signature>;
    type IntoIter = std::slice::Iter<'a, Arc<Signature>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl Functions {
    /// Returns all functions that `export` names: `f`, `iface#f` or `ns:pkg/iface#f`; the version
    /// may be left out. Without an interface, a function of the world takes precedence over those
    /// of interfaces.
    pub fn named(&self, export: &str) -> Vec<&Arc<Signature>> {
        let (interface, name) = match export.rsplit_once('#') {
            Some((interface, name)) => (Some(interface), name),
            None => (None, export),
        };
        let named = self.by_name.get(&kebab(name)).into_iter().flatten().map(|at| &self.all[*at]);
        let is_of =
            |function: &&Arc<Signature>| interface.is_none_or(|wanted| interfaces(function).any(|i| i == wanted));
        let found: Vec<_> = named.filter(is_of).collect();
        let in_world = found.iter().find(|function| function.interface.is_none() && interface.is_none());
        in_world.map_or(found.clone(), |function| vec![function])
    }

    /// Returns the shortest name by which [`Functions::named`] finds this function and no other:
    /// `f`, `iface#f`, `ns:pkg/iface#f`, or the latter with its version. Empty for a command.
    pub fn shortest(&self, function: &Signature) -> String {
        let Some(full) = function.interface.as_deref().filter(|_| !function.command) else {
            return if function.command { String::new() } else { function.name.clone() };
        };
        let (name, key) = (&function.name, kebab(&function.name));
        if self.by_name.get(&key).is_some_and(|same| same.len() == 1) {
            return name.clone();
        }
        let is_it = |interface: &&str| self.with_interface.get(&format!("{interface}#{key}")) == Some(&1);
        let (unversioned, bare) = shorter(full);
        let interface = [bare, unversioned].into_iter().find(is_it).unwrap_or(full);
        format!("{interface}#{name}")
    }
}

/// Returns a name in kebab case, so that both spellings are found.
fn kebab(name: &str) -> String {
    name.replace('_', "-")
}

/// Returns `ns:pkg/iface` and `iface` for `ns:pkg/iface@1.0.0`.
fn shorter(full: &str) -> (&str, &str) {
    let unversioned = full.split('@').next().unwrap_or(full);
    (unversioned, unversioned.rsplit('/').next().unwrap_or(unversioned))
}

/// Returns the different names of a function's interface.
fn interfaces(function: &Signature) -> impl Iterator<Item = &str> {
    let names = |full| {
        let (unversioned, bare) = shorter(full);
        [full, unversioned, bare]
    };
    let mut names: Vec<_> = function.interface.as_deref().into_iter().flat_map(names).collect();
    names.dedup();
    names.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_functions_of_one_name_are_told_apart() {
        let function = |at: usize| {
            let (interface, name) = (Some(format!("a:b/i{at}@1.0.0")), "f".to_owned());
            Arc::new(Signature { interface, name, ..Signature::default() })
        };
        let functions: Functions = (0..100_000).map(function).collect();
        for (at, function) in functions.iter().enumerate() {
            assert_eq!(functions.shortest(function), format!("i{at}#f"));
        }
        assert_eq!(functions.named("i7#f"), [&functions[7]]);
        assert_eq!(functions.named("f").len(), 100_000);
    }
}
