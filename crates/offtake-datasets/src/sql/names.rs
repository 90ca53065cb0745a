//! The named parameters of a [`Relation`](crate::relation::Relation) in the SQL of Postgres, which has none.

use offtake_model::{Error, ErrorKind, Result};

use super::Sql;

/// Appends `text`, with `:org` and `:cutoff` bound where they stand as names: not in strings, quoted identifiers,
/// comments, casts (`::`) or slices (`[1:org]` is not a name either, as no name follows a word or a bracket).
pub(crate) fn bind(sql: &mut Sql, text: &str, org: &str, cutoff: Option<i64>) -> Result<()> {
    let mut rest = text;
    while let Some(at) = rest.find([':', '\'', '"', '-', '/', '$']) {
        let (before, from) = rest.split_at(at);
        sql.push(before);
        if let Some(name) = name(from, before) {
            match name {
                ":org" => sql.bind_as(org.to_owned().into(), "::text"),
                _ => {
                    let cutoff = cutoff.ok_or_else(|| {
                        Error::new(ErrorKind::Internal, "a statement asks for a cut-off where there is none")
                    })?;
                    sql.bind_as(cutoff.to_string().into(), "::bigint");
                }
            }
            rest = &from[name.len()..];
        } else {
            let (opaque, after) = from.split_at(opaque(from, before).min(from.len()));
            sql.push(opaque);
            rest = after;
        }
    }
    sql.push(rest);
    Ok(())
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

fn name<'t>(from: &'t str, before: &str) -> Option<&'t str> {
    let name = [":org", ":cutoff"].into_iter().find(|name| from.starts_with(name))?;
    let free = !before.ends_with(|last: char| is_word(last) || last == ']');
    let whole = !from[name.len()..].starts_with(is_word);
    (free && whole).then(|| &from[..name.len()])
}

/// How many bytes from here on have no names in them; at least one character.
fn opaque(from: &str, before: &str) -> usize {
    let until = |end: &str, begin: usize| from[begin..].find(end).map_or(from.len(), |at| begin + at + end.len());
    match from.as_bytes() {
        [b'\'', ..] => {
            let marked = before.strip_suffix(['e', 'E']);
            string(from, marked.is_some_and(|before| !before.ends_with(is_word)))
        }
        [b'"', ..] => until("\"", 1),
        [b'-', b'-', ..] => until("\n", 2),
        [b'/', b'*', ..] => comment(from),
        [b':', b':', ..] => 2,
        [b'$', ..] => dollars(from, before),
        _ => 1,
    }
}

/// A string; a doubled quote begins the next one, which is as opaque.
fn string(from: &str, escapes: bool) -> usize {
    let mut escaped = false;
    for (at, byte) in from.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if escapes => escaped = true,
            b'\'' => return at + 1,
            _ => {}
        }
    }
    from.len()
}

/// Comments nest.
fn comment(from: &str) -> usize {
    let (bytes, mut depth, mut at) = (from.as_bytes(), 0_usize, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    from.len()
}

/// `$tag$ … $tag$`
fn dollars(from: &str, before: &str) -> usize {
    let tag = from[1..].find('$').map(|end| &from[..end + 2]);
    match tag {
        Some(tag)
            if !before.ends_with(is_word)
                && tag[1..tag.len() - 1].chars().all(|character| character.is_alphanumeric() || character == '_')
                && !tag[1..].starts_with(|first: char| first.is_ascii_digit()) =>
        {
            from[tag.len()..].find(tag).map_or(from.len(), |at| at + 2 * tag.len())
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bound(text: &str) -> String {
        let mut sql = Sql::default();
        bind(&mut sql, text, "acme", Some(7)).unwrap();
        sql.written(|text, _, value| text.push_str(&format!("<{value:?}>")))
    }

    #[test]
    fn names_are_bound_where_they_are_names() {
        let (org, cutoff) = ("<Text(\"acme\")>::text", "<Text(\"7\")>::bigint");
        assert_eq!(bound("t.org = :org AND n<=:cutoff"), format!("t.org = {org} AND n<={cutoff}"));
        assert_eq!(bound(":org::uuid"), format!("{org}::uuid"));
        for plain in [
            "a::org",
            "':org'",
            "'it''s :org'",
            "E'\\' :org'",
            "\":org\"",
            "-- :org\n",
            "/* /* :org */ :org */",
            "$$ :org $$",
            "$x$ :org $$ $x$",
            "a[1:org]",
            ":organization",
            "x ? 'a' -> 3",
            "'open :org",
        ] {
            assert_eq!(bound(plain), plain);
        }
        assert_eq!(bound("'a' || :org -- :org\n|| $1 || :org"), format!("'a' || {org} -- :org\n|| $1 || {org}"));
    }

    proptest! {
        #[test]
        fn whatever_it_is_nothing_else_changes(text in "[ :orgcutf'\"$/*\\-a1\n🦀]{0,40}") {
            let mut sql = Sql::default();
            bind(&mut sql, &text, "acme", Some(7)).unwrap();
            let written = sql.written(|text, _, value| {
                let org = *value == rusqlite::types::Value::from("acme".to_owned());
                text.push_str(if org { ":org" } else { ":cutoff" });
            });
            prop_assert_eq!(written.replace(":org::text", ":org").replace(":cutoff::bigint", ":cutoff"),
                text.replace(":org::text", ":org").replace(":cutoff::bigint", ":cutoff"));
        }
    }
}
