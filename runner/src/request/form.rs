//! What a person fills in to run a job: the parameters of its function, with the values from its
//! manifest.

use std::collections::BTreeMap;

use jobcontrol_core::check::CheckedJob;
use jobcontrol_core::config;
use jobcontrol_core::schema;
use jobcontrol_core::types::Type;
use jobcontrol_core::types::same_name;
use jobcontrol_core::value::Json;
use jobcontrol_core::value::Value;

use crate::show::form::FormJson;
use crate::show::form::FormParamJson;

/// What a person fills in to run a job.
pub(crate) struct Form<'a> {
    checked: &'a CheckedJob,
    config: Value,
}

impl<'a> Form<'a> {
    /// Returns the form of a job.
    pub(crate) fn of(checked: &'a CheckedJob) -> Self {
        Self { checked, config: checked.job.to_config() }
    }

    /// Returns the form of a job, filled in with the arguments of one of its builds.
    pub(crate) fn of_build(checked: &'a CheckedJob, config: &Value) -> Self {
        Self { checked, config: config.clone() }
    }

    /// Returns the value of each parameter as JSON, with `{"!retval": JOB}` and `{"!secret": NAME}`
    /// for values that are filled in later.
    pub(crate) fn values(&self) -> BTreeMap<String, serde_json::Value> {
        let params = self.checked.signature.params.iter().enumerate();
        let value = |(at, (name, _)): (usize, &(String, Type))| {
            Some((name.clone(), serde_json::to_value(Json(self.given(at, name)?)).ok()?))
        };
        params.filter_map(value).collect()
    }

    /// Returns the value of a parameter, given by hand, by name or by position. References and
    /// secrets are not filled in.
    fn given(&self, at: usize, name: &str) -> Option<&Value> {
        let given = config::shown_arguments(&self.config).filter_map(|(_, part)| match part {
            Value::Map(entries) => entries.iter().find(|(key, _)| same_name(key, name)).map(|(_, value)| value),
            Value::List(items) => items.get(at),
            _ => None,
        });
        // Values by position come first, values given by hand last.
        given.last()
    }

    /// Returns the shape of the form.
    pub(crate) fn shape(&self) -> FormJson<'_> {
        let (job, signature) = (&self.checked.job, &self.checked.signature);
        let params = signature.params.iter().enumerate().map(|(at, (name, ty))| FormParamJson {
            name,
            r#type: ty.to_string(),
            required: !matches!(ty, Type::Option(_)),
            value: self.given(at, name).map(Json),
        });
        FormJson {
            job_id: &job.id,
            function: job.function.to_string(),
            signature: signature.to_string(),
            docs: signature.docs.as_deref(),
            protected: job.protected,
            // A command has no parameters: its command line is one list of strings.
            parameters: if signature.command { Vec::new() } else { params.collect() },
            schema: schema::form(signature),
        }
    }
}
