//! The trait that every kind of grant implements, and the macro that builds `Grants` from a list of
//! kinds.

use crate::value::Value;
use crate::yaml::fields::Fields;

use super::today::Repeated;
use super::today::Today;
use super::today::Withdrawn;

/// A kind of grant: a key below `grants`, which can hold any number of grants.
pub(crate) trait Grant: Sized {
    /// The key below `grants`.
    const KEY: &'static str;

    /// Takes the value of [`Grant::KEY`] out of `grants` and reports everything that is wrong with
    /// it. Called once for each job that has `grants`, whether or not the key is present.
    fn read(fields: &mut Fields<'_>) -> Vec<Self>;

    /// Returns the value of the key in a build config. Returns `None` to leave the key out. Kinds
    /// of grants that older builds do not know do so if they are unused. The result for the same
    /// grants must never change, because stored configs are compared as bytes.
    fn pack(grants: &[Self]) -> Option<Value>;

    /// Reads what [`Grant::pack`] returned. Another program may have written it, so invalid parts
    /// are left out.
    fn unpack(packed: &Value) -> Vec<Self>;

    /// Returns the JSON schema of the key's value, with its description, for editors.
    fn schema() -> serde_json::Value;

    /// Checks whether a repeated build that was `granted` these may have all of them again, as far
    /// as its manifest decides that.
    ///
    /// # Errors
    ///
    /// Returns the first grant that the build may not have again.
    fn still_granted(granted: &[Self], repeated: &Repeated<'_>, today: &Today<'_, [Self]>) -> Result<(), Withdrawn>;
}

/// Defines `Grants` from a list that gives the field name and the type of each kind of grant.
macro_rules! grants {
    ($($(#[$doc:meta])* $name:ident: $grant:ident,)*) => {
        /// What a job file lets its plugin access.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Grants {
            $($(#[$doc])* pub $name: Vec<$grant>,)*
            /// The place of `grants`, if the manifest has it.
            pub span: Option<$crate::diagnostic::Span>,
        }

        impl Grants {
            const KEYS: &[&str] = &[$(<$grant as grant::Grant>::KEY),*];

            /// Reads the mapping below `grants`, whose place is `span`.
            pub(crate) fn read(
                mut fields: $crate::yaml::fields::Fields<'_>,
                span: $crate::diagnostic::Span,
            ) -> Self {
                let grants = Self { $($name: grant::Grant::read(&mut fields),)* span: Some(span) };
                fields.finish(Self::KEYS, &[]);
                grants
            }

            /// Packs the grants for a build config.
            pub(crate) fn pack(&self) -> $crate::value::Value {
                let packed = [$((<$grant as grant::Grant>::KEY, grant::Grant::pack(&self.$name)),)*];
                let packed = packed.into_iter().filter_map(|(key, packed)| Some((key, packed?)));
                $crate::value::Value::map(packed)
            }

            /// Reads the grants of a build config.
            pub(crate) fn unpack(packed: &$crate::value::Value) -> Self {
                let of = |key: &str| packed.get(key).unwrap_or(&$crate::value::Value::Null);
                Self { $($name: grant::Grant::unpack(of(<$grant as grant::Grant>::KEY)),)* span: None }
            }

            /// Returns the JSON schema of `grants`, for editors.
            pub(crate) fn schema() -> serde_json::Value {
                let keys = [$((<$grant as grant::Grant>::KEY.to_owned(), <$grant as grant::Grant>::schema())),*];
                $crate::schema::parts::object(serde_json::Map::from_iter(keys), &[])
            }

            /// Checks whether a repeated build that was granted these may have them again, as far
            /// as its manifest decides that. A grant that was removed from the manifest is not
            /// given again.
            ///
            /// # Errors
            ///
            /// Returns the first grant that the build may not have again.
            pub fn still_granted(
                &self,
                repeated: &Repeated<'_>,
                today: &Today<'_, Self>,
            ) -> Result<(), Withdrawn> {
                $(grant::Grant::still_granted(&self.$name, repeated, &today.map(|now| now.$name.as_slice()))?;)*
                Ok(())
            }
        }
    };
}

pub(crate) use grants;
