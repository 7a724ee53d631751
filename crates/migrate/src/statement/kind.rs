//! What a statement is to a runner that may be killed: most run in a transaction, which leaves all or nothing behind; a few
//! can't, and each of those needs a rule for what an interrupted one leaves behind.

use super::words::{Words, folded};

/// How a statement is run, and what to look for when it was interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Runs in a transaction.
    Transactional,
    /// `CREATE INDEX CONCURRENTLY`: leaves an index, whole or invalid, or none.
    CreateIndex {
        /// The index's name, as the server keeps it.
        name: String,
        /// The table, as it is written.
        table: String,
        /// Whether it may be there already.
        if_not_exists: bool,
    },
    /// `DROP INDEX CONCURRENTLY`: leaves it, whole or invalid, or nothing.
    DropIndex {
        /// The index, as it is written.
        index: String,
    },
    /// `REINDEX … CONCURRENTLY` of an index or a table: leaves invalid copies.
    Reindex {
        /// The index or table, as it is written.
        relation: String,
    },
    /// `DETACH PARTITION … CONCURRENTLY`: leaves it attached, half detached, or detached.
    DetachPartition {
        /// The partitioned table, as it is written.
        parent: String,
        /// The partition, as it is written.
        partition: String,
    },
    /// Runs outside a transaction and does no harm when it is done again.
    Repeatable,
    /// Can't be brought to a right end by itself.
    Refused(&'static str),
}

impl Kind {
    pub(crate) fn of(sql: &str) -> Self {
        Words::of(sql).kind().unwrap_or(Self::Transactional)
    }
}

impl Words<'_> {
    fn kind(&mut self) -> Option<Kind> {
        let first = self.next()?.to_ascii_lowercase();
        match first.as_str() {
            "create" => self.create(),
            "drop" if self.eat("index") => self.drop_index(),
            "drop" => self.cluster_wide(),
            "reindex" => self.reindex(),
            "alter" if self.eat("table") => self.detach(),
            "alter" => self.eat("system").then_some(Kind::Repeatable),
            "vacuum" => Some(Kind::Repeatable),
            _ => None,
        }
    }

    fn create(&mut self) -> Option<Kind> {
        self.eat("unique");
        if !self.eat("index") {
            return self.cluster_wide();
        }
        if !self.eat("concurrently") {
            return None;
        }
        let if_not_exists = self.eat_all(&["if", "not", "exists"]);
        if self.eat("on") {
            return Some(Kind::Refused(
                "an index that is built concurrently needs a name here, to be found again after a crash",
            ));
        }
        let name = folded(self.next()?);
        self.eat("on");
        self.eat("only");
        let table = self.name()?;
        Some(Kind::CreateIndex {
            name,
            table,
            if_not_exists,
        })
    }

    fn drop_index(&mut self) -> Option<Kind> {
        if !self.eat("concurrently") {
            return None;
        }
        self.eat_all(&["if", "exists"]);
        self.name().map(|index| Kind::DropIndex { index })
    }

    fn reindex(&mut self) -> Option<Kind> {
        let mut concurrently = false;
        if self.eat("(") {
            loop {
                let option = self.next()?;
                if option == ")" {
                    break;
                }
                concurrently |= option.eq_ignore_ascii_case("concurrently");
            }
        }
        let of = self.next()?.to_ascii_lowercase();
        concurrently |= self.eat("concurrently");
        match of.as_str() {
            "index" | "table" if concurrently => {
                self.name().map(|relation| Kind::Reindex { relation })
            }
            "index" | "table" => None,
            _ => Some(Kind::Repeatable),
        }
    }

    fn detach(&mut self) -> Option<Kind> {
        self.eat_all(&["if", "exists"]);
        self.eat("only");
        let parent = self.name()?;
        if !(self.eat_all(&["detach", "partition"])) {
            return None;
        }
        let partition = self.name()?;
        self.eat("concurrently")
            .then_some(Kind::DetachPartition { parent, partition })
    }

    /// What is not the database's own.
    fn cluster_wide(&mut self) -> Option<Kind> {
        let refused = self.eat("database") || self.eat("tablespace") || self.eat("subscription");
        refused.then_some(Kind::Refused(
            "it is not undone with the database's own changes: make it outside the migrations",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    fn create(name: &str, table: &str, if_not_exists: bool) -> Kind {
        Kind::CreateIndex {
            name: name.into(),
            table: table.into(),
            if_not_exists,
        }
    }

    #[test]
    fn indexes_are_known_by_name_and_table() {
        for (sql, kind) in [
            (
                "CREATE INDEX CONCURRENTLY a_b ON a (b)",
                create("a_b", "a", false),
            ),
            (
                "create unique index concurrently if not exists A_B on only public.\"A\" (b)",
                create("a_b", "public.\"A\"", true),
            ),
            (
                "CREATE INDEX -- at night\n CONCURRENTLY \"A \"\"b\" ON a USING gin (b)",
                create("A \"b", "a", false),
            ),
            (
                "DROP INDEX CONCURRENTLY IF EXISTS public.a_b",
                Kind::DropIndex {
                    index: "public.a_b".into(),
                },
            ),
            (
                "REINDEX (VERBOSE) TABLE CONCURRENTLY a",
                Kind::Reindex {
                    relation: "a".into(),
                },
            ),
            (
                "REINDEX (CONCURRENTLY, VERBOSE) INDEX s.a",
                Kind::Reindex {
                    relation: "s.a".into(),
                },
            ),
            (
                "ALTER TABLE a DETACH PARTITION a_1 CONCURRENTLY",
                Kind::DetachPartition {
                    parent: "a".into(),
                    partition: "a_1".into(),
                },
            ),
        ] {
            assert_eq!(Kind::of(sql), kind, "{sql}");
        }
    }

    #[test]
    fn most_run_in_a_transaction() {
        for sql in [
            "CREATE INDEX a_b ON a (b)",
            "CREATE INDEX ON a (b)",
            "DROP INDEX a_b",
            "REINDEX TABLE a",
            "ALTER TABLE a DETACH PARTITION a_1",
            "ALTER TABLE concurrently ADD COLUMN b int",
            "CREATE TABLE vacuum (a int)",
            "SELECT 'CREATE INDEX CONCURRENTLY a ON b'",
            "",
        ] {
            assert_eq!(Kind::of(sql), Kind::Transactional, "{sql}");
        }
    }

    #[test]
    fn some_are_done_again_and_some_refused() {
        for sql in [
            "VACUUM ANALYZE a",
            "ALTER SYSTEM SET a = b",
            "REINDEX SCHEMA s",
        ] {
            assert_eq!(Kind::of(sql), Kind::Repeatable, "{sql}");
        }
        for sql in [
            "CREATE INDEX CONCURRENTLY ON a (b)",
            "CREATE DATABASE a",
            "DROP SUBSCRIPTION a",
        ] {
            assert!(matches!(Kind::of(sql), Kind::Refused(_)), "{sql}");
        }
    }
}
