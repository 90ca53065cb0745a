use super::*;

/// The pages a user reads; a change in them is a change of the product.
#[test]
fn help_of_every_command() {
    let mut command = Cli::command().term_width(100);
    command.build();
    visit(&mut command);
}

fn visit(command: &mut clap::Command) {
    let name = command.get_bin_name().unwrap_or("offtake").replace(' ', "-");
    let help = command.render_long_help().to_string();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(format!("help-{name}"), help);
    });
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        visit(command.find_subcommand_mut(&name).expect("it was listed"));
    }
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_shell_gets_its_completions() {
    use clap::ValueEnum;
    for shell in clap_complete::Shell::value_variants() {
        let mut script = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "offtake", &mut script);
        assert!(String::from_utf8(script).unwrap().contains("import-spans"), "{shell}");
    }
}

/// What `docs/security.md` names as proof is there to be run.
#[test]
fn the_tests_that_show_security_exist() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let page = std::fs::read_to_string(root.join("docs/security.md")).expect("docs/security.md is there");
    let mut code = String::new();
    read_all(&root.join("crates"), &mut code);
    let rows = page.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.rsplit(" | ").next());
    let named = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter(|name| name.contains("::"));
    let mut count = 0;
    for name in named {
        let function = name.rsplit("::").next().expect("a name has an end");
        let (of_its_own, of_a_suite) = (format!("fn {function}("), format!("                {function}\n"));
        assert!(code.contains(&of_its_own) || code.contains(&of_a_suite), "there is no test {name}");
        count += 1;
    }
    assert!(count > 60, "{count} tests are named");
}

fn read_all(folder: &std::path::Path, code: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_all(&path, code);
        } else if path.extension().is_some_and(|end| end == "rs") {
            code.push_str(&std::fs::read_to_string(&path).expect("a file of ours"));
        }
    }
}
