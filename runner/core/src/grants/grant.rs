//! What every grant has to say of itself, and the list that makes `Grants` of them.

use crate::value::Value;
use crate::yaml::fields::Fields;

use super::today::Repeated;
use super::today::Today;
use super::today::Withdrawn;

/// A kind of grant: a key below `grants`, under which a manifest writes any number of them.
pub(crate) trait Grant: Sized {
    /// The key below `grants`.
    const KEY: &'static str;

    /// Takes the value of [`Grant::KEY`] out of `grants`, and reports all that is wrong with it.
    /// Called once for each job that has `grants`, whether the key was written or not.
    fn read(fields: &mut Fields<'_>) -> Vec<Self>;

    /// The value of the key in a build config, or none where it is left out, as that of a grant
    /// that older builds do not know. Never changes for the same grants: stored configs are
    /// compared as bytes.
    fn pack(grants: &[Self]) -> Option<Value>;

    /// Reads what [`Grant::pack`] returned. Another program may have written it, so what makes no
    /// sense is left out.
    fn unpack(packed: &Value) -> Vec<Self>;

    /// The value of the key as editors are told of it, with its description.
    fn schema() -> serde_json::Value;

    /// Whether a build that was `granted` these may have all of them again, as far as its manifest
    /// decides that.
    ///
    /// # Errors
    ///
    /// The first one that is not granted any more.
    fn still_granted(granted: &[Self], repeated: &Repeated<'_>, today: &Today<'_, [Self]>) -> Result<(), Withdrawn>;
}

/// Makes `Grants` of a list: for each grant its key, which is the name of its field too, and its
/// type.
macro_rules! grants {
    ($($(#[$doc:meta])* $name:ident: $grant:ident,)*) => {
        /// What a job file lets its plugin touch.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Grants {
            $($(#[$doc])* pub $name: Vec<$grant>,)*
            /// Where `grants` stands, if it was given.
            pub span: Option<$crate::diagnostic::Span>,
        }

        impl Grants {
            const KEYS: &[&str] = &[$(<$grant as grant::Grant>::KEY),*];

            /// Reads the mapping below `grants`, which stands at `span`.
            pub(crate) fn read(
                mut fields: $crate::yaml::fields::Fields<'_>,
                span: $crate::diagnostic::Span,
            ) -> Self {
                let grants = Self { $($name: grant::Grant::read(&mut fields),)* span: Some(span) };
                fields.finish(Self::KEYS, &[]);
                grants
            }

            /// As a build config keeps them.
            pub(crate) fn pack(&self) -> $crate::value::Value {
                let packed = [$((<$grant as grant::Grant>::KEY, grant::Grant::pack(&self.$name)),)*];
                let packed = packed.into_iter().filter_map(|(key, packed)| Some((key, packed?)));
                $crate::value::Value::map(packed)
            }

            /// Reads what a build config keeps.
            pub(crate) fn unpack(packed: &$crate::value::Value) -> Self {
                let of = |key: &str| packed.get(key).unwrap_or(&$crate::value::Value::Null);
                Self { $($name: grant::Grant::unpack(of(<$grant as grant::Grant>::KEY)),)* span: None }
            }

            /// As editors are told of them.
            pub(crate) fn schema() -> serde_json::Value {
                let keys = [$((<$grant as grant::Grant>::KEY.to_owned(), <$grant as grant::Grant>::schema())),*];
                $crate::schema::parts::object(serde_json::Map::from_iter(keys), &[])
            }

            /// Whether a repeated build that was granted these may have them again, as far as its
            /// manifest decides that: whoever took a grant out of a manifest meant it to end.
            ///
            /// # Errors
            ///
            /// The first one that is not granted any more.
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
