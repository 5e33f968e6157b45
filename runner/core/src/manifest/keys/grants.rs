//! `grants`: what a job lets its plugin access.

use crate::grants::Grants;
use crate::schema::parts::described;
use crate::yaml::fields::Fields;

use super::job_key::Draft;
use super::job_key::JobKey;

pub(super) const GRANTS: JobKey = JobKey {
    name: "grants",
    decisive: true,
    packed_at: 13,
    read,
    pack: |job| Some(job.grants.pack()),
    unpack: |packed, job| job.grants = Grants::unpack(packed),
    schema: |_| described("What the plugin may access. Nothing is granted by default.", Grants::schema()),
};

fn read(draft: &mut Draft<'_>, fields: &mut Fields<'_>) {
    let Some((key, node)) = fields.take(GRANTS.name) else {
        return;
    };
    draft.job.grants = match Fields::new(fields.source, fields.problems, node, "`grants`") {
        Some(inner) => Grants::read(inner, key.span),
        None => Grants { span: Some(key.span), ..Grants::default() },
    };
}
