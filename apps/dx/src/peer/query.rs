//! `dx query`: asks the objects of a space, by the JSON form of a query or by a short one of words.
//!
//! Short form: `FIELD=V`, `!=`, `<`, `<=`, `>`, `>=`, `~` (contains) are conditions; `type=NAME`, `tag=TAG`,
//! `order=FIELD` or `order=-FIELD`, `limit=N`, `skip=N`, `deleted=include`, `group=FIELD` are what they say; all other
//! words are searched for, best first.

use dxos_base::Filter;
use dxos_base::query::json::{from_json, value_json};
use dxos_base::query::{
    Access, Comparison, Explain, GroupRow, PropertyPath, Query, TextMode, text_mode,
};
use dxos_base::{SpaceId, Value};
use dxos_client::{QueryAnswer, Row};
use serde_json::{Value as Json, json};

use super::commands::{find_space, identity_of};
use super::failed::{Failed, Kind};
use super::{At, QueryArguments, say};

pub(super) async fn run(at: &At, arguments: QueryArguments) -> Result<(), Failed> {
    identity_of(at).await?;
    let mut query = parse(&arguments.query).map_err(|message| {
        Failed::new(
            Kind::Usage,
            message,
            "dx query --help shows how a query is written.",
        )
    })?;
    let status = at.client.status_with(|status| Some(status.clone())).await;
    let space: SpaceId = match &arguments.space {
        Some(name) => find_space(&status, name)?.space,
        None => {
            query.scope = dxos_base::query::Scope::All;
            match status.spaces.first() {
                Some(view) => view.space,
                None => return Ok(()),
            }
        }
    };
    let answer = at.client.answer(space, query).await?;
    show(&answer, arguments.explain);
    Ok(())
}

fn show(answer: &QueryAnswer, explain: bool) {
    answer.rows.iter().for_each(|row| say(row_line(row)));
    answer
        .groups
        .iter()
        .for_each(|group| say(group_line(group)));
    if explain {
        explained(&answer.explain).iter().for_each(say);
    }
}

fn row_line(row: &Row) -> Json {
    let object = &row.object;
    let mut line = json!({
        "@id": object.object.to_string(),
        "@type": object.type_name,
        "@space": row.space.to_string(),
    });
    if !object.shown {
        line["@deleted"] = json!(true);
    }
    for (name, value) in &object.values {
        line[name] = value_json(value);
    }
    line
}

fn group_line(group: &GroupRow) -> Json {
    let value = |value: &Option<Value>| value.as_ref().map_or(Json::Null, value_json);
    let mut line = json!({ "value": value(&group.value), "count": group.count });
    if !group.figures.is_empty() {
        line["figures"] = group.figures.iter().map(value).collect();
    }
    line
}

fn explained(explain: &Explain) -> Vec<String> {
    let way = |access: &Access| match access {
        Access::Nothing => "nothing can match".to_owned(),
        Access::Ids { count } => format!("{count} objects by id"),
        Access::Index { property } => format!("index over {property}"),
        Access::Order {
            property,
            descending,
        } => {
            let way = if *descending { "backward" } else { "forward" };
            format!("index over {property}, {way}, in the order asked for")
        }
        Access::Text { words } => format!("full text: {words}"),
        Access::Referrers => "what refers to an object".to_owned(),
        Access::Type { name } => format!("all objects of type {name}"),
        Access::All => "all objects".to_owned(),
    };
    let mut lines: Vec<String> = explain
        .access
        .iter()
        .map(|access| format!("-- by {}", way(access)))
        .collect();
    if explain.sorted {
        lines.push("-- sorted afterwards".to_owned());
    }
    lines.push(format!(
        "-- {} index entries and {} objects read, {} given",
        explain.index_entries, explain.examined, explain.returned
    ));
    lines
}

/// A query from the command line.
fn parse(words: &[String]) -> Result<Query, String> {
    let query = match words {
        [json] if json.trim_start().starts_with('{') => {
            let json: Json = serde_json::from_str(json).map_err(|error| error.to_string())?;
            from_json(&json).map_err(|error| error.to_string())?
        }
        words => short(words)?,
    };
    query.check().map_err(|error| error.to_string())?;
    Ok(query)
}

