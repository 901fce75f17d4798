//! What every command starts with: settings, a runtime, logs and telemetry, and the signals.

use super::printer;
use crate::cli::{Cli, Command};
use crate::config::{ErasedFlags, LogFormat, Settings};
use crate::domain::{Account, RunId};
use crate::run::{Environment, Progress, Signal, Stop};
use crate::store::Database;
use crate::telemetry::{self, Telemetry};
use crate::version::VERSION;
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::RefCell;
use std::future::Future;
use std::io::Write as _;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// What a command works with.
pub struct Session {
    pub settings: Settings,
    runtime: Runtime,
    telemetry: RefCell<Telemetry>,
}

impl Session {
    /// Reads the settings and starts logs and telemetry.
    ///
    /// # Errors
    /// Settings that can't be used.
    pub fn start(cli: &Cli) -> anyhow::Result<Self> {
        let settings = Settings::load(cli.config.as_deref(), &flags(cli))?;
        let telemetry = telemetry(&cli.command);
        subscribe(&telemetry, settings.log_format());
        let runtime = Runtime::new().context("starting the program's threads")?;
        Ok(Self { settings, runtime, telemetry: RefCell::new(telemetry) })
    }

    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The ledger's database.
    ///
    /// # Errors
    /// None is given, or its URL can't be read.
    pub fn database(&self) -> anyhow::Result<Database> {
        Ok(Database::new(&self.settings.database_url()?)?)
    }

    /// What a run is given, stopped by the first SIGINT or SIGTERM; the second ends the program.
    ///
    /// # Errors
    /// As [`Self::database`], or settings that are out of bounds.
    pub fn environment(&self) -> anyhow::Result<(Environment, watch::Receiver<Progress>)> {
        self.environment_for(self.database()?)
    }

    /// The same for a database that is not the settings' one.
    ///
    /// # Errors
    /// Settings that are out of bounds.
    pub fn environment_for(
        &self,
        database: Database,
    ) -> anyhow::Result<(Environment, watch::Receiver<Progress>)> {
        let (progress, watched) = watch::channel(Progress::default());
        let environment = Environment {
            database,
            host: host(),
            version: VERSION,
            stop: listen()?,
            progress,
            concurrency: self.settings.concurrency(),
            retry_for: self.settings.retry_for(),
            telemetry: self.telemetry.borrow().handle(),
        };
        Ok((environment, watched))
    }

    /// Which run telemetry has been told of, where there is telemetry.
    pub fn run(&self) -> Option<RunId> {
        self.telemetry.borrow().handle().run()
    }

    /// Delivers the telemetry that is left, and tells what became of it; once.
    pub async fn shutdown(&self) -> Option<Account> {
        let telemetry = self.telemetry.take();
        telemetry.shutdown(self.settings.telemetry_timeout()).await
    }
}

/// What does or retells a run is traced; what only reads the record is not.
fn telemetry(command: &Command) -> Telemetry {
    let is_traced = match command {
        Command::Run(args) => !args.dry_run,
        Command::Approve(_) | Command::Rescue | Command::Trace(_) | Command::Demo(_) => true,
        _ => false,
    };
    if !is_traced {
        return Telemetry::default();
    }
    let mut settings = telemetry::Settings::from_environment();
    if matches!(command, Command::Rescue | Command::Trace(_)) {
        settings.metrics = None; // they are of the last run, which this is not
    }
    for why in &settings.warnings {
        printer::note(&format!("warning: {why}"));
    }
    let host = host();
    let source = telemetry::Source { host: &host, version: VERSION };
    Telemetry::start(&settings, &source).unwrap_or_else(|why| {
        printer::note(&format!("warning: {why}"));
        Telemetry::default()
    })
}

fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

fn flags(cli: &Cli) -> Vec<&dyn ErasedFlags> {
    let mut flags: Vec<&dyn ErasedFlags> = vec![&cli.connection, &cli.telemetry];
    match &cli.command {
        Command::Run(args) => {
            flags.extend([&args.statement as &dyn ErasedFlags, &args.guard, &args.work]);
        }
        Command::Doctor(args) => flags.push(&args.statement),
        Command::Approve(args) | Command::Reject(args) => flags.push(&args.flags),
        _ => {}
    }
    flags
}

/// Each layer has a filter of its own: `RUST_LOG=warn` must not delete what is exported.
fn subscribe(telemetry: &Telemetry, format: LogFormat) {
    let logs = telemetry.logs_layer().map(|layer| {
        layer.with_filter(Targets::new().with_target("payment_monitor", LevelFilter::INFO))
    });
    let written = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let written = match format {
        LogFormat::Human => written.boxed(),
        LogFormat::Json => written.json().flatten_event(true).boxed(),
    };
    // A line reads well alone: it does not repeat the spans that it is in.
    let events = filter_fn(|metadata| !metadata.is_span());
    let written = written.with_filter(console(format).and(events));
    let layers = tracing_subscriber::registry().with(telemetry.spans_layer());
    let _ = layers.with(logs).with(written).try_init();
}

/// What is written to standard error. People are told by the summary how a run and each of its
/// operations ended; machines by a line each.
fn console(format: LogFormat) -> EnvFilter {
    let default = match format {
        LogFormat::Human => "warn,payment_monitor::run::observe=off",
        LogFormat::Json => "warn,payment_monitor=info",
    };
    let console = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // The one quotes the values of parameters that it does not know, a misspelt password's too; of
    // the other the account tells.
    ["sqlx_postgres::options::parse=off", "opentelemetry_sdk=off"]
        .into_iter()
        .fold(console, |console, off| console.add_directive(off.parse().expect("a directive")))
}

/// Listens for SIGINT and SIGTERM: the first asks to stop, the second ends the program.
///
/// # Errors
/// The system's.
pub fn listen() -> anyhow::Result<Stop> {
    use tokio::signal::unix::{SignalKind, signal};
    let (stopper, stop) = Stop::channel();
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                _ = interrupt.recv() => Signal::Interrupt,
                _ = terminate.recv() => Signal::Terminate,
            };
            if stopper.borrow().is_some() {
                std::process::exit(signal.exit_code().into());
            }
            stopper.send_replace(Some(signal));
            let _ = writeln!(
                anstream::stderr(),
                "stopping because of {signal}: what is in flight finishes, nothing new starts; \
                 a second signal exits at once"
            );
        }
    });
    Ok(stop)
}

/// Shows how far a run has come while it works, on standard error, and only to a terminal.
pub async fn with_progress<T>(
    mut watched: watch::Receiver<Progress>,
    work: impl Future<Output = T>,
) -> T {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let spinner = ProgressStyle::with_template("{spinner} {msg:<8} {human_pos}");
    let counted =
        ProgressStyle::with_template("{spinner} {msg:<8} [{bar:40}] {human_pos}/{human_len}");
    let (Ok(spinner), Ok(counted)) = (spinner, counted) else { return work.await };
    bar.enable_steady_tick(Duration::from_millis(100));
    let showing = async {
        while watched.changed().await.is_ok() {
            let progress = *watched.borrow_and_update();
            bar.set_style(if progress.total > 0 { counted.clone() } else { spinner.clone() });
            bar.set_message(progress.phase);
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending().await
    };
    let done = tokio::select! {
        done = work => done,
        never = showing => never,
    };
    bar.finish_and_clear();
    done
}
