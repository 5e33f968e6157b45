//! The host's side of `sdk/wit/plugin.wit`, generated.

wasmtime::component::bindgen!({
    path: "../../sdk/wit",
    world: "host",
    imports: {
        "jobcontrol:plugin/log.write": async | trappable,
        "jobcontrol:plugin/progress.report": async | trappable,
        default: trappable,
    },
});
