//! Ten thousand names through `Content-Disposition`, read back by other people's software.

use offtake_model::export::ExportSpec;
use offtake_model::naming::file_name;
use offtake_testkit::{Ran, Rng, node, python, scratch};
use serde_json::{Value as Json, json};

use super::disposition;

const NAMES: usize = 10_000;

/// What names are made of: what is harmless, and what breaks headers, paths, shells and screens.
const PIECES: [&str; 52] = [
    "Spans",
    "report",
    "2026-10-01",
    "a",
    " ",
    "  ",
    ".",
    "..",
    "...",
    "/",
    "\\",
    "../",
    "..\\",
    "\r\n",
    "\r",
    "\n",
    "\0",
    "\t",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\"",
    "'",
    "`",
    "\\\"",
    "%",
    "%0d%0a",
    "%00",
    "%2f",
    "%22",
    ";",
    "; filename=x",
    "*",
    "filename*=UTF-8''y",
    ":",
    "<",
    ">",
    "|",
    "?",
    "$(id)",
    "~",
    "\u{202e}",
    "\u{200f}",
    "\u{2066}",
    "日本語",
    "Ünïcödé",
    "👩‍👩‍👧‍👦",
    "\u{301}e\u{301}",
    "\u{fffd}",
    "\u{10ffff}",
    "\\ud800",
];

const WHOLE: [&str; 20] = [
    "",
    ".",
    "..",
    "CON",
    "con.csv",
    "NUL",
    "aux.tar.gz",
    "COM1",
    "LPT9",
    ".bashrc",
    "-rf",
    "~root",
    "C:\\x",
    "\\\\host\\share",
    "/etc/passwd",
    "a\r\nSet-Cookie: b=c",
    "x\"; filename=\"y",
    "\u{feff}x",
    "x.",
    "x ",
];

fn drawn(rng: &mut Rng) -> String {
    let mut name = String::new();
    let pieces = 1 + rng.below(8);
    for _ in 0..pieces {
        name.push_str(PIECES[usize::try_from(rng.below(PIECES.len() as u64)).expect("small")]);
        if rng.below(3) == 0 {
            name.extend(char::from_u32(u32::try_from(rng.below(0x11_0000)).expect("a scalar")));
        }
    }
    if rng.below(50) == 0 { name.repeat(40) } else { name }
}

fn names() -> Vec<String> {
    let mut rng = Rng::seeded("file names");
    WHOLE.iter().map(|name| (*name).to_owned()).chain((0..NAMES).map(|_| drawn(&mut rng))).collect()
}

/// What is left of a name in a header.
fn kept(name: &str) -> String {
    name.chars().filter(|c| !c.is_control() && !matches!(c, '/' | '\\') && !super::turns(*c)).collect()
}

#[track_caller]
fn harmless(name: &str) {
    assert!(!name.contains(['\r', '\n', '\0', '/', '\\', '"']), "{name:?}");
    assert!(name.len() < 200 && !name.starts_with(['.', '-', '~']) && !name.ends_with(['.', ' ']), "{name:?}");
    assert!(!name.chars().any(|c| c.is_control() || super::turns(c)), "{name:?}");
}

fn read_back(ran: Ran) -> Vec<Json> {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let read: Json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {:.500}", ran.stdout));
    read.as_array().expect("a list").clone()
}

#[tokio::test]
async fn names_are_read_as_they_are_written() {
    let spec: ExportSpec = serde_json::from_value(json!({"dataset": "spans", "format": "csv"})).expect("a spec");
    let mut headers = Vec::new();
    let mut expected = Vec::new();
    for name in names() {
        // As files are named, and as they would be if somebody let a name through as it came.
        let file = file_name(&name, &spec);
        harmless(&file);
        for (name, kept) in [(&file, file.clone()), (&name, kept(&name))] {
            let header = disposition(name);
            assert!(header.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{header:?}");
            headers.push(header);
            expected.push(kept);
        }
    }
    let folder = scratch("names");
    let path = folder.path().join("headers.json");
    std::fs::write(&path, serde_json::to_vec(&headers).expect("JSON")).expect("written");
    let path = path.to_string_lossy();
    let readers =
        [("Node", node("read_names.mjs", &[&path]).await), ("Python", python("read_names.py", &[&path]).await)];
    for (reader, ran) in readers {
        let read = read_back(ran);
        assert_eq!(read.len(), expected.len());
        for ((read, expected), header) in read.iter().zip(&expected).zip(&headers) {
            assert_eq!(read, expected, "{reader} reads {header}");
        }
    }
}

/// A browser saves a few hundred of them.
#[tokio::test]
async fn a_browser_saves_files_under_their_names() {
    let spec: ExportSpec = serde_json::from_value(json!({"dataset": "spans", "format": "csv"})).expect("a spec");
    let mut names: Vec<String> = names().iter().map(|name| file_name(name, &spec)).collect();
    names.sort();
    names.dedup();
    let step = names.len().div_ceil(300);
    let names: Vec<String> = names.into_iter().step_by(step).collect();
    let headers: Vec<String> = names.iter().map(|name| disposition(name)).collect();
    let folder = scratch("names");
    let path = folder.path().join("headers.json");
    std::fs::write(&path, serde_json::to_vec(&headers).expect("JSON")).expect("written");
    let profile = folder.path().join("profile");
    let ran = node("browser.mjs", &["save", &path.to_string_lossy(), &profile.to_string_lossy()]).await;
    let saved = read_back(ran);
    assert_eq!(saved.len(), names.len());
    for (saved, name) in saved.iter().zip(&names) {
        assert_eq!(saved, name);
    }
}
