//! Lists and tasks as objects.
//!
//! A task is a child of its list: deleting the list hides its tasks, restoring it brings them back, and what somebody
//! wrote in them meanwhile is there. The list keeps the order, as references that can be moved.

use std::collections::BTreeMap;

use dxos_client::query::{Filter, field};
use dxos_client::{Object, ObjectId, Ref, TypedQuery};

/// Scope of the steps that delete: the message that tells of one takes back the last of them.
pub const DELETIONS: &str = "tasks/deletions";

/// A list of tasks.
#[derive(Object, Clone, Debug, PartialEq)]
#[object(
    type = "org.dxos.type.TaskList",
    version = "0.1.0",
    icon = "ph--list-checks--regular"
)]
pub struct TaskList {
    #[object(label)]
    pub name: String,
    /// The order of its tasks; those not named here come last.
    pub tasks: Vec<Ref<Task>>,
}

/// Something to do. TodoMVC shows the same objects.
#[derive(Object, Clone, Debug, PartialEq)]
#[object(
    type = "org.dxos.type.Task",
    version = "0.1.0",
    icon = "ph--check-circle--regular"
)]
pub struct Task {
    #[object(label)]
    pub title: String,
    #[object(default)]
    pub done: bool,
    /// The identity of the member who does it.
    pub assignee: Option<String>,
    #[object(format = "date")]
    pub due: Option<String>,
}

impl Task {
    /// From what was typed; nothing if that is nothing.
    pub fn typed(text: &str) -> Option<Task> {
        let title = text.trim().to_owned();
        (!title.is_empty()).then_some(Task {
            title,
            done: false,
            assignee: None,
            due: None,
        })
    }

    /// The tasks of a list.
    pub fn of_list(list: ObjectId) -> TypedQuery<Task> {
        TypedQuery::all().filter(Filter::ChildOf {
            parent: list,
            transitive: false,
        })
    }

    /// Tasks that are on no list.
    pub fn loose() -> TypedQuery<Task> {
        TypedQuery::all().filter(!field("@parent").exists())
    }
}

/// Tasks in the order of their list; those it does not name stand last, oldest first.
pub fn in_order<T>(order: &[Ref<Task>], tasks: Vec<T>, id: impl Fn(&T) -> ObjectId) -> Vec<T> {
    let places: BTreeMap<ObjectId, usize> = order
        .iter()
        .enumerate()
        .map(|(place, task)| (task.object(), place))
        .collect();
    let mut tasks = tasks;
    tasks.sort_by_key(|task| {
        let id = id(task);
        (places.get(&id).copied().unwrap_or(usize::MAX), id)
    });
    tasks
}

/// The order after a task moved to a place among those shown.
pub fn moved(shown: &[ObjectId], task: ObjectId, to: usize) -> Vec<Ref<Task>> {
    let mut order: Vec<ObjectId> = shown.iter().copied().filter(|id| *id != task).collect();
    order.insert(to.min(order.len()), task);
    order.into_iter().map(Ref::to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId([n; 16])
    }

    #[test]
    fn the_list_gives_the_order_and_strangers_come_last() {
        let order = [Ref::to(id(3)), Ref::to(id(9)), Ref::to(id(1))];
        let tasks = in_order(&order, vec![id(1), id(2), id(3), id(4)], |id| *id);
        assert_eq!(tasks, [id(3), id(1), id(2), id(4)]);
    }

    #[test]
    fn a_task_moves_to_its_place_and_no_further_than_the_end() {
        let shown = [id(1), id(2), id(3)];
        let after = |task, to| {
            let order = moved(&shown, id(task), to);
            order
                .iter()
                .map(|task| task.object().0[0])
                .collect::<Vec<_>>()
        };
        assert_eq!(after(1, 1), [2, 1, 3]);
        assert_eq!(after(3, 0), [3, 1, 2]);
        assert_eq!(after(1, 99), [2, 3, 1]);
    }
}