fn short(words: &[String]) -> Result<Query, String> {
    const OPERATORS: [&str; 7] = ["!=", "<=", ">=", "=", "<", ">", "~"];
    let mut query = Query::all();
    let mut searched: Vec<&str> = Vec::new();
    for word in words {
        let found = OPERATORS
            .iter()
            .filter_map(|operator| Some((word.find(operator)?, *operator)))
            .filter(|(at, _)| *at > 0)
            .min_by_key(|(at, operator)| (*at, 2 - operator.len()));
        let Some((at, operator)) = found else {
            searched.push(word);
            continue;
        };
        let (name, given) = (&word[..at], &word[at + operator.len()..]);
        let number = || {
            given
                .parse::<u32>()
                .map_err(|_| format!("{word}: a whole number is expected"))
        };
        query = match (name, operator) {
            ("type", "=") => {
                let json = json!({ "where": { "type": given } });
                let typed = from_json(&json).map_err(|error| error.to_string())?;
                match typed.select {
                    dxos_base::query::Select::Where(filter) => query.filter(filter),
                    _ => query,
                }
            }
            ("tag", "=") => query.filter(Filter::Tag(given.to_owned())),
            ("order", "=") => match given.strip_prefix('-') {
                Some(path) => query.order_by_descending(path),
                None => query.order_by(given),
            },
            ("group", "=") => query.group_by(given),
            ("limit", "=") => query.limit(number()?),
            ("skip", "=") => query.skip(number()?),
            ("deleted", "=") => {
                let json = json!({ "deleted": given });
                let deleted = from_json(&json).map_err(|error| error.to_string())?.deleted;
                query.deleted(deleted)
            }
            _ => query.filter(Filter::Property {
                path: PropertyPath::from(name),
                is: comparison(operator, value(given)),
            }),
        };
    }
    if !searched.is_empty() {
        query = query.filter(text_mode(searched.join(" "), TextMode::Prefix));
        if query.order.is_empty() && query.group.is_none() {
            query = query.by_rank();
        }
    }
    Ok(query)
}

fn comparison(operator: &str, value: Value) -> Comparison {
    match operator {
        "!=" => Comparison::Neq(value),
        "<" => Comparison::Lt(value),
        "<=" => Comparison::Lte(value),
        ">" => Comparison::Gt(value),
        ">=" => Comparison::Gte(value),
        "~" => Comparison::Contains(value),
        _ => Comparison::Eq(value),
    }
}

/// `true`, `false`, `null` and numbers are what they look like, everything else is text; `"5"` is text too.
fn value(given: &str) -> Value {
    match serde_json::from_str::<Json>(given) {
        Ok(Json::Null) => Value::Null,
        Ok(Json::Bool(flag)) => Value::Bool(flag),
        Ok(Json::String(text)) => Value::String(text),
        Ok(Json::Number(number)) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::float(number.as_f64().unwrap_or(f64::NAN)),
        },
        _ => Value::String(given.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use dxos_base::query::json::to_json;

    use super::*;

    #[test]
    fn short_queries_say_what_json_says() {
        let check = |words: &[&str], expected: Json| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(
                parse(&words).map(|query| to_json(&query)),
                Ok(expected),
                "{words:?}"
            );
        };
        check(&[], json!({}));
        check(
            &[
                "type=org.example.Task@^1",
                "done=false",
                "order=-@updated",
                "limit=5",
            ],
            json!({
                "where": { "and": [{ "type": "org.example.Task@>=1.0.0 <2.0.0" }, { "field": "done", "eq": false }] },
                "order": [{ "by": "@updated", "descending": true }], "limit": 5,
            }),
        );
        check(
            &["oat", "mil"],
            json!({ "where": { "text": "oat mil", "mode": "prefix" }, "order": [{ "by": "@rank" }] }),
        );
        check(&["n>=3"], json!({ "where": { "field": "n", "gte": 3 } }));
        check(
            &["n!=3.5"],
            json!({ "where": { "field": "n", "neq": 3.5 } }),
        );
        check(
            &["a/b~x=y"],
            json!({ "where": { "field": "a/b", "contains": "x=y" } }),
        );
        check(
            &["n=\"5\""],
            json!({ "where": { "field": "n", "eq": "5" } }),
        );
        check(
            &["tag=red", "group=status", "deleted=include"],
            json!({ "where": { "tag": "red" }, "group": { "by": "status" }, "deleted": "include" }),
        );
        check(
            &["{\"where\": {\"ids\": []}, \"skip\": 1}"],
            json!({ "where": { "ids": [] }, "skip": 1 }),
        );
        for wrong in ["limit=x", "{\"wher\": 1}", "{", "deleted=no", "type=a@b"] {
            assert!(parse(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
