//! The templates of mails, ours or those of a folder, checked before the first mail.
//!
//! A folder may have `ready.html`, `ready.txt`, `failed.html`, `failed.txt` and words in `LANGUAGE.toml`; what it does not
//! have is ours. Templates see what [`View`] has and the words as `t`, and nothing else: a name that is neither is an
//! error at start, with its file and line, like anything that cannot be rendered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use offtake_model::{Error, ErrorKind, Result, Violation};
use serde_json::Value as Json;

use super::compose::{Kind, View};
use super::letter::Said;
use super::words::{self, BUILT_IN, FALLBACK, Words};

/// Those that come with us.
const TEMPLATES: [(&str, &str); 4] = [
    ("ready.html", include_str!("templates/ready.html")),
    ("ready.txt", include_str!("templates/ready.txt")),
    ("failed.html", include_str!("templates/failed.html")),
    ("failed.txt", include_str!("templates/failed.txt")),
];

/// Everything a mail is written with.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
    languages: BTreeMap<String, Words>,
}

/// What was found wrong, with the file it is in.
#[derive(Debug, Default)]
struct Wrong(Vec<Violation>);

impl Wrong {
    fn at(&mut self, file: &str, line: Option<usize>, what: impl std::fmt::Display) {
        let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
        self.0.push(Violation::at("mail.templates", format!("mail.templates: {place}: {what}")));
    }
}

impl Templates {
    /// Ours, with those of `folder` before them.
    ///
    /// # Errors
    /// `invalid_request` with everything that is wrong in the folder.
    pub(super) fn load(folder: Option<&Path>) -> Result<Self> {
        let mut wrong = Wrong::default();
        let languages = languages(folder, &mut wrong)?;
        let mut environment = environment()?;
        let mut sources = Vec::new();
        for (name, ours) in TEMPLATES {
            let (file, source) = match folder.map(|folder| folder.join(name)).filter(|path| path.exists()) {
                Some(path) => (path.display().to_string(), Cow::Owned(read(&path)?)),
                None => (name.to_owned(), Cow::Borrowed(ours)),
            };
            match environment.add_template_owned(name, source.clone()) {
                Ok(()) => sources.push((name, file, source)),
                Err(error) => wrong.at(&file, error.line(), told(&error)),
            }
        }
        let loaded = Self { environment, languages };
        for (name, file, source) in &sources {
            loaded.check(name, file, source, &mut wrong);
        }
        if wrong.0.is_empty() { Ok(loaded) } else { Err(Error::invalid(wrong.0)) }
    }

    /// The language that is spoken to whoever wants this locale.
    pub(super) fn language(&self, locale: &str) -> &str {
        let known = words::languages(locale).find_map(|tag| self.languages.get_key_value(&tag));
        known.map_or(FALLBACK, |(language, _)| language)
    }

    /// One of the words of a language.
    pub(super) fn word(&self, language: &str, name: &str) -> &str {
        let words = self.languages.get(language).or_else(|| self.languages.get(FALLBACK));
        words.and_then(|words| words.get(name)).map_or("", String::as_str)
    }

    /// What a mail says.
    ///
    /// # Errors
    /// `internal` if a template cannot be rendered.
    pub(super) fn render(&self, kind: Kind, view: &View) -> Result<Said> {
        let context = self.context(view);
        let part = |extension: &str| {
            let name = format!("{}.{extension}", kind.name());
            let rendered =
                self.environment.get_template(&name).and_then(|template| template.render(Value::from(Serde(&context))));
            rendered.map_err(|error| {
                let detail = format!("the mail template {name} cannot be rendered: {}", told(&error));
                Error::new(ErrorKind::Internal, detail)
            })
        };
        let subject = self.word(&view.lang, &format!("{}_subject", kind.name()));
        let subject = words::fill(subject, |name| (name == "name").then_some(view.job.name.as_str()));
        Ok(Said { subject, text: part("txt")?, html: part("html")? })
    }

    fn context(&self, view: &View) -> Json {
        let mut context = serde_json::to_value(view).unwrap_or_default();
        let words = self.languages.get(&view.lang).or_else(|| self.languages.get(FALLBACK));
        if let (Some(members), Ok(words)) = (context.as_object_mut(), serde_json::to_value(words)) {
            members.insert("t".to_owned(), words);
        }
        context
    }

