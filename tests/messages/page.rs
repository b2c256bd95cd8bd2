//! The whole set on one page, for whoever reads it: what people see of each message, service by service.

use super::sent::Sent;
use serde_json::Value;
use std::{fmt::Write, path::Path};

/// What no reader sees, or only as a colour or a sound.
const QUIET: [&str; 3] = ["type", "$schema", "contentType"];

const STYLE: &str = "body{font:15px/1.4 sans-serif;margin:16px;background:#eef0f3;color:#1f2328}\
    .set{display:grid;grid-template-columns:repeat(auto-fill,minmax(430px,1fr));gap:12px;align-items:start}\
    .one{background:#fff;border-radius:6px;padding:10px 12px;overflow-wrap:anywhere}\
    h3{margin:0 0 6px;font-size:13px;color:#57606a}dl{margin:0 0 0 10px;display:grid;grid-template-columns:max-content 1fr;gap:0 8px}\
    dt{color:#8b949e;font-size:12px;line-height:21px}dd{margin:0;white-space:pre-wrap}iframe{width:100%;height:640px;border:0}";

/// Writes the page below `target`. It is made anew by each run.
pub(super) fn write(sets: &[(&str, Vec<Sent>)]) {
    let mut page = format!("<!DOCTYPE html><meta charset=\"utf-8\"><title>Messages</title><style>{STYLE}</style>");
    for (service, _) in sets {
        let _ = write!(page, "<a href=\"#{service}\">{service}</a> ");
    }
    for (service, all) in sets {
        let _ = write!(page, "<h2 id=\"{service}\">{service}</h2><div class=\"set\">");
        for sent in all {
            let head = sent.head.lines().next().unwrap_or_default();
            let _ = write!(page, "<div class=\"one\"><h3>{} · {}</h3>", sent.kind, escaped(head));
            match &sent.html {
                Some(html) => {
                    let _ = write!(page, "<iframe srcdoc=\"{}\"></iframe>", escaped(html));
                }
                None => show(&mut page, &sent.body),
            }
            page.push_str("</div>");
        }
        page.push_str("</div>");
    }
    // Builds may go elsewhere.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("messages.html"), page).unwrap();
}

/// A value as names and texts.
fn show(page: &mut String, value: &Value) {
    match value {
        Value::Object(all) => {
            page.push_str("<dl>");
            for (name, value) in all.iter().filter(|(name, _)| !QUIET.contains(&name.as_str())) {
                let _ = write!(page, "<dt>{}</dt><dd>", escaped(name));
                show(page, value);
                page.push_str("</dd>");
            }
            page.push_str("</dl>");
        }
        Value::Array(all) => all.iter().for_each(|value| show(page, value)),
        Value::String(text) => page.push_str(&escaped(text)),
        other => page.push_str(&other.to_string()),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
