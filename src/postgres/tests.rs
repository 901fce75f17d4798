//! The private server as a whole, with a real one: what it promises to its users, above all
//! that it never outlives its owner.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use sqlx::{Connection, Executor, PgConnection, Row};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

async fn start() -> PrivateServer {
    PrivateServer::start(Options::default()).await.expect("a private server")
}

async fn connect(server: &PrivateServer) -> PgConnection {
    PgConnection::connect(&server.url(SUPERUSER, "postgres")).await.expect("a connection")
}

async fn ask(connection: &mut PgConnection, question: &'static str) -> String {
    connection.fetch_one(question).await.expect("an answer").get(0)
}

/// Awaits a condition that another process brings about.
fn await_that(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited too long for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn answers(port: u16) -> bool {
    TcpStream::connect((HOST, port)).is_ok()
}

fn assert_gone(port: u16, data_dir: &Path) {
    assert!(!answers(port), "something still answers on port {port}");
    assert!(!data_dir.exists(), "{} is still there", data_dir.display());
}

#[tokio::test]
async fn a_server_answers_with_the_settings_it_promises_and_leaves_nothing() {
    let settings = vec![("idle_session_timeout".to_owned(), "30s".to_owned())];
    let options = Options { settings, ..Options::default() };
    let server = PrivateServer::start(options).await.expect("a private server");
    let mut connection = connect(&server).await;
    for (question, answer) in [
        ("SHOW idle_session_timeout", "30s"),
        ("SHOW listen_addresses", HOST),
        ("SHOW server_encoding", "UTF8"),
        ("SHOW timezone", "UTC"),
        ("SHOW fsync", "off"),
        ("SHOW synchronous_commit", "on"),
        ("SELECT current_user::text", SUPERUSER),
    ] {
        assert_eq!(ask(&mut connection, question).await, answer, "{question}");
    }
    let (port, data_dir) = (server.port(), server.data_dir().to_owned());
    server.stop().await.expect("stopping");
    assert_gone(port, &data_dir);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_the_right_one_is_never_shown() {
    let server = start().await;
    let url = server.url(SUPERUSER, "postgres").replace(server.password(), "wrong");
    let error = PgConnection::connect(&url).await.expect_err("a refusal");
    let code = error.as_database_error().and_then(|error| error.code().map(String::from));
    assert_eq!(code.as_deref(), Some("28P01"));
    assert!(!format!("{server:?}").contains(server.password()));
}

#[tokio::test]
async fn committed_data_survives_an_immediate_stop_on_the_same_port() {
    let server = start().await;
    let port = server.port();
    let mut connection = connect(&server).await;
    connection.execute("CREATE TABLE kept AS SELECT 'here' AS word").await.expect("a table");
    server.stop_immediate().await.expect("stopping");
    assert!(!answers(port));
    assert!(connection.execute("SELECT 1").await.is_err(), "the session should be gone");

    server.start_again().await.expect("starting again");
    assert_eq!(ask(&mut connect(&server).await, "SELECT word FROM kept").await, "here");
    server.restart().await.expect("restarting");
    assert_eq!(ask(&mut connect(&server).await, "SELECT word FROM kept").await, "here");
    assert_eq!(server.port(), port);
}

#[tokio::test]
async fn a_kept_server_outlives_its_owner_until_it_is_stopped() {
    let parent = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let data_dir = parent.path().join("data");
    let options = Options { keep: true, data_dir: Some(data_dir.clone()), ..Options::default() };
    let server = PrivateServer::start(options).await.expect("a private server");
    let (account, bin_dir, port) = (server.account.clone(), server.bin_dir.clone(), server.port());
    drop(server);
    assert!(answers(port));
    // A watchdog whose owner ends at once is the quickest way to be rid of it.
    drop(Watchdog::start(&account, &bin_dir, &data_dir).expect("a watchdog"));
    assert!(!answers(port));
}

/// The process group, field 5 of `/proc/PID/stat`; the second, a name, may hold spaces.
#[cfg(target_os = "linux")]
fn process_group(process: &str) -> String {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a running process");
    let (_, after_name) = stat.rsplit_once(") ").expect("a name in parentheses");
    after_name.split(' ').nth(2).expect("a process group").to_owned()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_interrupt_from_the_terminal_reaches_neither_server_nor_watchdog() {
    let server = start().await;
    let pid_file = fs::read_to_string(server.data_dir().join("postmaster.pid")).unwrap();
    let postmaster = pid_file.lines().next().unwrap();
    let watchdog = server.watchdog.as_ref().unwrap().process().to_string();
    // A terminal sends SIGINT to the process group in its foreground, which is ours.
    assert_ne!(process_group(postmaster), process_group("self"));
    assert_ne!(process_group(&watchdog), process_group("self"));
}

#[tokio::test]
async fn a_folder_that_holds_something_is_never_used() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("precious"), "data").unwrap();
    let data_dir = Some(folder.path().to_owned());
    let outcome = PrivateServer::start(Options { data_dir, ..Options::default() }).await;
    assert!(matches!(outcome, Err(PostgresError::NotEmpty { .. })), "{outcome:?}");
    assert!(folder.path().join("precious").exists());
}

#[tokio::test]
async fn a_setting_that_the_server_refuses_is_quoted_and_nothing_is_left() {
    let parent = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let data_dir = parent.path().join("data");
    let options = Options {
        data_dir: Some(data_dir.clone()),
        settings: vec![("no_such_setting".to_owned(), "1".to_owned())],
        ..Options::default()
    };
    let error = PrivateServer::start(options).await.expect_err("a refusal").to_string();
    assert!(error.contains("no_such_setting"), "{error}");
    assert!(!data_dir.exists());
}

/// The test runs itself in another process, which becomes the owner of a server and then waits
/// to be killed (or, should the test die first, for the end of its input).
#[tokio::test]
async fn a_server_does_not_outlive_an_owner_who_is_killed() {
    const ROLE: &str = "PAYMENT_MONITOR_TEST_OWNS_A_SERVER";
    if env::var_os(ROLE).is_some() {
        let server = start().await;
        println!("\nserver {} {}", server.port(), server.data_dir().display());
        io::stdin().lines().for_each(drop);
        return;
    }
    let mut owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("postgres::tests::a_server_does_not_outlive_an_owner_who_is_killed")
        .env(ROLE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let told = lines.map(Result::unwrap).find(|line| line.starts_with("server ")).unwrap();
    let [_, port, data_dir] = told.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{told}") };
    let (port, data_dir) = (port.parse().unwrap(), Path::new(data_dir));
    assert!(answers(port) && data_dir.exists());

    owner.kill().unwrap(); // SIGKILL: no destructor runs
    owner.wait().unwrap();
    await_that("the server to stop and its folder to go", || !answers(port) && !data_dir.exists());
}
