//! The host's side of `sdk/wit/plugin.wit`, as generated bindings.

wasmtime::component::bindgen!({
    path: "../../sdk/wit",
    world: "host-and-network",
    imports: {
        "jobcontrol:plugin/log.write": async | trappable,
        "jobcontrol:plugin/progress.report": async | trappable,
        "jobcontrol:plugin/http.send": async | trappable,
        "jobcontrol:plugin/http.[method]response.read": async | trappable,
        default: trappable,
    },
    with: { "jobcontrol:plugin/http.response": crate::http::Answer },
});
