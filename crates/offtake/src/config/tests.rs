use super::*;

fn merged(file: Option<&str>, environment: &[(&str, &str)], flags: &[FlagSetting]) -> Result<Typed, Error> {
    Typed::merge(file.map(|text| ("offtake.toml", text)), &Environment::of(environment), flags)
}

fn listen(value: &str) -> FlagSetting {
    FlagSetting { key: "server.listen", flag: "--listen", value: value.to_owned() }
}

fn problems(file: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let error = merged(Some(file), environment, &[])
        .and_then(|typed| Config::validate(&typed))
        .expect_err("this configuration is wrong");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    match error.violations() {
        [] => vec![error.detail().to_owned()],
        several => several.iter().map(|violation| violation.detail.clone()).collect(),
    }
}

#[test]
fn the_embedded_default_is_valid_and_complete() {
    let config = Config::validate(&merged(None, &[], &[]).unwrap()).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.worker.keep.as_secs(), 7 * 86_400);
}

#[test]
fn later_layers_win_and_are_named_as_origin() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\nsync_rows = 3\n[worker]\nslots = 7\n";
    let environment = [("OFFTAKE_SERVER__LISTEN", "127.0.0.1:2"), ("OFFTAKE_WORKER__SLOTS", "9")];
    let typed = merged(Some(file), &environment, &[listen("127.0.0.1:3")]).unwrap();
    let config = Config::validate(&typed).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.worker.slots, 9);
    assert_eq!(config.server.sync_rows, 3);
    assert_eq!(typed.origin("server.listen").to_string(), "--listen");
    assert_eq!(typed.origin("worker.slots").to_string(), "OFFTAKE_WORKER__SLOTS");
    assert_eq!(typed.origin("server.sync_rows").to_string(), "offtake.toml");
    assert_eq!(typed.origin("server.public_url").to_string(), "default");
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_the_nearest_known_one() {
    insta::assert_snapshot!(
        problems("[server]\nlisten_on = \"127.0.0.1:1\"\n[worker]\nslot = 1\n[nonsense]\nx = 1\n", &[("OFFTAKE_WORKER__LAESE", "1s")]).join("\n"),
        @r#"
    unknown key server.listen_on (offtake.toml); did you mean server.listen?
    unknown key worker.slot (offtake.toml); did you mean worker.slots?
    unknown key nonsense (offtake.toml); see `offtake config show`
    unknown key worker.laese (OFFTAKE_WORKER__LAESE); did you mean worker.lease?
    "#
    );
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    let file = |origin: &str| format!("[server]\nallowed_origins = [\"{origin}\"]\n");
    for origin in ["https://app.example.org", "http://localhost:3000", "https://[::1]:8443"] {
        let config = Config::validate(&merged(Some(&file(origin)), &[], &[]).unwrap()).unwrap();
        assert_eq!(config.server.allowed_origins, [origin]);
    }
    for origin in [
        "*",
        "null",
        "",
        "https://*.example.org",
        "https://app.example.org/",
        "https://APP.example.org",
        "https://app.example.org:443",
        "ftp://app.example.org",
        "app.example.org",
    ] {
        let said = problems(&file(origin), &[]);
        assert!(said.len() == 1 && said[0].contains("is no origin as browsers send it"), "{origin}: {said:?}");
    }
}

