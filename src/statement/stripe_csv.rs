//! The payments export of Stripe's dashboard (Payments > Export, `unified_payments.csv`).
//! It leaves out payment intents that never became a charge: their rows are counted as ignored.
//!
//! Columns are the person's choice at export, so all but five may be absent. Stripe documents
//! the export without listing its columns; their names are from exports in public use: older
//! ones have "Created (UTC)" (header quoted in full by importers of the years to 2021, such as
//! the one in gratipay's accounting), newer ones "Created date (UTC)" and "Decline Reason" (the
//! dashboard's "Default (23)" columns).

use super::Record;
use super::cell::{Cell, TimeFormat};
use super::error::{Flow, Refusal, StatementError};
use super::input::Input;
use super::intake::{Intake, Origin};
use super::table::{Row, Table};
use crate::domain::{Stated, StatementPayment};
use std::path::Path;

/// The columns that are used, by their index.
#[derive(Debug, Default)]
struct Columns {
    id: usize,
    created: usize,
    amount: usize,
    currency: usize,
    status: usize,
    amount_refunded: Option<usize>,
    captured: Option<usize>,
    customer: Option<usize>,
    fingerprint: Option<usize>,
    decline_reason: Option<usize>,
    dispute_status: Option<usize>,
    disputed_amount: Option<usize>,
    mode: Option<usize>,
}

const CREATED: [&str; 2] = ["Created date (UTC)", "Created (UTC)"];

impl Columns {
    /// Finds the columns by name, whatever their case; the error names a missing one.
    fn find(header: &[String]) -> Result<Self, &'static str> {
        let find = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
        let required = |name: &'static str| find(name).ok_or(name);
        Ok(Self {
            id: required("id")?,
            created: CREATED.iter().find_map(|name| find(name)).ok_or(CREATED[0])?,
            amount: required("Amount")?,
            currency: required("Currency")?,
            status: required("Status")?,
            amount_refunded: find("Amount Refunded"),
            captured: find("Captured"),
            customer: find("Customer ID"),
            fingerprint: find("Card Fingerprint"),
            decline_reason: find("Decline Reason"),
            dispute_status: find("Dispute Status"),
            disputed_amount: find("Disputed Amount"),
            mode: find("Mode"),
        })
    }

    fn uses(&self, index: usize) -> bool {
        [self.id, self.created, self.amount, self.currency, self.status].contains(&index)
            || [
                self.amount_refunded,
                self.captured,
                self.customer,
                self.fingerprint,
                self.decline_reason,
                self.dispute_status,
                self.disputed_amount,
                self.mode,
            ]
            .contains(&Some(index))
    }
}

/// Whether a file's first line is this export's header, complete or not.
pub(super) fn is_header(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let names: Vec<_> = line.split(',').map(|name| name.trim().trim_matches('"')).collect();
    let has = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    let known = ["id", "Amount", "Currency", "Status", CREATED[0], CREATED[1]];
    known.into_iter().filter(|name| has(name)).count() >= 3
}

/// Reads a whole export.
pub(super) fn read(input: &mut Input, path: &Path, intake: &mut Intake<'_>) -> Flow {
    let table = Table::open(input, path, b',')?;
    let columns = Columns::find(&table.header).map_err(|column| StatementError::MissingColumn {
        path: path.into(),
        column: column.into(),
    })?;
    for (index, name) in table.header.iter().enumerate() {
        if !columns.uses(index) {
            intake.names.note(name);
        }
    }
    intake.table();
    table.each_row(path, &mut |row| take(row, &columns, intake))
}

fn take(row: &Row<'_>, columns: &Columns, intake: &mut Intake<'_>) -> Flow {
    if let Some(misfit) = row.misfit() {
        return intake.malformed(row.line, misfit);
    }
    if let Some(mode) = columns.mode {
        match row.cell(mode).to_ascii_lowercase().as_slice() {
            b"live" => intake.mode(row.line, true)?,
            b"test" => intake.mode(row.line, false)?,
            b"" => {}
            _ => return intake.malformed(row.line, "Mode is neither Live nor Test".into()),
        }
    }
    if row.cell(columns.id).starts_with(b"pi_") {
        intake.ignored("payment_intent");
        return Ok(());
    }
    match payment(row, columns) {
        Ok(payment) => intake.record(Record::Payment(payment), Origin::Loose),
        Err(refusal) => intake.malformed(row.line, refusal.0),
    }
}

