//! The old system's file: each row is accounted for, whatever is in it and whatever happens meanwhile.

mod faults;
mod meaning;
mod old_file;
mod resolve;
mod whole;

use prepnexus_domain::SystemClock;
use prepnexus_migrate::{
    Error, Migrations, Migrator,
    import::{ImportOptions, ImportReport},
};
use prepnexus_testkit::TestDb;

use old_file::OldFile;

fn migrator(db: &TestDb) -> Migrator {
    Migrator::new(db.owner_config(), Migrations::built_in()).expect("usable settings")
}

async fn import(
    db: &TestDb,
    file: &OldFile,
    options: &ImportOptions,
) -> Result<ImportReport, Error> {
    let migrator = migrator(db);
    migrator
        .import_sqlite(&file.path(), options, &SystemClock, &mut |_| {})
        .await
}

/// With nothing rejected.
async fn imported(db: &TestDb, file: &OldFile) -> ImportReport {
    let report = import(db, file, &ImportOptions::default()).await;
    report.expect("it can be imported")
}

/// All that is in the tables that an import writes, with what says that a row was written.
async fn content(db: &TestDb) -> String {
    let tables = [
        "authors",
        "author_emails",
        "posts",
        "post_slugs",
        "post_tags",
        "post_views",
        "post_revisions",
        "tags",
        "change_events",
    ];
    let parts =
        tables.map(|table| format!("SELECT '{table}', xmin::text, t::text AS row FROM {table} t"));
    db.psql(&format!("{} ORDER BY 1, 3", parts.join(" UNION ALL ")))
        .await
}
