//! What fuzzing has found before, read again: cheap, on any machine, without a fuzzer.

use std::fs;
use std::path::Path;

use offtake_fuzz::TARGETS;

/// Every file of every corpus keeps the promises of its target. A target without a corpus would be forgotten.
#[test]
fn every_corpus_keeps_the_promises_of_its_target() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut bytes = 0;
    for (name, target) in TARGETS {
        let files: Vec<_> = fs::read_dir(corpora.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 10, "the corpus of {name} has {} files", files.len());
        for file in files {
            let data = fs::read(&file).unwrap();
            bytes += data.len();
            // A panic does not say which bytes it was.
            println!("{}", file.display());
            target(&data);
        }
    }
    assert!(bytes < 1 << 20, "{bytes} bytes: keep what is kept in the repository small");
}