fn payment(row: &Row<'_>, columns: &Columns) -> Result<StatementPayment, Refusal> {
    let cell = |column: usize| Cell::of(row.cell(column));
    let maybe = |column: Option<usize>| column.map_or(Cell::Absent, cell);
    let currency = cell(columns.currency).currency("Currency")?;
    let amount = cell(columns.amount).decimal("Amount", currency)?;
    let amount_minor = amount.ok_or_else(|| Refusal("Amount is missing".into()))?;
    let shown = cell(columns.status).identifier("Status")?.to_ascii_lowercase();
    let meaning = meaning(&shown);
    let refunded = maybe(columns.amount_refunded).decimal("Amount Refunded", currency)?;
    let captured = maybe(columns.captured).flag("Captured")?;
    let created = cell(columns.created);
    Ok(StatementPayment {
        provider_payment_id: cell(columns.id).identifier("id")?,
        provider_customer_id: maybe(columns.customer).stated("Customer ID")?,
        amount_minor,
        // "Captured: true" does not say how much, so the ledger's amount is kept.
        amount_captured_minor: match captured {
            Some(false) => Some(0),
            _ if meaning.is_uncaptured => Some(0),
            _ => None,
        },
        amount_refunded_minor: refunded.or(meaning.is_refunded.then_some(amount_minor)),
        disputed: disputed(
            &maybe(columns.dispute_status),
            &maybe(columns.disputed_amount),
            meaning.is_disputed,
        )?,
        currency,
        failure_code: failure_code(&maybe(columns.decline_reason), meaning.status)?,
        failure_message: None,
        payment_method_fingerprint: maybe(columns.fingerprint).optional("Card Fingerprint")?,
        created_at: created_at(&created)?,
        status: meaning.status.to_owned(),
    })
}

fn created_at(created: &Cell<'_>) -> Result<chrono::DateTime<chrono::Utc>, Refusal> {
    let name = "Created date (UTC)";
    let text = created.required(name)?;
    let has_seconds = text.bytes().filter(|b| *b == b':').count() == 2;
    let separator = if text.contains('T') { "T" } else { " " };
    let seconds = if has_seconds { ":%S" } else { "" };
    let format = TimeFormat::Pattern(format!("%Y-%m-%d{separator}%H:%M{seconds}"));
    created.time(name, &format)?.ok_or_else(|| Refusal(format!("{name} is missing")))
}

/// What a status of the dashboard says about the charge.
struct Meaning<'a> {
    status: &'a str,
    is_refunded: bool,
    is_disputed: bool,
    is_uncaptured: bool,
}

/// The dashboard's status folds refunds and disputes into one word; the API's charge is
/// `succeeded` in all of them. An uncaptured charge is `succeeded` too. What is not known,
/// such as `canceled`, is kept in small letters: what to do about it is for a person to say.
fn meaning(shown: &str) -> Meaning<'_> {
    let status = match shown {
        "paid"
        | "succeeded"
        | "refunded"
        | "partially refunded"
        | "partial refund"
        | "refund pending"
        | "disputed"
        | "dispute won"
        | "dispute lost"
        | "early fraud warning"
        | "uncaptured"
        | "requires_capture" => "succeeded",
        "failed" | "blocked" | "declined" => "failed",
        "pending" | "processing" => "pending",
        other => other,
    };
    Meaning {
        status,
        is_refunded: shown == "refunded",
        is_disputed: shown.starts_with("dispute"),
        is_uncaptured: matches!(shown, "uncaptured" | "requires_capture"),
    }
}

/// A dispute has a status or an amount; where the export has neither column, only the payment's
/// own status can say so.
fn disputed(status: &Cell<'_>, amount: &Cell<'_>, shown: bool) -> Result<Option<bool>, Refusal> {
    if shown || status.text("Dispute Status")?.is_some() {
        return Ok(Some(true));
    }
    let has_amount = amount
        .text("Disputed Amount")?
        .is_some_and(|text| text.bytes().any(|b| (b'1'..=b'9').contains(&b)));
    let is_stated = *status != Cell::Absent || *amount != Cell::Absent;
    Ok(is_stated.then_some(has_amount))
}

/// A failed payment without a reason says nothing; one that did not fail has none.
fn failure_code(reason: &Cell<'_>, status: &str) -> Result<Stated<String>, Refusal> {
    match (reason, status) {
        (Cell::Absent, _) | (Cell::Blank, "failed") => Ok(Stated::NotStated),
        _ => reason.stated("Decline Reason"),
    }
}
