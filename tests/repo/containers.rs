//! docker-compose.yml and the Dockerfile: what every service has to have, versions that are pinned
//! and the same as those that stack/build builds, files that are there, variables that .env.example
//! explains. That it runs is asserted by `stack/compose`. Each rule finds a planted mistake.

use crate::files::root;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::read_to_string;

/// Services without a health check, each with the reason.
const UNASKED: [(&str, &str); 3] = [
    ("agent-job", "the image holds the collector only, which can't ask itself"),
    ("agent-db", "the same"),
    ("gateway", "the same"),
];

/// How an image's tag says the version that something else has.
type Tag = fn(&str) -> String;

/// The image of a server, where its version is pinned for the tests, and how the image says it.
const SAME: [(&str, &str, Tag); 4] = [
    ("grafana/loki", "stack/tools/loki.mod: github.com/grafana/loki/v3 v", str::to_owned),
    // Prometheus 3.x.y is the module 0.3xx.y.
    ("prom/prometheus", "stack/tools/prometheus.mod: github.com/prometheus/prometheus v", |of| {
        let minor = of.strip_prefix("0.3").and_then(|rest| rest.split_once('.'));
        minor.map_or_else(String::new, |(minor, patch)| {
            format!("v3.{}.{patch}", minor.parse::<u32>().expect("a number"))
        })
    }),
    ("otel/opentelemetry-collector-contrib", "otel/builder-config.yaml: version: ", str::to_owned),
    ("grafana/grafana", "grafana/check/package.json: \"@grafana/schema\": \"", str::to_owned),
];

