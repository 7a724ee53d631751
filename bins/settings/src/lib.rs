//! The settings all binaries share: environment variables, flags, and their documentation.