#[test]
fn every_wrong_value_comes_out_at_once_with_its_origin() {
    let file = r#"
        [server]
        listen = "localhost"
        public_url = "ftp://x"
        sync_rows = 99999
        [worker]
        lease = "5s"
        heartbeat = "4s"
        memory_budget = "64"
        [log]
        format = "xml"
        level = "offtake=loud"
        [token]
        secret = "a"
        secret_file = "b"
    "#;
    insta::assert_snapshot!(problems(file, &[("OFFTAKE_JOBS__KEEP", "soon")]).join("\n"), @r#"
    server.listen (offtake.toml): "localhost" will not do: write address and port: 127.0.0.1:8080, [::1]:8080
    server.public_url (offtake.toml): must be an http or https URL without query: https://offtake.example.org
    server.sync_rows (offtake.toml): must be a whole number from 0 to 10000
    token.secret (offtake.toml): token.secret_file is set as well; keep one of the two
    worker.heartbeat (offtake.toml): must be at most half of worker.lease, or one late heartbeat loses the job
    jobs.keep (OFFTAKE_JOBS__KEEP): "soon" is not a duration; write a whole number and a unit: 500ms, 30s, 10m, 1h, 7d
    worker.memory_budget (offtake.toml): "64" is not a size; write a whole number and a unit: 4096B, 512KiB, 64MiB, 2GiB
    log.format (offtake.toml): must be one of text, json, not "xml"
    log.level (offtake.toml): "offtake=loud" will not do: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5
    "#);
}

#[test]
fn wrong_types_and_wrong_toml_are_refused() {
    insta::assert_snapshot!(
        problems("server = 3\n[metrics]\nopen = \"yes\"\n", &[("OFFTAKE_WORKER__SLOTS", "many")]).join("\n"),
        @r#"
    server (offtake.toml) must be of type table, not integer
    metrics.open (offtake.toml) must be of type boolean, not string
    worker.slots (OFFTAKE_WORKER__SLOTS) must be of type integer, not string
    "#
    );
    assert!(problems("[server\n", &[])[0].starts_with("offtake.toml is not TOML: "));
}

#[test]
fn own_tables_keep_their_names_dots_included() {
    let file =
        "[conventions.prices]\n\"gpt-4.1\" = { input = 2.0, output = 8.0 }\n[sources.a]\nurl = \"sqlite:a.db\"\n";
    let typed = merged(Some(file), &[("OFFTAKE_SOURCES__A__URL", "sqlite:b.db")], &[]).unwrap();
    let prices = typed.get("conventions.prices").unwrap().as_table().unwrap();
    assert!(prices.contains_key("gpt-4.1"));
    assert_eq!(typed.get("sources.a.url").unwrap().as_str(), Some("sqlite:b.db"));
    assert_eq!(typed.origin("sources.a.url").to_string(), "OFFTAKE_SOURCES__A__URL");
}

#[test]
fn what_is_shown_has_no_secret_and_is_toml_again() {
    let file = "[token]\nsecret = \"do not print this, it is a secret\"\n[sources.a]\nurl = \"postgres://me:hush@db/x\"\n[conventions.prices]\n\"gpt-4.1\" = { input = 2.0, output = 8.0 }\n";
    let typed = merged(Some(file), &[], &[]).unwrap();
    let shown = show_toml(&typed);
    let again: toml::Table = shown.parse().unwrap();
    assert!(again["conventions"]["prices"].as_table().unwrap().contains_key("gpt-4.1"));
    for text in [shown, show_json(&typed).to_string()] {
        assert!(!text.contains("do not print") && !text.contains("hush"), "{text}");
    }
    let debug = format!("{:?}", Config::validate(&typed).unwrap().token);
    assert!(!debug.contains("do not print"), "{debug}");
}

#[test]
fn the_reference_page_is_the_default() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let page = std::fs::read_to_string(path).expect("docs/configuration.md is there");
    assert!(
        page.contains(typed::DEFAULT),
        "docs/configuration.md must contain crates/offtake/src/config/config.default.toml"
    );
}