#[test]
fn every_service_is_hardened_limited_and_asked_how_it_is() {
    let found: Vec<String> = services(&compose()).flat_map(|(n, s)| faults(n, s)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn images_are_pinned_and_the_same_as_the_tests_servers() {
    let text = read("docker-compose.yml");
    let mut images: Vec<&str> = values_after(&text, "image: ").collect();
    let dockerfile = read("Dockerfile");
    images.extend(values_after(&dockerfile, "FROM "));
    let loose: Vec<_> = images.iter().filter(|image| !is_pinned(image)).collect();
    assert!(loose.is_empty(), "not pinned: {loose:?}");
    for (image, place, written) in SAME {
        let (file, before) = place.split_once(": ").expect("a file and what comes before");
        let pinned = read(file);
        let version = values_after(&pinned, before).next().expect(place);
        let version = written(version.trim_end_matches(['"', ',']));
        let same =
            images.iter().any(|used| used.split('@').next() == Some(&format!("{image}:{version}")));
        assert!(same, "{image} is not {version} in docker-compose.yml, as {file} has it");
    }
}

#[test]
fn an_image_of_ours_is_built_by_one_service_and_asked_of_no_registry() {
    let compose = compose();
    let ours = |image: &Value| image.as_str().is_some_and(|i| i.starts_with("payment-monitor"));
    let ours: Vec<_> = services(&compose).filter(|(_, s)| ours(&s["image"])).collect();
    let built = ours.iter().filter(|(_, s)| s["build"].is_object());
    let mut built: Vec<&str> = built.filter_map(|(_, s)| s["image"].as_str()).collect();
    built.sort_unstable();
    assert_eq!(built, ["payment-monitor", "payment-monitor-cron", "payment-monitor-queues"]);
    assert!(ours.iter().all(|(_, service)| service["pull_policy"] == "never"));
}

#[test]
fn mounted_files_are_there_and_can_not_be_changed_from_inside() {
    for (name, service) in services(&compose()) {
        for mount in strings(&service["volumes"]) {
            let Some(file) = mount.strip_prefix("./") else { continue };
            let (file, rest) = file.split_once(':').expect("a source and a target");
            assert!(root().join(file).exists(), "{name} mounts {file}, which is not there");
            assert!(rest.ends_with(":ro"), "{name} may write to {file}");
        }
    }
}

#[test]
fn the_example_of_dot_env_has_every_variable_and_no_other() {
    let compose = read("docker-compose.yml");
    let (example, used) = (read(".env.example"), variables(&compose));
    let lines = example.lines().filter(|line| !line.starts_with('#'));
    let told: BTreeSet<&str> = lines.filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert_eq!(used, told);
    for password in told.iter().filter(|v| v.ends_with("PASSWORD") || v.ends_with("TOKEN")) {
        let demanded = format!("${{{password}:?run cp .env.example .env}}");
        assert!(compose.contains(&demanded), "{password} may be missing");
    }
}

#[test]
fn the_dockerfile_ends_as_a_program_without_rights() {
    let dockerfile = read("Dockerfile");
    let last = dockerfile.rsplit("\nFROM ").next().expect("a stage");
    assert!(last.starts_with("distroless AS payment-monitor"), "{last}");
    for stage in ["queues", "cron", "payment-monitor"] {
        let (_, text) = dockerfile.split_once(&format!(" AS {stage}\n")).expect(stage);
        let text = text.split("\nFROM ").next().expect("a stage");
        assert!(text.contains("\nUSER 65532:65532") || text.contains("\nUSER 10001:10001"));
    }
    assert!(dockerfile.contains("cargo build --locked --release"));
}

#[test]
fn planted_mistakes_are_found() {
    let service = r#"
        user: "0:0"
        read_only: false
        ports: ["3000:3000", "127.0.0.1:1:1"]
        cap_add: [NET_ADMIN]
        volumes: ["./otel:/etc/otel:ro"]
    "#;
    let service: Value = serde_saphyr::from_str(service).expect("YAML");
    let found = faults("planted", &service).join("\n");
    for fault in [
        "user",
        "read_only",
        "cap_drop",
        "cap_add",
        "security_opt",
        "mem_limit",
        "pids_limit",
        "logging",
        "restart",
        "stop_grace_period",
        "healthcheck",
        "3000:3000",
        "networks",
    ] {
        assert!(found.contains(fault), "{fault} is not found:\n{found}");
    }
    assert!(!found.contains("127.0.0.1:1:1"));
    for loose in ["postgres", "postgres:latest", "grafana/loki@sha256:1", "debian:bookworm-slim"] {
        assert!(!is_pinned(loose), "{loose}");
    }
    assert_eq!((SAME[1].2)("0.316.0"), "v3.16.0");
    assert_eq!((SAME[1].2)("0.305.1"), "v3.5.1");
}

/// What a service lacks, or has too much of.
fn faults(name: &str, service: &Value) -> Vec<String> {
    let is_one_shot = service["restart"] == "no";
    let user = service["user"].as_str().and_then(|user| user.split(':').next()?.parse().ok());
    let holds = |key: &str, value: &str| strings(&service[key]).any(|found| found == value);
    let excused = UNASKED.iter().any(|(unasked, _reason)| *unasked == name);
    let rules = [
        ("user: not a number above 0", user.is_some_and(|user: u32| user > 0)),
        ("read_only: not true", service["read_only"] == true),
        ("cap_drop: not ALL", holds("cap_drop", "ALL")),
        ("cap_add: none is needed", service["cap_add"].is_null()),
        ("privileged: it is", service["privileged"].is_null()),
        ("security_opt: new privileges", holds("security_opt", "no-new-privileges:true")),
        ("mem_limit: none", service["mem_limit"].is_string()),
        ("pids_limit: none", service["pids_limit"].is_number()),
        ("logging: grows for ever", service["logging"]["options"]["max-size"].is_string()),
        ("restart: not told", is_one_shot || service["restart"] == "unless-stopped"),
        ("stop_grace_period: none", service["stop_grace_period"].is_string()),
        ("healthcheck: none", is_one_shot || excused || service["healthcheck"].is_object()),
        ("networks: the default one", is_none(service) || service["networks"].is_array()),
    ];
    let lacking = rules.into_iter().filter(|(_, holds)| !holds).map(|(fault, _)| fault.to_owned());
    let published = strings(&service["ports"]).filter(|port| !port.starts_with("127.0.0.1:"));
    let published = published.map(|port| format!("ports: {port} is open to others"));
    lacking.chain(published).map(|fault| format!("{name}: {fault}")).collect()
}

fn is_none(service: &Value) -> bool {
    service["network_mode"] == "none"
}

/// By a version; what has no versions, by a digest. Ours are built, a stage has no version either.
fn is_pinned(image: &str) -> bool {
    const OURS: [&str; 5] = [
        "payment-monitor",
        "payment-monitor-cron",
        "payment-monitor-queues",
        "distroless",
        "debian",
    ];
    let (name, digest) = image.split_once('@').unwrap_or((image, ""));
    let tag = name.rsplit_once(':').map_or("", |(_, tag)| tag);
    let is_version = tag.trim_start_matches('v').split('.').count() >= 2
        && tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    let has_digest = digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64);
    OURS.contains(&image) || is_version || (has_digest && !tag.is_empty())
}

fn compose() -> Value {
    serde_saphyr::from_str(&read("docker-compose.yml")).expect("YAML")
}

fn services(compose: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let services = compose["services"].as_object().expect("services");
    services.iter().map(|(name, service)| (name.as_str(), service))
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The words after each occurrence of a text at the beginning of a line.
fn values_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    let values = text.lines().filter_map(move |line| {
        let line = line.trim_start();
        line.strip_prefix(before).or_else(|| line.split_once(' ')?.1.strip_prefix(before))
    });
    values.filter_map(|rest| rest.split_whitespace().next())
}

/// The names of all `${NAME...}`.
fn variables(text: &str) -> BTreeSet<&str> {
    let starts = text.split("${").skip(1);
    starts.filter_map(|rest| rest.split([':', '}', '-', '?']).next()).collect()
}

fn read(path: &str) -> String {
    read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
