//! The host's side of `sdk/wit/plugin.wit`, generated.

wit_bindgen::generate!({ path: "../wit", world: "jobcontrol:plugin/host-and-network" });
