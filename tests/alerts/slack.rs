//! What Slack shows: the shipped templates, rendered by amtool with Alertmanager's data, beside
//! what they are to give (`slack/*.golden.json`, renewed with `UPDATE_GOLDEN=1`). Grafana's own
//! notifier is not run: that it puts title, text and color into an attachment is read, not tried.

use crate::shipped::{self, POSTGRESQL, PROMETHEUS};
use crate::{here, tool};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use tempfile::TempDir;

const CASES: [&str; 6] = ["firing-one", "firing-many", "resolved", "mixed", "critical", "crowd"];
/// What a locked phone shows of a title.
const TITLE_MAX: usize = 60;

#[derive(Deserialize)]
struct File {
    templates: Vec<Template>,
}

#[derive(Deserialize)]
struct Template {
    template: String,
}

/// The message that Slack's webhook gets, as the contact point puts it together.
fn message(case: &str) -> Value {
    let folder = TempDir::new().unwrap();
    let text = std::fs::read_to_string(shipped::folder().join("templates.yaml")).unwrap();
    let file: File = serde_saphyr::from_str(&text).unwrap();
    std::fs::write(folder.path().join("all.tmpl"), &file.templates[0].template).unwrap();
    let data = here(&format!("slack/{case}.json"));
    let data = format!("--template.data={}", data.display());
    let render = |name: &str| {
        let text = format!("--template.text={{{{ template \"payment_monitor.{name}\" . }}}}");
        let arguments =
            ["template", "render", "--no-version-check", "--template.glob=all.tmpl", &data, &text];
        tool("amtool", folder.path(), &arguments).trim().to_owned()
    };
    let (title, color) = (render("title"), render("color"));
    json!({ "attachments": [{
        "fallback": title, "title": title, "text": render("text"), "color": color,
    }] })
}

#[test]
#[ignore = "needs amtool: stack/alerts"]
fn every_message_is_as_it_is_to_be_and_its_title_fits_a_phone() {
    for case in CASES {
        let message = message(case);
        let golden = here(&format!("slack/{case}.golden.json"));
        let told = serde_json::to_string_pretty(&message).unwrap() + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &told).unwrap();
        }
        assert_eq!(told, std::fs::read_to_string(&golden).unwrap(), "{case}");
        let attachment = &message["attachments"][0];
        let title = attachment["title"].as_str().unwrap();
        assert!(title.chars().count() <= TITLE_MAX, "{title}");
        let all = message.to_string();
        assert!(!all.contains("<no value>") && !all.contains("//d/"), "{all}");
        let color = attachment["color"].as_str().unwrap();
        assert!(color.len() == 7 && color.starts_with('#'), "{color}");
    }
}

#[test]
fn the_cases_are_alerts_of_the_shipped_rules() {
    let titles: Vec<String> = [PROMETHEUS, POSTGRESQL]
        .iter()
        .flat_map(|datasource| shipped::rules(datasource))
        .map(|rule| rule.title)
        .collect();
    for case in CASES {
        let text = std::fs::read_to_string(here(&format!("slack/{case}.json"))).unwrap();
        let data: Value = serde_json::from_str(&text).unwrap();
        for alert in data["alerts"].as_array().unwrap() {
            let name = alert["labels"]["alertname"].as_str().unwrap();
            assert!(titles.iter().any(|title| title == name), "{case}: {name}");
        }
    }
    // With the longest word for how bad it is.
    let longest = titles.iter().map(|title| title.len() + "[CRITICAL] ".len()).max().unwrap();
    assert!(longest <= TITLE_MAX, "{longest}");
}

/// Takes one request, as Slack's webhook does.
fn webhook() -> (String, std::thread::JoinHandle<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/services/T0/B0/x", listener.local_addr().unwrap());
    let taken = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut chunk).unwrap();
            request.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&request);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.to_lowercase();
                let length = length.split("content-length: ").nth(1).unwrap();
                let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
                if body.len() >= length {
                    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    stream.write_all(answer.as_bytes()).unwrap();
                    return text.into_owned();
                }
            }
        }
    });
    (url, taken)
}

#[tokio::test]
#[ignore = "needs amtool: stack/alerts"]
async fn a_message_is_what_an_incoming_webhook_takes() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let message = message("critical");
    let (url, taken) = webhook();
    let answer = reqwest::Client::new().post(url).json(&message).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "ok");
    let request = taken.join().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /services/"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    let attachment = body["attachments"][0].as_object().unwrap();
    // Slack shows nothing of an attachment without any of these, and takes no longer text.
    assert!(!attachment["fallback"].as_str().unwrap().is_empty());
    assert!(attachment["text"].as_str().unwrap().len() < 8_000);
}
