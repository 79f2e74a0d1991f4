//! Queues: appended, read in windows, followed, never changed; two replicas against a plain list.

use dxos_client::testing::World;
use dxos_client::{ErrorKind, Found, Object, ObjectId, ObjectWrite};

use crate::with_space;

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Message", version = "0.1.0")]
struct Message {
    text: String,
    urgent: bool,
}

fn message(n: usize) -> Message {
    Message {
        text: format!("message {n}"),
        urgent: n.is_multiple_of(7),
    }
}

fn texts(found: &[Found<Message>]) -> Vec<&str> {
    found
        .iter()
        .map(|one| one.value().unwrap().text.as_str())
        .collect()
}

#[test]
fn windows_are_those_of_a_plain_list() {
    with_space(|client, space| async move {
        let queue = space.queue::<Message>(client.new_object_id());
        let other = space.queue::<Message>(client.new_object_id());
        // More than a probe of the planner looks at, so all ways of reading are met.
        let all: Vec<Message> = (0..700).map(message).collect();
        for part in all.chunks(100) {
            queue.append_all(part.to_vec()).await.unwrap();
            other.append(message(10_000)).await.unwrap();
        }
        let model: Vec<&str> = all.iter().rev().map(|one| one.text.as_str()).collect();
        let newest = queue.read().run().await.unwrap();
        assert_eq!(texts(&newest), model[..50]);

        let mut cursor = newest[49].cursor().unwrap();
        let mut at = 50;
        while at < model.len() {
            let older = queue.read().before(cursor).limit(33).run().await.unwrap();
            let end = (at + 33).min(model.len());
            assert_eq!(texts(&older), model[at..end]);
            at = end;
            cursor = older.last().unwrap().cursor().unwrap();
        }
        let none = queue.read().before(cursor).run().await.unwrap();
        assert!(none.is_empty());
        let next = queue.read().after(cursor).limit(10).run().await.unwrap();
        assert_eq!(texts(&next), model[model.len() - 11..model.len() - 1]);
        let between = queue.read().after(cursor).before(next[0].cursor().unwrap());
        assert_eq!(between.run().await.unwrap().len(), 9);

        let urgent = Message::URGENT.eq(true);
        let found = queue
            .read()
            .matching(urgent)
            .limit(200)
            .run()
            .await
            .unwrap();
        let model: Vec<&str> = all
            .iter()
            .rev()
            .filter(|one| one.urgent)
            .map(|one| &one.text[..])
            .collect();
        assert_eq!(texts(&found), model);
        let words = queue.read().matching(Message::all().search("message 699"));
        assert_eq!(texts(&words.run().await.unwrap()), ["message 699"]);
        assert_eq!(other.read().run().await.unwrap().len(), 7);
    });
}

#[test]
fn a_message_is_deleted_and_restored_but_never_changed() {
    with_space(|client, space| async move {
        let queue = space.queue::<Message>(client.new_object_id());
        let ids = queue.append_all((0..3).map(message)).await.unwrap();
        let plain = space.add(message(9)).await.unwrap();
        let first = &queue.read().run().await.unwrap()[2];
        let place = first.cursor().unwrap().to_value();
        let refused = [
            ObjectWrite::set(ids[1], "text", "other"),
            ObjectWrite::remove(ids[1], "text"),
            ObjectWrite::tag(ids[1], "red"),
            ObjectWrite::set_parent(ids[1], Some(ids[0])),
            ObjectWrite::remove(ids[1], "queuePlace"),
            ObjectWrite::set(plain.id(), "queuePlace", place),
        ];
        for write in refused {
            let error = space.write(vec![write]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains("record of a queue"), "{error}");
        }
        queue.delete(ids[1]).await.unwrap();
        let left = queue.read().run().await.unwrap();
        assert_eq!(texts(&left), ["message 2", "message 0"]);
        space.restore(ids[1]).await.unwrap();
        let all = queue.read().run().await.unwrap();
        assert_eq!(texts(&all), ["message 2", "message 1", "message 0"]);
    });
}

#[test]
fn the_tail_tells_what_came_and_went() {
    with_space(|client, space| async move {
        let queue = space.queue::<Message>(client.new_object_id());
        let ids = queue.append_all((0..5).map(message)).await.unwrap();
        let mut tail = queue.read().limit(3).subscribe();
        let first = tail.next().await.unwrap();
        assert_eq!(texts(&first.rows), ["message 4", "message 3", "message 2"]);
        queue.append(message(5)).await.unwrap();
        let diff = tail.next().await.unwrap();
        assert_eq!(
            (&diff.added[..], &diff.removed[..]),
            (&[0][..], &[ids[2]][..])
        );
        queue.delete(ids[4]).await.unwrap();
        // The window fills up again from what is older.
        let wanted = ["message 5", "message 3", "message 2"];
        while texts(tail.rows()) != wanted {
            tail.next().await.unwrap();
        }
    });
}

#[test]
fn two_devices_append_apart_and_read_the_same() {
    let mut world = World::new(2);
    let [ada, bob] = world.peers();
    let [hers, his] = world.shared_space("Home", [&ada, &bob]);
    let chat = ObjectId([5; 16]);
    let (mine, yours) = (hers.queue::<Message>(chat), his.queue::<Message>(chat));
    world.run(mine.append(message(0))).unwrap();
    world.settle();
    world.disconnect(&bob);
    world.run(mine.append_all((1..4).map(message))).unwrap();
    let gone = world.run(yours.append_all((4..7).map(message))).unwrap();
    world.run(yours.delete(gone[1])).unwrap();
    world.connect(&bob);
    world.settle();
    // Seen, so before what is appended now.
    world.run(yours.append(message(7))).unwrap();
    world.run(mine.append(message(8))).unwrap();
    world.settle();

    let left = world.run(mine.read().run()).unwrap();
    let right = world.run(yours.read().run()).unwrap();
    assert_eq!(left, right);
    let order = texts(&left);
    let at = |n: usize| order.iter().position(|text| *text == message(n).text);
    assert_eq!(order.len(), 8);
    assert_eq!(at(5), None);
    for newer_then_older in [[3, 2], [2, 1], [1, 0], [6, 4], [4, 0], [7, 3], [7, 6]] {
        let [newer, older] = newer_then_older.map(|n| at(n).unwrap());
        assert!(newer < older, "{newer_then_older:?} in {order:?}");
    }
}
