//! `demo`: a made-up company, its provider's statement, a run, and what can be seen of it.

use super::printer::{self, Printer};
use super::render;
use super::render::figures::counted;
use super::session::{Session, with_progress};
use crate::cli::DemoArgs;
use crate::demo::{self, Demo, REFUSED_BY};
use crate::domain::{Assessment, Per, Status};
use crate::exit;
use crate::postgres::{self, PrivateServer, SUPERUSER};
use crate::reconcile::{Limit, Pin};
use crate::run::{self, Environment, Report, Request};
use crate::statement;
use crate::store::{Database, DatabaseError, discrepancies, failures, findings, schema, seed};
use anyhow::Context as _;
use chrono::{TimeDelta, Utc};
use secrecy::SecretString;
use sqlx::PgConnection;
use std::path::Path;

const DATABASE: &str = "demo";
const WRITER: &str = "demo_writer";
const USERS_SHOWN: i64 = 5;
const FINDINGS_SHOWN: i64 = 20;

pub async fn demo(session: &Session, printer: Printer, args: &DemoArgs) -> anyhow::Result<u8> {
    let demo = demo::generate(args.seed, Utc::now());
    printer.heading("A made-up company");
    let options = postgres::Options { keep: args.keep, ..postgres::Options::default() };
    let server = PrivateServer::start(options).await?;
    make_ledger(&server, &demo).await?;
    let folder = tempfile::tempdir().context("making a folder for the statement")?;
    write_statement(folder.path(), &demo)?;
    printer::text(&introduction(&demo));

    printer.heading("A run: the provider's statement against the company's ledger");
    let database = writer(&server)?;
    let first = one_run(session, &database, folder.path()).await?;
    anyhow::ensure!(
        first.summary.status == Status::Succeeded,
        "the demo's run ended as {}: {}",
        first.summary.status,
        first.summary.error.unwrap_or_default()
    );
    let (width, palette) = (printer.width(), printer.palette());
    printer::text(&render::tree(&first.summary, &first.operations, width, palette));
    printer::text(&format!("\n{}", render::summary(&first.summary, width, palette)));

    printer.heading("Payment failures, as the ledger has them now");
    let mut connection = database.connect().await?;
    show_failures(&mut connection, printer).await?;

    printer.heading("Suspicious activity of the last week, found by the run");
    show_findings(&mut connection, printer, &first).await?;

    printer.heading("The same statement again: nothing is left to do");
    let second = one_run(session, &database, folder.path()).await?;
    printer::text(&again(&second, &mut connection).await?);
    printer.heading("How to look further");
    let url = server.url(WRITER, DATABASE);
    let kept = args.keep.then_some((url.as_str(), &server));
    printer::text(&farewell(kept, folder.path()));
    if args.keep {
        let _ = folder.keep();
    } else {
        server.stop().await?;
    }
    Ok(exit::DONE)
}

/// The ledger: a database, its schema, the company's rows and rule, and the job's login.
async fn make_ledger(server: &PrivateServer, demo: &Demo) -> anyhow::Result<()> {
    let failed = || DatabaseError::query("making the demo's ledger");
    let maintenance = Database::new(&SecretString::from(server.url(SUPERUSER, "postgres")))?;
    let mut connection = maintenance.connect().await?;
    seed::create_database(&mut connection, DATABASE).await.map_err(failed())?;
    let database = Database::new(&SecretString::from(server.url(SUPERUSER, DATABASE)))?;
    let mut connection = database.connect().await?;
    schema::migrate(&mut connection, &database).await?;
    seed::load(&mut connection, &demo.company).await.map_err(failed())?;
    seed::add_rule(&mut connection).await.map_err(failed())?;
    seed::create_writer(&mut connection, WRITER, server.password()).await.map_err(failed())?;
    Ok(())
}

/// The job never runs as the owner: the demo's doesn't either.
fn writer(server: &PrivateServer) -> anyhow::Result<Database> {
    Ok(Database::new(&SecretString::from(server.url(WRITER, DATABASE)))?)
}

fn write_statement(folder: &Path, demo: &Demo) -> anyhow::Result<()> {
    for file in &demo.statement.files {
        std::fs::write(folder.join(&file.name), &file.bytes).context("writing the statement")?;
    }
    Ok(())
}

