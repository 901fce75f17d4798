//! A statement from opening to account: finds the files, reads each once, judges the whole.

use super::completeness::{Claim, judge};
use super::error::{Flow, Halt, StatementError};
use super::facts::{AsOfFrom, Facts, FileFacts, Listing};
use super::files::{self, Found};
use super::format::{self, Format};
use super::input::Input;
use super::intake::Intake;
use super::json::{self, StripeValues};
use super::manifest::{Covered, Manifest};
use super::mapped::{self, Reader};
use super::{Options, Record, stripe_csv};
use chrono::{DateTime, SubsecRound, Utc};
use std::ops::ControlFlow;

/// A statement whose files were found and whose manifest was read.
pub struct Statement {
    options: Options,
    files: Vec<Found>,
    manifest: Option<Manifest>,
    as_of: DateTime<Utc>,
    as_of_from: AsOfFrom,
}

impl Statement {
    /// Finds the files, and reads and checks the manifest and the mapping.
    ///
    /// # Errors
    /// A path that is no statement, a manifest that does not match, or a mapping without sense.
    pub fn open(options: Options) -> Result<Self, StatementError> {
        if let (Some(_), _) | (None, Format::Csv | Format::Ndjson) =
            (&options.mapping, options.format)
        {
            mapped::prepare(options.mapping.as_ref(), options.format)?;
        }
        let files::Listing { files, manifest } = files::find(&options.paths)?;
        let manifest = manifest.map(|path| Manifest::read(&path, &files)).transpose()?;
        let oldest = files.iter().filter_map(|file| file.identity.modified_at()).min();
        let stated = manifest.as_ref().and_then(|manifest| manifest.as_of);
        let (as_of, as_of_from) = match (options.as_of, stated) {
            (Some(given), _) => (given.trunc_subsecs(6), AsOfFrom::Flag),
            (None, Some(stated)) => (stated, AsOfFrom::Manifest),
            // A file system without times: nothing is known to be older than the epoch.
            (None, None) => (oldest.unwrap_or_default(), AsOfFrom::ModificationTime),
        };
        Ok(Self { options, files, manifest, as_of, as_of_from })
    }

    /// The moment that the statement describes: as given, else as the manifest says, else the
    /// oldest modification time of the files.
    pub fn as_of(&self) -> DateTime<Utc> {
        self.as_of
    }

