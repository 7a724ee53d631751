//! The rules of `squawk-linter` that are about safety.

use squawk_linter::{Linter, Rule};
use squawk_syntax::SourceFile;

use super::{Finding, own};
use crate::file::Migration;

/// Not among them: taste; what the engine sees to (timeouts, transactions); and what squawk says of every `SET NOT NULL`,
/// where our own rule looks for the check that makes it safe.
const RULES: [Rule; 25] = [
    Rule::RequireConcurrentIndexCreation,
    Rule::RequireConcurrentIndexDeletion,
    Rule::RequireConcurrentPartitionDetach,
    Rule::RequireConcurrentReindex,
    Rule::ConstraintMissingNotValid,
    Rule::AddingForeignKeyConstraint,
    Rule::AddingFieldWithDefault,
    Rule::AddingRequiredField,
    Rule::AddingSerialPrimaryKeyField,
    Rule::ChangingColumnType,
    Rule::DisallowedUniqueConstraint,
    Rule::RenamingColumn,
    Rule::RenamingTable,
    Rule::RenamingObject,
    Rule::BanDropColumn,
    Rule::BanDropTable,
    Rule::BanDropView,
    Rule::BanDropFunction,
    Rule::BanDropType,
    Rule::BanDropSchema,
    Rule::BanDropSequence,
    Rule::BanSetSchema,
    Rule::BanTruncateCascade,
    Rule::BanAlterDomainWithAddConstraint,
    Rule::IdentifierTooLong,
];

pub(super) fn lint(migration: &Migration) -> Vec<Finding> {
    let mut linter = Linter::from(RULES);
    linter.settings.assume_in_transaction = migration.header.transaction;
    let parsed = SourceFile::parse(&migration.text);
    let found = linter.lint(&parsed, &migration.text);
    let new = own::created(migration);
    let findings = found.into_iter().map(|violation| {
        let at = usize::from(violation.text_range.start());
        let before = migration.text.get(..at).unwrap_or_default();
        Finding {
            file: migration.to_string(),
            line: 1 + before.matches('\n').count(),
            rule: violation.code.to_string(),
            message: violation.message,
            help: violation.help,
        }
    });
    // What this file made itself nobody uses yet.
    findings
        .filter(|finding| !own::is_about(migration, finding.line, &new))
        .collect()
}