    /// Renders a template for mails with everything and with as little as there can be, in every language.
    fn check(&self, name: &str, file: &str, source: &str, wrong: &mut Wrong) {
        let Ok(template) = self.environment.get_template(name) else { return };
        let full = self.context(&View::sample(FALLBACK));
        let mut unknown: Vec<String> =
            template.undeclared_variables(true).into_iter().filter(|path| !is_in(&full, path)).collect();
        unknown.sort();
        for path in &unknown {
            let line = source.lines().position(|line| line.contains(path.as_str())).map(|line| line + 1);
            wrong.at(file, line, format!("there is no variable {path}"));
        }
        if !unknown.is_empty() {
            return;
        }
        for language in self.languages.keys() {
            for view in [View::sample(language), View::least(language)] {
                if let Err(error) = template.render(Value::from(Serde(self.context(&view)))) {
                    return wrong.at(file, error.line(), told(&error));
                }
            }
        }
    }
}

/// Whether there is something at `file.rows`.
fn is_in(context: &Json, path: &str) -> bool {
    path.split('.').try_fold(context, |at, name| at.get(name)).is_some()
}

fn environment() -> Result<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = environment.syntax().to_builder();
    let syntax = syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    let broken = |error| Error::new(ErrorKind::Internal, "templates have no syntax").caused_by(error);
    environment.set_syntax(syntax.map_err(broken)?);
    environment.set_auto_escape_callback(
        |name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        },
    );
    environment.add_filter("fill", |text: String, values: Kwargs| -> std::result::Result<String, minijinja::Error> {
        let mut filled = BTreeMap::new();
        for name in values.args() {
            filled.insert(name.to_owned(), values.get::<Value>(name)?.to_string());
        }
        Ok(words::fill(&text, |name| filled.get(name).map(String::as_str)))
    });
    Ok(environment)
}

fn told(error: &minijinja::Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}{detail}", error.kind())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let detail = format!("mail.templates: {} cannot be read: {error}", path.display());
        Error::new(ErrorKind::InvalidRequest, detail)
    })
}

