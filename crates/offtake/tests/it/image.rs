//! The container image, as far as it can be looked at without an engine: the files it would hold, in a folder, with
//! nothing around them.

use std::path::Path;

use offtake_testkit::{run, scratch};

use crate::support::OFFTAKE;

#[tokio::test(flavor = "multi_thread")]
async fn the_image_holds_all_that_the_binary_needs() {
    let folder = scratch("image");
    let root = folder.path().join("root");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("in the repository");
    let script = repository.join("deploy/image.sh");
    let made = run(&script, &[OFFTAKE, &root.to_string_lossy()], repository).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    for needed in ["usr/bin/offtake", "etc/ssl/certs/ca-certificates.crt", "etc/passwd", "var/lib/offtake", "tmp"] {
        assert!(root.join(needed).exists(), "{needed} is not in the image");
    }
    let root = root.to_string_lossy().into_owned();
    let inside = |arguments: &[&str]| {
        let mut all = vec!["--user", "--map-root-user", "chroot", &root, "/usr/bin/offtake"];
        all.extend(arguments);
        all.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    for arguments in [
        vec!["--version"],
        vec!["config", "check"],
        vec!["token", "--org", "acme", "--sub", "me", "--data-dir", "/var/lib/offtake"],
    ] {
        let all = inside(&arguments);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let ran = run(Path::new("unshare"), &all, folder.path()).await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
    }
}
