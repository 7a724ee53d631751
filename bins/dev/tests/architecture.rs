//! Who may know whom, enforced on what cargo says of this workspace.

mod architecture {
    mod face;
    mod graph;
    mod licences;
    mod rules;
    mod workspace;
}
