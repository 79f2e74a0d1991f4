//! Objects as Rust values.

use std::collections::BTreeSet;

use dxos_client::{Counter, Error, ErrorKind, Flush, Object, Query, Ref, Text, View, ViewField};

use crate::with_space;

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Person", version = "0.1.0")]
struct Person {
    #[object(label)]
    name: String,
    #[object(format = "email")]
    mail: Option<String>,
}

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Task", version = "0.1.0")]
struct Task {
    #[object(label)]
    title: String,
    done: bool,
    assignee: Option<Ref<Person>>,
    notes: Text,
    votes: Counter,
    steps: Vec<String>,
    labels: BTreeSet<String>,
}

fn task(title: &str) -> Task {
    Task {
        title: title.into(),
        done: false,
        assignee: None,
        notes: Text::new("From the shop."),
        votes: Counter(1),
        steps: vec!["go".into(), "pay".into()],
        labels: BTreeSet::new(),
    }
}

#[test]
fn an_object_is_added_read_changed_deleted_and_restored() {
    with_space(|_, space| async move {
        let ada = Person {
            name: "Ada".into(),
            mail: None,
        };
        let ada = space.add(ada).await.unwrap();
        let milk = space.add(task("Buy milk")).await.unwrap();
        assert_eq!(milk.read_text(Task::NOTES).await.unwrap(), "From the shop.");
        let change = |task: &mut Task| {
            task.done = true;
            task.assignee = Some(ada.to_ref());
            task.votes.0 += 2;
            task.steps.insert(1, "look".into());
            task.labels.insert("home".into());
        };
        milk.update(change).await.unwrap();
        let now = milk.value().await.unwrap();
        assert_eq!(
            (now.done, now.votes, now.steps.len()),
            (true, Counter(3), 3)
        );
        let assignee = space.object::<Person>(now.assignee.unwrap().object());
        assert_eq!(assignee.value().await.unwrap().name, "Ada");
        space.flush(Flush::Disk).await.unwrap();
        space.flush(Flush::Saved).await.unwrap();

        milk.delete().await.unwrap();
        let gone = milk.value().await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        assert!(!gone.hint().is_empty());
        milk.restore().await.unwrap();
        assert_eq!(milk.value().await.unwrap(), now);
        assert_eq!(milk.read_text(Task::NOTES).await.unwrap(), "From the shop.");
    });
}

#[test]
fn changes_made_at_once_in_one_object_all_stand() {
    with_space(|_, space| async move {
        let milk = space.add(task("Buy milk")).await.unwrap();
        // Both read the object before either has written.
        let mut stale = milk.value().await.unwrap();
        milk.update(|task| task.votes.0 += 1).await.unwrap();
        milk.update(|task| task.steps.push("home".into()))
            .await
            .unwrap();
        stale.title = "Buy oat milk".into();
        milk.set(Task::TITLE, stale.title).await.unwrap();
        let now = milk.value().await.unwrap();
        assert_eq!(
            (now.title.as_str(), now.votes.0, now.steps.len()),
            ("Buy oat milk", 2, 3)
        );
    });
}

#[test]
fn what_does_not_fit_is_refused_with_its_path_and_nothing_is_written() {
    with_space(|_, space| async move {
        let wrong = Person {
            name: "Bo".into(),
            mail: Some("nowhere".into()),
        };
        let refused = space.add(wrong).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert_eq!(refused.hint(), "Change mail.");
        assert_eq!(space.query(Person::all()).run().await.unwrap().len(), 0);

        let bo = space
            .add(Person {
                name: "Bo".into(),
                mail: None,
            })
            .await
            .unwrap();
        let refused = bo
            .update(|bo| bo.mail = Some("@".into()))
            .await
            .unwrap_err();
        assert!(matches!(refused, Error::Misfits { .. }), "{refused}");
        assert_eq!(bo.value().await.unwrap().mail, None);

        // Another program wrote something else: the reader is told where, and goes on.
        let raw = dxos_client::ObjectWrite::set(bo.id(), "name", 5);
        space.write(vec![raw]).await.unwrap();
        let found = space.query(Person::all()).run().await.unwrap();
        assert_eq!(found[0].value().unwrap_err().path_text(), "name");
        assert_eq!(bo.value().await.unwrap_err().kind(), ErrorKind::Invalid);
    });
}

#[test]
fn a_live_query_tells_rows_and_diffs() {
    with_space(|client, space| async move {
        let query = || Task::filter().done.eq(false).order_by(Task::TITLE);
        let mut open = space.query(query()).subscribe();
        assert_eq!(
            open.next().await.unwrap().rows.len(),
            0,
            "at first there are none"
        );
        let wine = space.add(task("Wine")).await.unwrap();
        let diff = open.next().await.unwrap();
        assert_eq!((diff.added, diff.rows[0].id()), (vec![0], wine.id()));
        let milk = space.add(task("Milk")).await.unwrap();
        let mut diff = open.next().await.unwrap();
        while diff.added.is_empty() {
            diff = open.next().await.unwrap();
        }
        assert_eq!(diff.added, [0], "in order of titles");
        wine.update(|task| task.done = true).await.unwrap();
        while open.rows().len() != 1 {
            open.next().await.unwrap();
        }
        assert_eq!(open.rows()[0].id(), milk.id());
        assert_eq!(
            space.query(query()).first().await.unwrap().unwrap().id(),
            milk.id()
        );
        client.end();
        while let Some(diff) = open.next().await {
            assert_eq!(diff.rows.len(), 1);
        }
    });
}

#[test]
fn one_object_and_one_property_can_be_watched() {
    with_space(|_, space| async move {
        let milk = space.add(task("Milk")).await.unwrap();
        let mut titles = milk.watch_property(Task::TITLE);
        assert_eq!(titles.next().await, Some(Some("Milk".into())));
        let mut whole = milk.watch();
        assert!(whole.next().await.unwrap().is_some());
        milk.update(|task| task.done = true).await.unwrap();
        milk.update(|task| task.title = "Oat milk".into())
            .await
            .unwrap();
        assert_eq!(titles.next().await, Some(Some("Oat milk".into())));
        milk.delete().await.unwrap();
        assert_eq!(titles.next().await, Some(None));
        while whole.next().await.unwrap().is_some() {}
    });
}

#[test]
fn a_view_is_an_object_with_a_query_and_a_projection() {
    with_space(|_, space| async move {
        for title in ["Wine", "Milk"] {
            space.add(task(title)).await.unwrap();
        }
        let query = Query::from(Task::filter().done.eq(false).order_by(Task::TITLE));
        let fields = vec![
            ViewField::new("title"),
            ViewField {
                hidden: true,
                ..ViewField::new("done")
            },
            ViewField::new("absent"),
        ];
        let view = View {
            fields,
            pivot: Some("done".into()),
            ..View::new("To do", &query)
        };
        let stored = space.add(view).await.unwrap().value().await.unwrap();
        assert_eq!(stored.query(), Ok(query));
        let rows = space.query(stored.query().unwrap()).run().await.unwrap();
        let shown: Vec<_> = rows.iter().map(|row| stored.project(row)).collect();
        assert_eq!(
            shown,
            [[Some("Milk".into()), None], [Some("Wine".into()), None]]
        );
        assert_eq!(stored.pivot_of(&rows[0]), Some(false.into()));
        let foreign = View {
            query: "{\"unheard\": 1}".into(),
            ..stored
        };
        assert!(foreign.query().is_err());
    });
}
