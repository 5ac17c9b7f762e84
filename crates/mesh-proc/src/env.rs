//! The environment of a child, built from nothing: what is not named here does not get through.

use crate::os_string_serde;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Marks every process of a run; the search for strays reads it from `/proc/<pid>/environ`.
pub const MESH_RUN: &str = "MESH_RUN";
/// Marks every process of one attempt of a run.
pub const MESH_ATTEMPT: &str = "MESH_ATTEMPT";

/// A complete environment. Iteration is sorted by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Env {
    variables: BTreeMap<OsString, OsString>,
}

impl Env {
    /// No variable at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Those of our own variables that `names` lists; one that we do not have is left out.
    pub fn keep<N: AsRef<OsStr>>(names: &[N]) -> Self {
        Self::keep_from(names, |name| std::env::var_os(name))
    }

    /// As [`Env::keep`], with the values looked up by `lookup`.
    pub fn keep_from<N: AsRef<OsStr>>(
        names: &[N],
        lookup: impl Fn(&OsStr) -> Option<OsString>,
    ) -> Self {
        let variables = names
            .iter()
            .filter_map(|name| {
                lookup(name.as_ref()).map(|value| (name.as_ref().to_os_string(), value))
            })
            .collect();
        Self { variables }
    }

    /// With `name` set to `value`, whatever it was.
    #[must_use]
    pub fn set(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.insert(name, value);
        self
    }

    /// Sets `name` to `value`, whatever it was.
    pub fn insert(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.variables.insert(name.into(), value.into());
    }

    /// Without `name`.
    #[must_use]
    pub fn without(mut self, name: impl AsRef<OsStr>) -> Self {
        self.variables.remove(name.as_ref());
        self
    }

    /// With `folder` in front of `PATH`. An empty or absent `PATH` becomes just the folder: an empty entry would mean the current
    /// folder, which nobody asked for.
    #[must_use]
    pub fn prepend_path(self, folder: &Path) -> Self {
        let mut path = folder.as_os_str().to_os_string();
        if let Some(rest) = self.get("PATH").filter(|rest| !rest.is_empty()) {
            path.push(":");
            path.push(rest);
        }
        self.set("PATH", path)
    }

    /// The value of `name`.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.variables.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// All variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The folders of `PATH` in their order.
    pub fn path_folders(&self) -> Vec<PathBuf> {
        self.get("PATH")
            .map(|path| std::env::split_paths(path).collect())
            .unwrap_or_default()
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self {
            variables: pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }
}

impl Serialize for Env {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        os_string_serde::pairs::serialize(self.iter(), serializer)
    }
}

impl<'de> Deserialize<'de> for Env {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(os_string_serde::pairs::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(env: &Env) -> Vec<&str> {
        env.iter().map(|(name, _)| name.to_str().unwrap()).collect()
    }

    #[test]
    fn only_what_is_named_gets_through_and_the_order_is_by_name() {
        let ours = |name: &OsStr| (name != "ABSENT").then(|| OsString::from("ours"));
        let env = Env::keep_from(&["Z", "A", "ABSENT"], ours).set("M", "1");
        assert_eq!(names(&env), ["A", "M", "Z"]);
        assert_eq!(env.get("Z"), Some(OsStr::new("ours")));
        assert_eq!(names(&env.without("M")), ["A", "Z"]);
    }

    #[test]
    fn a_folder_in_front_of_no_path_adds_no_empty_entry() {
        let folder = Path::new("/opt/ours");
        assert_eq!(
            Env::empty().prepend_path(folder).get("PATH"),
            Some(OsStr::new("/opt/ours"))
        );
        assert_eq!(
            Env::empty()
                .set("PATH", "")
                .prepend_path(folder)
                .get("PATH"),
            Some(OsStr::new("/opt/ours"))
        );
        let env = Env::empty()
            .set("PATH", "/bin:/usr/bin")
            .prepend_path(folder);
        assert_eq!(
            env.path_folders(),
            ["/opt/ours", "/bin", "/usr/bin"].map(PathBuf::from)
        );
    }

    #[test]
    fn names_and_values_that_are_not_text_survive_json() {
        use std::os::unix::ffi::OsStringExt;
        let env = Env::empty()
            .set(
                OsString::from_vec(vec![0xff]),
                OsString::from_vec(vec![0xfe]),
            )
            .set("A", "b");
        let json = serde_json::to_string(&env).unwrap();
        assert_eq!(serde_json::from_str::<Env>(&json).unwrap(), env);
    }
}
