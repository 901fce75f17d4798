//! Servers on which no run can be made, real ones: a replica and a pooler.

use super::Program;
use crate::harness::{Charge, Ledger, Listing, PATIENCE, Standby};
use payment_monitor::postgres::{HOST, Options, PrivateServer, SUPERUSER};
use payment_monitor::store::{Database, schema};
use secrecy::SecretString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

async fn run_on(url: &str) -> super::Output {
    let program = Program::new().with("DATABASE_URL", url);
    let path = Listing::of([Charge::new("ch_1", 1)]).write(program.folder.path());
    program.run_statement(&path, &["--max-changes", "none"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_replica_is_refused_until_it_is_promoted() {
    let server = PrivateServer::start(Options::default()).await.unwrap();
    let url = server.url(SUPERUSER, "postgres");
    let database = Database::new(&SecretString::from(url.clone())).unwrap();
    let mut connection = database.connect().await.unwrap();
    schema::migrate(&mut connection, &database).await.unwrap();
    let standby = Standby::of(&server).await;
    let output = run_on(&standby.url(&server, SUPERUSER, "postgres")).await;
    assert_eq!(output.code, 3);
    assert!(output.stderr.contains("is a read replica"), "{}", output.stderr);
    standby.promote().await;
    server.stop_immediate().await.unwrap();
    let output = run_on(&standby.url(&server, SUPERUSER, "postgres")).await;
    assert_eq!(output.code, 0, "promoted, it is refused no more: {}", output.all());
}

/// A pooler in front of a ledger, which ends with its owner.
pub(super) struct Pooler {
    pub url: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Pooler {
    pub async fn start(ledger: &Ledger, mode: &str) -> Self {
        let server = ledger.server();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users.txt");
        std::fs::write(&users, "\"job\" \"x\"\n").unwrap();
        let settings = format!(
            "[databases]\nledger = host=127.0.0.1 port={} dbname={} user=job password={}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\n\
             auth_type = plain\nauth_file = {}\npool_mode = {mode}\n\
             ignore_startup_parameters = extra_float_digits,options\n",
            server.port(),
            ledger.name(),
            server.password(),
            free.port(),
            users.display(),
        );
        let path = folder.path().join("pgbouncer.ini");
        std::fs::write(&path, settings).unwrap();
        readable(folder.path());
        let mut command = Command::new("pgbouncer");
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        let command = command.arg("-q").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("apt-get install pgbouncer");
        let url = format!("postgres://job:x@{free}/ledger?sslmode=disable");
        let pooler = Self { url, process, _folder: folder };
        until_it_listens(free).await;
        pooler
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pgbouncer"]
async fn a_pooler_in_transaction_mode_is_refused_and_one_in_session_mode_is_not() {
    for (mode, code) in [("transaction", 3), ("session", 0)] {
        let ledger = Ledger::with_users(1).await;
        let pooler = Pooler::start(&ledger, mode).await;
        let output = run_on(&pooler.url).await;
        assert_eq!(output.code, code, "{mode}: {}", output.all());
        let migrate = Program::new().with("DATABASE_URL", &pooler.url).run(&["migrate"]).await;
        assert_eq!(migrate.code, 3, "{mode}: {}", migrate.all());
        if mode == "transaction" {
            for stderr in [output.stderr, migrate.stderr] {
                assert!(stderr.contains("pooler in transaction mode"), "{stderr}");
            }
        } else {
            assert!(migrate.stderr.contains("log in as the owner"), "{}", migrate.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_a_line_in_pg_hba_conf_is_not_told_that_its_password_is_wrong() {
    let ledger = Ledger::on_its_own_server().await;
    let wrong = ledger.url().replace(ledger.server().password(), "wrong");
    let output = run_on(&wrong).await;
    assert_eq!(output.code, 3, "{}", output.all());
    assert!(output.stderr.contains("check the user's name and password"), "{}", output.stderr);

    let rules = format!("host all {SUPERUSER} {HOST}/32 scram-sha-256\n");
    std::fs::write(ledger.server().data_dir().join("pg_hba.conf"), rules).unwrap();
    ledger.server().restart().await.unwrap();
    let output = run_on(&ledger.url()).await;
    assert_eq!(output.code, 3, "{}", output.all());
    for told in ["does not let user job in: no pg_hba.conf entry for host", "another sslmode"] {
        assert!(output.stderr.contains(told), "{}", output.stderr);
    }
    assert!(!output.stderr.contains("check the user's name"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_migrate_is_told_who_may() {
    let mut ledger = Ledger::empty().await;
    let password = ledger.server().password().to_owned();
    ledger.sql(&format!("CREATE ROLE stranger LOGIN CREATEROLE PASSWORD '{password}'")).await;
    ledger.sql("CREATE DATABASE of_somebody_else").await;
    for (user, database) in [("stranger", "of_somebody_else"), ("job", ledger.name())] {
        let url = ledger.server().url(user, database);
        let output = Program::new().with("DATABASE_URL", &url).run(&["migrate"]).await;
        assert_eq!(output.code, 3, "{}", output.all());
        let told =
            format!("as {user}: permission denied for schema public (SQLSTATE 42501); log in");
        assert!(output.stderr.contains(&told), "{}", output.stderr);
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

fn readable(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn until_it_listens(address: std::net::SocketAddr) {
    let listening = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, listening).await.expect("nothing listens");
}
