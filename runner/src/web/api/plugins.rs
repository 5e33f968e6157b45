//! Plugins: their exports and imports.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::extract::Path;
use super::super::problem::ProblemJson;
use super::super::reply::Answer;
use super::super::reply::json;
use super::super::state::Web;
use crate::catalog::at_hand::at_hand;
use crate::request::inspection::Inspection;
use crate::request::inspection::brief;
use crate::request::inspection::named;
use crate::request::refusal::Refusal;
use crate::show::pages::PluginsJson;
use crate::show::plugins::PluginJson;

pub(super) fn routes() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one))
}

/// List the available plugins, with the jobs that call each of them.
#[utoipa::path(get, path = "/plugins", tag = "plugins", operation_id = "listPlugins", responses((status = 200, body = PluginsJson)))]
async fn list(State(web): State<Web>) -> Answer {
    web.look(|look| {
        let (plugins, problems) = at_hand(look.workspace);
        json(&PluginsJson {
            plugins: plugins.iter().map(|found| brief(&look.current.catalog.graph, found)).collect(),
            problems: problems.iter().map(|problem| problem.message.as_str()).collect(),
        })
    })
    .await
}

/// Show what a plugin exports and imports, and which grants it would need.
#[utoipa::path(
    get, path = "/plugins/{name}", tag = "plugins", operation_id = "showPlugin",
    params(("name" = String, Path, description = "The plugin's name, as a manifest in the jobs folder writes it")),
    responses((status = 200, body = PluginJson), (status = 404, body = ProblemJson)),
)]
async fn one(State(web): State<Web>, Path(name): Path<String>) -> Answer {
    web.look(move |look| {
        let workspace = look.workspace;
        let (plugins, _) = at_hand(workspace);
        let found = named(&plugins, &name)?;
        let wit = workspace.reader.wit_text(&found.plugin).map_err(Refusal::failed)?;
        json(&Inspection::new(workspace, &found.plugin, &wit).shape())
    })
    .await
}
