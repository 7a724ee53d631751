//! The use cases: reading and writing content.
