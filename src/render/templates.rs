//! The templates of pages and files, embedded and read once.

use super::assets::Names;
use minijinja::{Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;
use std::sync::Arc;

/// The templates, read once.
#[derive(Clone, Debug)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
    names: Arc<Names>,
}

impl Default for Templates {
    fn default() -> Templates {
        Templates::new()
    }
}

const EMBEDDED: [(&str, &str); 18] = [
    ("base.html", include_str!("../../templates/base.html")),
    ("parts.html", include_str!("../../templates/parts.html")),
    ("charts.html", include_str!("../../templates/charts.html")),
    ("now.html", include_str!("../../templates/now.html")),
    ("service.html", include_str!("../../templates/service.html")),
    ("incidents.html", include_str!("../../templates/incidents.html")),
    ("incident.html", include_str!("../../templates/incident.html")),
    ("note.html", include_str!("../../templates/note.html")),
    ("acknowledge.html", include_str!("../../templates/acknowledge.html")),
    ("silence.html", include_str!("../../templates/silence.html")),
    ("review.html", include_str!("../../templates/review.html")),
    ("review_body.html", include_str!("../../templates/review_body.html")),
    ("report.html", include_str!("../../templates/report.html")),
    ("feed.xml", include_str!("../../templates/feed.xml")),
    ("alerts.html", include_str!("../../templates/alerts.html")),
    ("wall.html", include_str!("../../templates/wall.html")),
    ("public.html", include_str!("../../templates/public.html")),
    ("error.html", include_str!("../../templates/error.html")),
];

impl Templates {
    /// Reads the embedded templates.
    ///
    /// # Panics
    /// When one of them is not well formed, which a test keeps from happening.
    pub fn new() -> Templates {
        let mut environment = Environment::new();
        // A name that the page does not have is a mistake, not an empty text.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Lines that hold only a tag leave no empty line behind.
        match SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            Ok(syntax) => environment.set_syntax(syntax),
            Err(error) => unreachable!("the syntax is a constant: {error:#}"),
        }
        for (name, text) in EMBEDDED {
            environment
                .add_template(name, text)
                .unwrap_or_else(|e| panic!("the embedded template {name}, which a test reads: {e:#}"));
        }
        Templates { environment: Arc::new(environment), names: Arc::new(Names::new()) }
    }

    /// The names of the files.
    pub(crate) fn files(&self) -> &Names {
        &self.names
    }

    /// Renders what is no page of the dashboard.
    pub(crate) fn render_file(&self, name: &str, content: impl Serialize) -> Result<String, minijinja::Error> {
        self.environment.get_template(name)?.render(Serde(content))
    }

    /// Renders a page: its content, and the layout around it.
    pub(crate) fn render(
        &self,
        name: &str,
        layout: impl Serialize,
        content: impl Serialize,
    ) -> Result<String, minijinja::Error> {
        #[derive(Serialize)]
        struct Context<L, T> {
            frame: L,
            page: T,
        }
        let context = Context { frame: layout, page: content };
        self.environment.get_template(name)?.render(Serde(context))
    }
}