async fn one_run(session: &Session, database: &Database, folder: &Path) -> anyhow::Result<Report> {
    let (environment, progress) = session.environment_for(database.clone())?;
    let environment = Environment { concurrency: 8, ..environment };
    let request = Request {
        statement: statement::Options { paths: vec![folder.to_owned()], ..Default::default() },
        pin: Pin::default(),
        since: None,
        until: None,
        settle: TimeDelta::minutes(5),
        clock_skew: TimeDelta::minutes(1),
        max_changes: Limit::Percent(20),
        max_deletes: Some(0),
    };
    Ok(with_progress(progress, run::run(&environment, request)).await?)
}

fn introduction(demo: &Demo) -> String {
    let company = &demo.company;
    let (users, payments) = (company.users.len() as u64, company.payments.len() as u64);
    let records = demo.statement.records() as u64;
    format!(
        "{}, {} and {} in a private\n\
         PostgreSQL. The provider's statement has {} and differs from the\n\
         ledger in every way the tool knows. A rule of the company's own\n\
         ({}: {})\n\
         will refuse one of its records.",
        counted(users, "user"),
        counted(payments, "payment"),
        counted(company.subscriptions.len() as u64, "subscription"),
        counted(records, "record"),
        REFUSED_BY.constraint,
        REFUSED_BY.rule,
    )
}

async fn show_failures(connection: &mut PgConnection, printer: Printer) -> anyhow::Result<()> {
    let reading = || DatabaseError::query("reading the payment failures");
    let all = failures::all_time(connection).await.map_err(reading())?;
    let all = all.context("the demo's ledger has no payments")?;
    let days = failures::steps(connection, all, Per::Day).await.map_err(reading())?;
    let (width, palette) = (printer.width(), printer.palette());
    printer::text(&render::chart::failures(&days, Per::Day, None, width, palette));
    let users = failures::users(connection, all, USERS_SHOWN).await.map_err(reading())?;
    let users = render::failures::users(&users, width);
    printer::text(&format!("\nThe users with most failures\n\n{users}"));
    Ok(())
}

async fn show_findings(
    connection: &mut PgConnection,
    printer: Printer,
    run: &Report,
) -> anyhow::Result<()> {
    let reading = DatabaseError::query("reading the findings");
    let filter = findings::Filter { limit: FINDINGS_SHOWN, ..findings::Filter::default() };
    let found = findings::list(connection, &filter).await.map_err(reading)?;
    let assessment = run.summary.assessment.as_ref();
    let since = assessment.map_or(run.summary.started_at, |assessment| assessment.since);
    let total = assessment.map_or(0, Assessment::news);
    let total = i64::try_from(total).unwrap_or(i64::MAX);
    let (width, palette) = (printer.width(), printer.palette());
    printer::text(&render::findings::list(&found, total, since, width, palette));
    Ok(())
}

async fn again(second: &Report, connection: &mut PgConnection) -> anyhow::Result<String> {
    let counting = DatabaseError::query("counting the open discrepancies");
    let open = discrepancies::count_open(connection).await.map_err(counting)?;
    let operations = second.summary.operations;
    Ok(format!(
        "{} planned, {} written. {} discrepancies stay open until\n\
         a person decides; what the database refused is among them, not tried again.",
        counted(operations.planned, "operation"),
        counted(operations.applied + operations.failed + operations.conflict, "result"),
        open,
    ))
}

fn farewell(kept: Option<(&str, &PrivateServer)>, folder: &Path) -> String {
    let Some((url, server)) = kept else {
        return [
            "payment-monitor demo --keep     leaves this database up, to be looked at",
            "payment-monitor show            tells one run's whole story",
            "payment-monitor discrepancies   lists what needs a person",
            "payment-monitor failures        tells which payments failed, by code and by user",
            "payment-monitor suspicious      lists what the rules found, and why",
            "payment-monitor approve RUN     performs what a run held or withheld",
            "payment-monitor simulate        keeps such a company alive on a database of yours",
            "README.md                       tells how to run it on a ledger of your own",
        ]
        .join("\n");
    };
    let stop = format!(
        "Stop it, as the owner of its data: {}/pg_ctl -D {} stop -m fast",
        server.bin_dir().display(),
        server.data_dir().display()
    );
    let folder = folder.display();
    [
        "The server stays up. In a shell:",
        "",
        &format!("export DATABASE_URL='{url}'"),
        "payment-monitor runs",
        "payment-monitor show",
        "payment-monitor discrepancies",
        "payment-monitor failures --by user",
        "payment-monitor suspicious",
        &format!("payment-monitor run --statement {folder}"),
        "psql \"$DATABASE_URL\" -c 'SELECT * FROM run_summary'",
        "",
        &stop,
    ]
    .join("\n")
}
