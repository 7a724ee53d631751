//! The names of this crate's metrics, in one place, so that what is counted and what is described
//! cannot drift apart.

/// Changes of a component's status, by `component` and the new `status`.
pub(crate) const STATE_CHANGES: &str = "prepnexus_component_state_changes_total";
/// Tracked errors, by `code`.
pub(crate) const ERRORS: &str = "prepnexus_errors_total";

/// Tells the installed recorder what this crate's metrics mean. Call it once, after installing one.
pub fn describe_metrics() {
    metrics::describe_counter!(
        STATE_CHANGES,
        "Changes of a component's status, by component and the status it changed to"
    );
    metrics::describe_counter!(ERRORS, "Errors tracked, by code");
}
