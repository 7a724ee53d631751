//! Private PostgreSQL and Redis servers, with faults on demand, for development and tests.
