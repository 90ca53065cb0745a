//! The filters of `offtake export`: every long option that the command itself does not know is a filter of the
//! dataset, `--min-cost 0.1` or `--min-cost=0.1`. They are taken out before clap sees the rest.

use std::ffi::OsString;

use clap::Command;

/// Filters as typed, in order: name and value.
pub(crate) type Typed = Vec<(String, String)>;

/// Splits the arguments of `offtake export` into what clap knows and filters; others are left alone.
pub(crate) fn take(command: &Command, arguments: Vec<OsString>) -> (Vec<OsString>, Typed) {
    let Some(export) = command.find_subcommand("export") else { return (arguments, Vec::new()) };
    // Only global flags may stand before the command's name.
    let at = arguments.iter().position(|argument| argument == "export");
    let is_command = at.is_some_and(|at| first_word(command, &arguments) == Some(at));
    let (Some(at), true) = (at, is_command) else { return (arguments, Vec::new()) };

    let mut rest: Vec<OsString> = arguments[..=at].to_vec();
    let mut filters = Vec::new();
    let mut after = arguments[at + 1..].iter().cloned().peekable();
    while let Some(argument) = after.next() {
        if argument == "--" {
            rest.push(argument);
            rest.extend(after);
            break;
        }
        let text = argument.to_string_lossy().into_owned();
        let Some((name, value)) = split(&text).filter(|(name, _)| !knows(export, name)) else {
            let takes_next = split(&text).is_some_and(|(name, value)| value.is_none() && takes_value(export, name));
            let short = text.len() == 2 && text.starts_with('-') && short_takes_value(export, &text);
            rest.push(argument);
            if takes_next || short {
                rest.extend(after.next());
            }
            continue;
        };
        match value {
            Some(value) => filters.push((name.to_owned(), value.to_owned())),
            // A filter has a value, always; one that is missing is left for clap to complain about.
            None => match after.next_if(|next| !is_option(&next.to_string_lossy())) {
                Some(value) => filters.push((name.to_owned(), value.to_string_lossy().into_owned())),
                None => rest.push(argument),
            },
        }
    }
    (rest, filters)
}

/// Where the first word stands that is neither the program, an option nor an option's value.
fn first_word(command: &Command, arguments: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while let Some(argument) = arguments.get(at) {
        let text = argument.to_string_lossy();
        match split(&text) {
            Some((name, None)) if takes_value(command, name) => at += 2,
            Some(_) => at += 1,
            None if text.starts_with('-') => at += 1,
            None => return Some(at),
        }
    }
    None
}

/// `--name=value` or `--name`.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let body = text.strip_prefix("--").filter(|body| !body.is_empty())?;
    Some(body.split_once('=').map_or((body, None), |(name, value)| (name, Some(value))))
}

/// A value may begin with one dash (`-5`), not with two.
fn is_option(text: &str) -> bool {
    text.starts_with("--")
}

fn knows(command: &Command, name: &str) -> bool {
    matches!(name, "help" | "version") || command.get_arguments().any(|known| known.get_long() == Some(name))
}

fn takes_value(command: &Command, name: &str) -> bool {
    command.get_arguments().any(|known| known.get_long() == Some(name) && known.get_action().takes_values())
}

fn short_takes_value(command: &Command, text: &str) -> bool {
    let short = text.chars().nth(1);
    command.get_arguments().any(|known| known.get_short() == short && known.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_up(line: &str) -> (String, Typed) {
        use clap::CommandFactory;
        let mut command = crate::cli::Cli::command();
        command.build();
        let (rest, filters) = take(&command, line.split(' ').map(OsString::from).collect());
        let rest: Vec<String> = rest.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        (rest.join(" "), filters)
    }

    fn pairs(filters: &Typed) -> Vec<(&str, &str)> {
        filters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn unknown_options_of_export_are_filters() {
        let (rest, filters) = split_up(
            "offtake --data-dir d export spans --model gpt-4o --limit 5 --min-cost=0.1 -o --x --model x --json",
        );
        assert_eq!(rest, "offtake --data-dir d export spans --limit 5 -o --x --json");
        assert_eq!(pairs(&filters), [("model", "gpt-4o"), ("min-cost", "0.1"), ("model", "x")]);
    }

    #[test]
    fn a_negative_value_is_a_value_and_a_missing_one_is_left_to_clap() {
        let (_, filters) = split_up("offtake export spans --min-x -5");
        assert_eq!(pairs(&filters), [("min-x", "-5")]);
        let (rest, filters) = split_up("offtake export spans --model --format csv");
        assert_eq!((rest.as_str(), filters.len()), ("offtake export spans --model --format csv", 0));
    }

    #[test]
    fn other_commands_are_left_alone() {
        for line in ["offtake jobs list --export x", "offtake --data-dir export token --org a", "offtake"] {
            assert_eq!(split_up(line), (line.to_owned(), Vec::new()));
        }
    }
}