/// The words of every language. A language of ours need not be complete in the folder; any other must be.
fn languages(folder: Option<&Path>, wrong: &mut Wrong) -> Result<BTreeMap<String, Words>> {
    let mut languages = BTreeMap::new();
    for (language, text) in BUILT_IN {
        let words = toml::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("the words of {language} cannot be read")).caused_by(error)
        })?;
        languages.insert(language.to_owned(), words);
    }
    let Some(folder) = folder else { return Ok(languages) };
    let unreadable = |error: std::io::Error| {
        let detail = format!("mail.templates: {} cannot be read: {error}", folder.display());
        Error::new(ErrorKind::InvalidRequest, detail)
    };
    let complete: Words = languages.get(FALLBACK).cloned().unwrap_or_default();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(language) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_ascii_lowercase) else {
            continue;
        };
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let file = path.display().to_string();
        let text = read(&path)?;
        let theirs: Words = match toml::from_str(&text) {
            Ok(theirs) => theirs,
            Err(error) => {
                let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
                wrong.at(&file, line, error.message());
                continue;
            }
        };
        for name in theirs.keys().filter(|name| !complete.contains_key(*name)) {
            let line = text.lines().position(|line| line.trim_start().starts_with(name.as_str())).map(|line| line + 1);
            wrong.at(&file, line, format!("there is no text {name}"));
        }
        let words: &mut Words = languages.entry(language).or_default();
        words.extend(theirs);
        let missing: Vec<&str> =
            complete.keys().filter(|name| !words.contains_key(*name)).map(String::as_str).collect();
        if !missing.is_empty() {
            wrong.at(&file, None, format!("texts are missing: {}", missing.join(", ")));
        }
    }
    Ok(languages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: Kind, view: &View) -> Said {
        Templates::load(None).expect("ours are sound").render(kind, view).expect("ours can be rendered")
    }

    #[test]
    fn mails_say_what_there_is_to_say() {
        for kind in [Kind::Ready, Kind::Failed] {
            for language in ["en", "de"] {
                let Said { subject, text, html } = said(kind, &View::sample(language));
                let name = format!("{}_{language}", kind.name());
                insta::assert_snapshot!(format!("{name}_text"), format!("{subject}\n\n{text}"));
                insta::assert_snapshot!(format!("{name}_html"), html);
            }
        }
        insta::assert_snapshot!("ready_least_text", said(Kind::Ready, &View::least("en")).text);
        insta::assert_snapshot!("failed_least_text", said(Kind::Failed, &View::least("en")).text);
    }

    #[test]
    fn names_are_text_and_no_markup() {
        let mut view = View::sample("en");
        view.job.name = "<img src=x onerror=alert(1)>\" {{ t.footer }} {name}".to_owned();
        let Said { subject, text, html } = said(Kind::Ready, &view);
        assert!(!html.contains("<img") && html.contains("&lt;img src=x onerror=alert(1)&gt;"), "{html}");
        assert!(subject.contains(&view.job.name) && text.contains(&view.job.name), "{subject} {text}");
    }

    #[test]
    fn html_asks_nobody_for_anything() {
        for kind in [Kind::Ready, Kind::Failed] {
            let html = said(kind, &View::sample("en")).html.to_lowercase();
            for word in ["<img", "<script", "<link", "@import", "url(", "src=", "javascript:"] {
                assert!(!html.contains(word), "{word} in {html}");
            }
        }
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        folder
    }

    fn wrong(files: &[(&str, &str)]) -> Vec<String> {
        let folder = folder(files);
        let error = Templates::load(Some(folder.path())).expect_err("something is wrong");
        let root = format!("{}/", folder.path().display());
        error.violations().iter().map(|wrong| wrong.detail.replace(&root, "")).collect()
    }

    #[test]
    fn what_is_wrong_in_a_folder_is_told_with_file_and_line() {
        let found = wrong(&[
            ("ready.txt", "fine {{ job.name }}\n\n{{ file.secret }}\n{% if nonsense %}{% endif %}\n"),
            ("ready.html", "<p>\n{% if link %}\n</p>"),
            ("failed.txt", "{{ job.name | shout }}"),
            ("en.toml", "name = \"x\"\nnam = \"y\"\n"),
            ("fr.toml", "name = \"Export\"\n"),
            ("it.toml", "name = \"x\"\nb = \n"),
        ]);
        let has = |start: &str| found.iter().any(|one| one.starts_with(start));
        assert!(has("mail.templates: ready.txt:3: there is no variable file.secret"), "{found:#?}");
        assert!(has("mail.templates: ready.txt:4: there is no variable nonsense"), "{found:#?}");
        assert!(has("mail.templates: ready.html:"), "{found:#?}");
        assert!(has("mail.templates: failed.txt:1: "), "{found:#?}");
        assert!(has("mail.templates: en.toml:2: there is no text nam"), "{found:#?}");
        assert!(has("mail.templates: fr.toml: texts are missing: bytes, "), "{found:#?}");
        assert!(has("mail.templates: it.toml:2: "), "{found:#?}");
        assert_eq!(found.len(), 7, "{found:#?}");
        assert!(Templates::load(Some(Path::new("/nowhere/at/all"))).is_err());
    }

    #[test]
    fn a_folder_goes_before_ours_and_a_language_is_a_file() {
        let all = BUILT_IN[0].1.replace("\"Rows\"", "\"Lignes\"").replace("Your file is ready", "Voici");
        let folder = folder(&[("ready.txt", "{{ t.rows }}={{ file.rows }}\n"), ("fr.toml", &all)]);
        let templates = Templates::load(Some(folder.path())).expect("they are sound");
        assert_eq!(templates.language("fr-CA"), "fr");
        assert_eq!((templates.language("de-CH"), templates.language("ja-JP")), ("de", "en"));
        let said = templates.render(Kind::Ready, &View::sample("fr")).expect("a mail");
        assert_eq!((said.subject.as_str(), said.text.as_str()), ("Voici: Spans 2026-10", "Lignes=1,000\n"));
        assert!(said.html.contains("<h1 "), "the other part is ours: {}", said.html);
    }
}
