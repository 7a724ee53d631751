//! HTTP: routes, problem documents, authentication, limits, documentation.