#[test]
fn a_bucket_takes_what_is_not_said_from_the_standard_variables() {
    let aws = [
        ("AWS_ACCESS_KEY_ID", "lent"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("AWS_SESSION_TOKEN", "for an hour"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL", "https://s3.example.org"),
    ];
    let file = "[store]\nurl = \"s3://exports/acme/prod\"\nregion = \"eu-west-1\"\n[worker]\npart = \"16MiB\"\n";
    let config = Config::validate(&merged(Some(file), &aws, &[]).unwrap()).unwrap();
    let StoreConfig::S3(settings) = &config.store else { panic!("not a bucket: {:?}", config.store) };
    assert_eq!((settings.bucket.as_str(), settings.prefix.as_str()), ("exports", "acme/prod"));
    assert_eq!((settings.region.as_str(), settings.endpoint.as_deref()), ("eu-west-1", Some("https://s3.example.org")));
    assert_eq!((settings.path_style, settings.part_bytes), (true, 16 << 20));
    let shown = format!("{config:?} {:?}", Environment::of(&aws));
    assert!(!shown.contains("hush") && !shown.contains("for an hour"), "{shown}");
}

#[test]
fn a_bucket_that_cannot_be_meant_is_refused() {
    let file = "[store]\nurl = \"s3://x/../y\"\nendpoint = \"http://minio:9000\"\naccess_key_id = \"a\"\n";
    insta::assert_snapshot!(problems(file, &[("OFFTAKE_STORE__PUBLIC_ENDPOINT", "https://s3.example.org/bucket")]).join("\n"), @"
    store.endpoint (offtake.toml): must begin with https://, or store.allow_http must say aloud that files travel without encryption
    store.public_endpoint (OFFTAKE_STORE__PUBLIC_ENDPOINT): must be scheme, host and port alone: https://s3.example.org
    store.secret_access_key (default): is missing beside the id of the access key
    store.url (offtake.toml): must be s3://bucket or s3://bucket/prefix, or empty for a folder in the data directory
    ");
}

fn issuer(text: &str) -> String {
    let whole = "issuer = \"https://login.example.org\"\naudience = \"offtake\"\nalgorithms = [\"RS256\"]\n\
                 jwks_url = \"https://login.example.org/keys\"\n";
    let named = |line: &&str| !text.lines().any(|other| other.split(' ').next() == line.split(' ').next());
    let rest: Vec<&str> = whole.lines().filter(named).collect();
    format!("[issuers.corp]\n{}\n{text}\n", rest.join("\n"))
}

#[test]
fn an_issuer_has_what_it_needs_and_careful_defaults() {
    let config = Config::validate(&merged(Some(&issuer("")), &[], &[]).unwrap()).unwrap();
    let [corp] = config.issuers.as_slice() else { panic!("{:?}", config.issuers) };
    assert_eq!((corp.name.as_str(), corp.audiences.as_slice()), ("corp", ["offtake".to_owned()].as_slice()));
    assert_eq!(corp.may_grant, offtake_model::permission::Permissions::from_words(["all"]));
    assert_eq!(corp.freshness.refetch_after.as_secs(), 30);
    assert!(matches!(&corp.keys, KeyConfig::JwksUrl(url) if url == "https://login.example.org/keys"));
    for good in [
        "jwks_url = \"http://127.0.0.1:1/keys\"",
        "jwks_url = \"http://[::1]/keys\"",
        "jwks_url = \"http://localhost/keys\"",
        "jwks_url = \"http://login.example.org/keys\"\nallow_http = true",
        "audience = [\"a\", \"b\"]\nmay_grant = [\"exports:read\", \"operator\"]\norg = \"acme\"",
    ] {
        let typed = merged(Some(&issuer(good)), &[], &[]).unwrap();
        assert!(Config::validate(&typed).is_ok(), "{good}");
    }
}

#[test]
fn an_issuer_that_would_let_in_others_is_refused() {
    for (wrong, word) in [
        ("algorithms = []", "must list"),
        ("algorithms = [\"none\"]", "must list"),
        ("algorithms = [\"RS256\", \"HS256\"]", "with public keys"),
        ("algorithms = [\"rs256\"]", "must list"),
        ("secret_file = \"x\"", "only one of them"),
        ("jwks_file = \"x\"", "only one of them"),
        ("jwks_url = \"http://login.example.org/keys\"", "allow_http"),
        ("jwks_url = \"http://127.0.0.1.example.org/keys\"", "allow_http"),
        ("jwks_url = \"http://localhost.example.org/keys\"", "allow_http"),
        ("jwks_url = \"http://0.0.0.0/keys\"", "allow_http"),
        ("jwks_url = \"file:///etc/keys\"", "allow_http"),
        ("jwks_url = \"https://me:hush@login.example.org/keys\"", "user"),
        ("jwks_url = \"keys\"", "URL"),
        ("issuer = \"offtake\"", "Offtake itself"),
        ("issuer = \"\"", "iss"),
        ("audience = []", "aud"),
        ("audience = \"\"", "aud"),
        ("org = \"\"", "organization"),
        ("org = \"acme\"\norg_claim = \"o\"", "keep one"),
        ("sub_claim = \"\"", "name a claim"),
        ("may_grant = [\"everything\"]", "no permission"),
        ("refetch_after = \"0s\"", "must be from"),
        ("keep_keys = \"365d\"", "must be from"),
        ("timeout = \"soon\"", "duration"),
        ("audiences = \"offtake\"", "unknown field"),
    ] {
        let found = problems(&issuer(wrong), &[]).join("\n");
        assert!(found.contains("issuers.corp") && found.contains(word) && !found.contains("hush"), "{wrong}: {found}");
    }
    let twice = issuer("") + &issuer("").replace("corp", "other");
    assert!(problems(&twice, &[]).join("").contains("another issuer"));
    let shared =
        "[issuers.hs]\nissuer = \"x\"\naudience = \"offtake\"\nsecret_file = \"x\"\nalgorithms = [\"RS256\"]\n";
    assert!(problems(shared, &[]).join("").contains("with a secret: HS256"));
}

#[test]
fn issuers_whose_people_could_be_taken_for_each_other_are_told() {
    let three = |corp: &str, partner: &str, lab: &str| {
        let named = |name: &str, more: &str| issuer(more).replace("corp", name).replace("login", name);
        let file = named("corp", corp) + &named("partner", partner) + &named("lab", lab);
        let config = Config::validate(&merged(Some(&file), &[], &[]).unwrap()).unwrap();
        taken_for_each_other(&config.issuers)
    };
    let (acme, b) = ("org = \"acme\"", "sub_prefix = \"b:\"");
    assert_eq!(three("", "", "").len(), 3);
    let one = three("", b, "");
    assert!(
        one.len() == 1 && one[0].contains("issuers.corp and issuers.lab") && one[0].contains("sub_prefix"),
        "{one:?}"
    );
    assert_eq!(three("", b, "sub_prefix = \"c:\""), [""; 0]);
    assert_eq!(three("", b, b).len(), 1, "the same prefix is none");
    assert_eq!(three(acme, "org = \"other\"", b), [""; 0], "they speak for two organizations");
    assert_eq!(three(acme, acme, b).len(), 1);
    assert_eq!(three(acme, "", b).len(), 1, "its tokens may name that organization");
}

#[test]
fn previous_secrets_have_an_end_and_are_not_shown() {
    let file = "[token]\nprevious_secrets = [\"hush one\", \"hush two\"]\n";
    assert!(problems(file, &[]).join("").contains("token.previous_until"));
    let file = format!("{file}previous_until = \"2026-12-01T00:00:00Z\"\n");
    let typed = merged(Some(&file), &[], &[]).unwrap();
    let config = Config::validate(&typed).unwrap();
    assert_eq!(config.token.previous.secrets.len(), 2);
    for text in [show_toml(&typed), show_json(&typed).to_string(), format!("{:?}", config.token)] {
        assert!(text.contains("redacted") && !text.contains("hush"), "{text}");
    }
    assert!(problems("[token]\nprevious_secrets = [1]\n", &[]).join("").contains("list of texts"));
}
