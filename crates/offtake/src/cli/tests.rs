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
