//! The rows that `all_except` leaves out, by the ranges they lie in.
//!
//! A statement carries the identities it leaves out, and the server parses and hashes them all: ten thousand of them cost
//! more than the rows of a range. So it is looked up once where they lie, and each range is told of its own alone.

use offtake_model::Result;
use offtake_model::dataset::ColumnType;
use offtake_model::plan::Plan;
use offtake_model::query::{Chosen, RowQuery};
use offtake_model::selection::Scope;
use offtake_model::value::Value;

use super::Task;
use super::session::Session;

/// So many are not worth a question of their own.
const FEW: usize = 100;

/// For each range the identities of rows that it may have and must not; a row may be named in two that share the first
/// column of its key.
pub(super) type ByRange = Vec<Vec<Vec<Value>>>;

impl Task {
    /// Where the rows lie that are left out. `None` where each range has to be told of all of them.
    pub(super) async fn excluded(&self, session: &Session, plan: &Plan) -> Result<Option<ByRange>> {
        let Chosen::AllExcept(ids) = &self.query.chosen else { return Ok(None) };
        // An excluded row comes back with its trace if another one of it is chosen.
        if ids.len() <= FEW || plan.cuts.len() < 2 || self.query.scope == Scope::Trace || !self.has_plain_order() {
            return Ok(None);
        }
        // Whatever the filters: a row that does not pass them is not met.
        let query =
            RowQuery { predicates: Vec::new(), chosen: Chosen::Only(ids.clone()), ..self.query.as_ref().clone() };
        let only = Self { query: query.into(), ..self.clone() };
        let names: Vec<String> = self.schema.key.iter().take(1).chain(&self.schema.identity).cloned().collect();
        let mut rows = only.rows(session, &only.statements().unordered(&names)?, &self.columns(&names)?, None).await?;
        let mut by_range = vec![Vec::new(); plan.cuts.len()];
        let mut number = 0;
        while let Some(tuple) = rows.next().await? {
            number += 1;
            let cells = rows.decoders.iter_mut().zip(tuple.fields());
            let mut cells = cells.map(|(decoder, field)| decoder.key(field, number));
            let Some(first) = cells.next().transpose()? else { continue };
            let id = cells.collect::<Result<Vec<Value>>>()?;
            for range in ranges_with(&first, plan) {
                by_range[range].push(id.clone());
            }
        }
        Ok(Some(by_range))
    }

    /// Whether values of the key's first column are ordered here as they are in the database.
    fn has_plain_order(&self) -> bool {
        let first = self.schema.key.first().and_then(|name| self.schema.column(name));
        first.is_some_and(|column| matches!(column.ty, ColumnType::Int64 | ColumnType::Timestamp | ColumnType::Date))
    }
}

/// The ranges that may hold a row whose key begins so.
fn ranges_with(first: &Value, plan: &Plan) -> std::ops::Range<usize> {
    let number = |value: Option<&Value>| match value {
        Some(Value::Int(number) | Value::Timestamp(number)) => Some(*number),
        Some(Value::Date(day)) => Some(i64::from(*day)),
        _ => None,
    };
    let first = number(Some(first));
    let from = plan.cuts.partition_point(|cut| number(cut.first()) < first);
    let upto = plan.cuts.partition_point(|cut| number(cut.first()) <= first);
    from..(upto + 1).min(plan.cuts.len())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use offtake_model::as_of::AsOf;

    use super::*;

    #[test]
    fn a_row_is_looked_for_where_it_may_be() {
        let cut = |first: i64, second: i64| vec![Value::Int(first), Value::Int(second)];
        let plan = Plan {
            as_of: AsOf::Snapshot { at: Timestamp::UNIX_EPOCH },
            rows_matching: 10,
            rows_expected: 10,
            frame_rows: 2,
            frame_bytes: u64::MAX,
            range_rows: 2,
            cuts: vec![cut(3, 9), cut(5, 1), cut(5, 4), cut(8, 0), cut(9, 9)],
            row_bytes: 1,
        };
        let ranges = |first: i64| ranges_with(&Value::Int(first), &plan);
        assert_eq!(ranges(0), 0..1);
        assert_eq!(ranges(3), 0..2, "above (3, 9) begins with 3 too");
        assert_eq!(ranges(4), 1..2);
        assert_eq!(ranges(5), 1..4);
        assert_eq!(ranges(9), 4..5);
        assert_eq!(ranges(10), 5..5, "beyond a limit");
    }
}
