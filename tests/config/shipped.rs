//! The configuration that is shipped, and the examples in its comments.

use super::{folder_with_certificates, no_env};
use healthcheck_dashboard::{
    config::{self},
    domain::service::Kind,
    probe::Spec,
};
use std::path::Path;

pub(super) const EXAMPLE: &str = include_str!("../../config.toml");

fn example_env(name: &str) -> Option<String> {
    let secrets =
        ["SEARCH_API_KEY", "SEARCH_TOKEN", "INTRANET_PASSWORD", "DB_PASSWORD", "SHOP_PASSWORD", "BACKUP_TOKEN"];
    secrets.contains(&name).then(|| "secret-of-an-example".to_owned())
}

pub(super) fn uncommented(line: &str) -> &str {
    line.strip_prefix("#: ").unwrap_or(line)
}

#[test]
fn the_configuration_that_we_ship_is_valid_without_any_variable() {
    let config = config::parse(EXAMPLE, Path::new("config.toml"), &no_env).unwrap();
    let services: Vec<_> = config.checks.endpoints.iter().map(|e| (e.service.name.as_str(), e.service.kind)).collect();
    assert_eq!(services, [("dashboard", Kind::Http), ("dashboard port", Kind::Tcp), ("disk", Kind::Command)]);
    assert_eq!(config.checks.endpoints[0].service.target.whole(), "http://127.0.0.1:9100/livez");
}

#[test]
fn the_command_that_we_ship_runs() {
    let config = config::parse(EXAMPLE, Path::new("config.toml"), &no_env).unwrap();
    let Spec::Command(command) = &config.checks.endpoints[2].probe else { panic!("no command") };
    let output = std::process::Command::new(&command.argv[0]).args(&command.argv[1..]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("% of the disk are used"), "{output:?}");
    assert!([0, 1, 75].contains(&output.status.code().unwrap()), "{output:?}");
}

#[test]
fn the_examples_that_we_ship_are_valid_together() {
    let folder = folder_with_certificates();
    let text: String = EXAMPLE.lines().map(|line| format!("{}\n", uncommented(line))).collect();
    let config = config::parse(&text, &folder.path().join("config.toml"), &example_env).unwrap();
    assert_eq!(config.checks.endpoints.len(), 23);
    let intranet = config.checks.endpoints.iter().find(|e| e.service.name == "intranet").unwrap();
    let Spec::Http(spec) = &intranet.probe else { panic!("no http") };
    assert!(spec.tls.client.is_some() && spec.tls.ca.len() == 1);
}

#[test]
fn each_example_that_we_ship_is_valid_alone() {
    let folder = folder_with_certificates();
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    let starts =
        (0..lines.len()).filter(|i| lines[*i].starts_with("#: ") && (*i == 0 || !lines[i - 1].starts_with("#: ")));
    let mut count = 0;
    for start in starts {
        let length = lines[start..].iter().take_while(|line| line.starts_with("#: ")).count();
        let uncomment = |(i, line): (usize, &&str)| {
            let line = if (start..start + length).contains(&i) { uncommented(line) } else { line };
            format!("{line}\n")
        };
        let text: String = lines.iter().enumerate().map(uncomment).collect();
        if let Err(error) = config::parse(&text, &folder.path().join("config.toml"), &example_env) {
            panic!("the example in line {}:\n{error}", start + 1);
        }
        count += 1;
    }
    assert_eq!(count, 31);
}
