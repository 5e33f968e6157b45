//! The plugin's side of `sdk/wit/plugin.wit`, as generated bindings.

wit_bindgen::generate!({ path: "../wit", world: "jobcontrol:plugin/host-and-network" });
