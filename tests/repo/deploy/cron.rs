//! The line for cron. That it runs is seen in tests/stack/install.rs, where it does.

use super::read;
use std::process::Command;

/// The file's one line that is a command: five fields, user, command.
fn command() -> Vec<String> {
    let text = read("cron/payment-monitor");
    assert!(text.ends_with('\n'), "cron leaves a last line out that does not end");
    let is_command = |line: &&str| !line.starts_with('#') && !line.is_empty() && !is_variable(line);
    let lines: Vec<&str> = text.lines().filter(is_command).collect();
    let [line] = lines[..] else { panic!("{lines:?}") };
    let mut fields: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let command = fields.split_off(6).join(" ");
    fields.push(command);
    fields
}

fn is_variable(line: &str) -> bool {
    let name = line.split('=').next().unwrap_or_default();
    name.len() < line.len() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

#[test]
fn cron_starts_a_run_every_hour_as_the_jobs_user() {
    let [minute, hour, day, month, weekday, user, command] = &command()[..] else { panic!() };
    assert!(minute.parse::<u8>().is_ok_and(|minute| minute < 60), "{minute}");
    assert_eq!([hour, day, month, weekday], ["*"; 4]);
    assert!(read("systemd/payment-monitor.timer").contains("OnCalendar=hourly"));
    assert!(read("systemd/payment-monitor.service").contains(&format!("User={user}\n")));
    assert!(!command.contains('%'), "cron makes a new line of it: {command}");
    assert!(command.starts_with("payment-monitor run >>/var/log/payment-monitor/"), "{command}");
    assert!(read("logrotate/payment-monitor").contains("\n/var/log/payment-monitor/*.log {"));
}

#[test]
fn cron_and_systemd_give_a_run_the_same_settings() {
    let cron = read("cron/payment-monitor");
    let unit = read("systemd/payment-monitor.service");
    for name in
        ["PAYMENT_MONITOR_CONFIG", "PAYMENT_MONITOR_LOG_FORMAT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
    {
        let assignment = cron.lines().find(|line| line.starts_with(&format!("{name}="))).unwrap();
        assert!(unit.contains(&format!("\nEnvironment={assignment}\n")), "{assignment}");
    }
    let path = cron.lines().find_map(|line| line.strip_prefix("DATABASE_URL_FILE=")).unwrap();
    assert!(unit.contains(&format!("\nLoadCredential=database-url:{path}\n")), "{path}");
}

#[test]
#[ignore = "needs cron"]
fn cron_itself_finds_nothing_wrong_with_the_line() {
    let check = |minute: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crontab");
        // A user's own table has no column for the user.
        let [_, hour, day, month, weekday, _, command] = &command()[..] else { panic!() };
        let line = format!("{minute} {hour} {day} {month} {weekday} {command}\n");
        std::fs::write(&path, line).unwrap();
        let status = Command::new("crontab").arg("-n").arg(path).output();
        status.expect("apt-get install cron").status.success()
    };
    assert!(check(&command()[0]));
    assert!(!check("61"));
}
