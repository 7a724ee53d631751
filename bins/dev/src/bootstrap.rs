//! The roles and the database, made by the very script that a production server gets.

use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result};
use prepnexus_devstack::PgNode;

use crate::env_file::EnvFile;

/// The script, as of this build.
const SCRIPT: &str = include_str!("../../../deploy/postgres/bootstrap.sql");

/// Makes what is missing, with the passwords in `env`, which is given them first if it has none.
pub(crate) fn bootstrap(primary: &PgNode, env: &mut EnvFile) -> Result<()> {
    let database = env.get_or_set("DB_NAME", || Ok("prepnexus".to_owned()))?;
    let user = env.get_or_set("DB_USER", || Ok("prepnexus".to_owned()))?;
    let password = env.get_or_set("DB_PASSWORD", random_password)?;
    let owner = env.get_or_set("DB_OWNER", || Ok("prepnexus_owner".to_owned()))?;
    let owner_password = env.get_or_set("DB_OWNER_PASSWORD", random_password)?;
    let variables = [
        ("database", &database),
        ("api_user", &user),
        ("api_password", &password),
        ("owner", &owner),
        ("owner_password", &owner_password),
    ];
    // Through standard input: everybody on the machine can read a program's arguments.
    let mut input: String = variables.map(|(name, value)| set(name, value)).concat();
    let exists = format!("{input}SELECT count(*) FROM pg_database WHERE datname = :'database';\n");
    let exists = primary
        .psql(&exists)
        .context("can't ask the primary for its databases")?;
    if exists == "0" {
        // A key of a database that is gone opens nothing.
        env.remove("PREPNEXUS_ADMIN_KEY");
    }
    input.push_str(SCRIPT);
    primary
        .psql(&input)
        .context("can't make the roles and the database")?;
    Ok(())
}

/// psql's own variable; its quoting is that of SQL with a backslash that escapes.
fn set(name: &str, value: &str) -> String {
    let quoted = value.replace('\\', r"\\").replace('\'', "''");
    format!("\\set {name} '{quoted}'\n")
}

/// 160 bits from the kernel, in hexadecimal: nothing that a shell or a URL would read otherwise.
fn random_password() -> Result<String> {
    let mut bytes = [0_u8; 20];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.context("can't read /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
