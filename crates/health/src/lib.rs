//! Circuit breakers, probes, component states and tracked errors. Knows no database.