    /// The size of its files on disk, compressed where they are.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.identity.bytes).sum()
    }

    /// Reads all files in natural order and hands every valid record to `each`. Where `each`
    /// breaks off, reading stops, and no listing is proven.
    ///
    /// # Errors
    /// The statement as a whole is wrong (see [`StatementError`]); records that were handed on
    /// before must then not be used.
    pub fn read(
        self,
        each: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<Facts, StatementError> {
        let mode = self.manifest.as_ref().and_then(|manifest| {
            manifest.livemode.map(|livemode| (livemode, format!("the manifest {}", manifest.name)))
        });
        let mut intake = Intake::new(each, self.options.strict, mode);
        let mut read = Vec::with_capacity(self.files.len());
        for (index, found) in self.files.iter().enumerate() {
            intake.begin_file(index, &found.name);
            match self.read_file(found, &mut intake) {
                Ok(facts) => read.push(facts),
                Err(Halt::Failed(error)) => return Err(error),
                Err(Halt::Stopped) => {
                    let why = "reading was stopped before the end".to_owned();
                    let stopped = Listing::Unproven { why };
                    return Ok(self.facts(read, intake, stopped.clone(), stopped));
                }
            }
        }
        if intake.totals.is_nothing() && self.manifest.is_none() {
            return Err(self.nothing_read(&intake));
        }
        let payments = self.judge(Covered::Payments, &intake);
        let subscriptions = self.judge(Covered::Subscriptions, &intake);
        Ok(self.facts(read, intake, payments, subscriptions))
    }

    fn read_file(&self, found: &Found, intake: &mut Intake<'_>) -> Result<FileFacts, Halt> {
        let mut input = Input::open(found)?;
        let looks_like = format::looks_like(input.ahead());
        if let Err(halt) = self.read_content(&mut input, found, intake) {
            // A file that changes under the reader looks broken; the change is the cause.
            input.fail_if_changed()?;
            return Err(halt);
        }
        let (bytes, sha256) = input.finish()?;
        if let Some((line, reason)) = intake.only_malformed() {
            let looks_like =
                format!("{looks_like}, and nothing in it can be read (line {line}: {reason})");
            return Err(
                StatementError::NotAStatement { path: found.path.clone(), looks_like }.into()
            );
        }
        let records = intake.file_records();
        let facts = FileFacts { name: found.name.clone(), bytes, sha256, records };
        if let Some(manifest) = &self.manifest {
            manifest.check(&facts)?;
        }
        Ok(facts)
    }

    fn read_content(&self, input: &mut Input, found: &Found, intake: &mut Intake<'_>) -> Flow {
        let path = &found.path;
        let reader = |format| -> Result<Reader, StatementError> {
            mapped::prepare(self.options.mapping.as_ref(), format)
        };
        match self.options.format.resolve(input.ahead(), self.options.mapping.is_some()) {
            Format::Stripe => {
                let values = StripeValues { user_id_key: &self.options.user_id_key };
                json::read(input, path, &values, intake)
            }
            Format::StripeCsv => stripe_csv::read(input, path, intake),
            format @ Format::Csv => mapped::read_csv(input, path, &reader(format)?, intake),
            format @ Format::Ndjson => json::read(input, path, &reader(format)?, intake),
            Format::Auto => {
                let looks_like = format::looks_like(input.ahead());
                Err(StatementError::NotAStatement { path: path.clone(), looks_like }.into())
            }
        }
    }

    fn judge(&self, kind: Covered, intake: &Intake<'_>) -> Listing {
        let totals = &intake.totals;
        let (evidence, noun) = match kind {
            Covered::Payments => (&totals.payment_evidence, "payments"),
            Covered::Subscriptions => (&totals.subscription_evidence, "subscriptions"),
        };
        let occurs = evidence.loose + evidence.paged > 0 || !evidence.pages.is_empty();
        let claim = self.manifest.as_ref().and_then(|manifest| {
            // Only a manifest that says so outright vouches for a part of a listing.
            let by_default = occurs && evidence.doubt.is_none();
            let covered =
                manifest.covers.as_ref().map_or(by_default, |kinds| kinds.contains(&kind));
            let (name, records) = (&manifest.name, manifest.records());
            let by = format!("manifest {name}: {records} records, SHA-256 verified");
            covered.then_some(Claim { by })
        });
        let names: Vec<String> = self.files.iter().map(|file| file.name.clone()).collect();
        judge(evidence, claim, totals.malformed, &names, noun)
    }

    /// Nothing was malformed, and nothing was of use.
    fn nothing_read(&self, intake: &Intake<'_>) -> StatementError {
        let ignored: Vec<String> = intake
            .totals
            .ignored
            .iter()
            .take(5)
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let looks_like = if ignored.is_empty() {
            "JSON without any object".to_owned()
        } else {
            format!("JSON with other objects only ({})", ignored.join(", "))
        };
        StatementError::NotAStatement { path: self.files[0].path.clone(), looks_like }
    }

    fn facts(
        self,
        files: Vec<FileFacts>,
        intake: Intake<'_>,
        payments_listing: Listing,
        subscriptions_listing: Listing,
    ) -> Facts {
        let livemode = intake.livemode();
        let unknown_fields = intake.names.count();
        let totals = intake.totals;
        let (account, window) =
            self.manifest.map_or((None, None), |manifest| (manifest.account, manifest.window));
        Facts {
            files,
            as_of: self.as_of,
            as_of_from: self.as_of_from,
            account,
            livemode,
            payments: totals.payments,
            subscriptions: totals.subscriptions,
            customers: totals.customers,
            ignored: totals.ignored,
            unknown_fields,
            malformed: totals.malformed,
            malformed_examples: totals.malformed_examples,
            payments_listing,
            subscriptions_listing,
            window,
            earliest_payment: totals.earliest_payment,
            earliest_subscription: totals.earliest_subscription,
        }
    }
}
