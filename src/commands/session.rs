//! What every command starts with: settings, a runtime, logs and telemetry, and the signals.

use super::printer;
use crate::cli::{Cli, Command};
use crate::config::{ErasedFlags, Settings};
use crate::run::{Environment, Progress, Signal, Stop};
use crate::store::Database;
use crate::telemetry::Telemetry;
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::RefCell;
use std::future::Future;
use std::io::Write as _;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// What the version says of a run's program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

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
        let telemetry = Telemetry::from_environment().unwrap_or_else(|why| {
            printer::note(&format!("warning: {why}"));
            Telemetry::default()
        });
        subscribe(&telemetry);
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
        Ok(Database::new(self.settings.database_url()?)?)
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
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            version: VERSION,
            stop: listen()?,
            progress,
            concurrency: self.settings.concurrency(),
            retry_for: self.settings.retry_for(),
        };
        Ok((environment, watched))
    }

    /// Delivers the telemetry that is left, and tells what became of it.
    pub fn deliver(&self) -> Option<crate::domain::run::SpanAccount> {
        tokio::task::block_in_place(|| self.telemetry.take().shutdown())
    }
}

fn flags(cli: &Cli) -> Vec<&dyn ErasedFlags> {
    let mut flags: Vec<&dyn ErasedFlags> = vec![&cli.connection];
    match &cli.command {
        Command::Run(args) => {
            flags.extend([&args.statement as &dyn ErasedFlags, &args.guard, &args.work]);
        }
        Command::Approve(args) | Command::Reject(args) => flags.push(&args.flags),
        _ => {}
    }
    flags
}

/// Each layer has a filter of its own: `RUST_LOG=warn` must not delete the trace.
fn subscribe(telemetry: &Telemetry) {
    let console = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // It quotes the values of parameters that it does not know, a misspelt password's too.
    let quoting = "sqlx_postgres::options::parse=off".parse().expect("a directive");
    let console = console.add_directive(quoting);
    let console =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(console);
    let spans = telemetry.tracer().map(|tracer| {
        tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_tracer(tracer)
            .with_filter(Targets::new().with_target("payment_monitor", LevelFilter::INFO))
    });
    let _ = tracing_subscriber::registry().with(spans).with(console).try_init();
}

fn listen() -> anyhow::Result<Stop> {
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
