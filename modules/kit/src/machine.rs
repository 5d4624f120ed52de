//! What this machine is called.

/// Its name in the network, e.g. `"adas-laptop"`; `"this-machine"` when it has none that can be read.
pub fn machine_name() -> String {
    let name = gethostname::gethostname();
    let name = name.to_string_lossy();
    if name.trim().is_empty() {
        return "this-machine".to_owned();
    }
    name.trim().to_owned()
}
