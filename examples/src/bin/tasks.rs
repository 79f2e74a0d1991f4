//! A list that draws itself: a live query tells how its rows change while tasks are added, checked and renamed.
//! `tasks DIRECTORY` keeps the profile there.

use anyhow::{Context, Result};
use dxos_client::{Client, Config, Counter, Object, Ref, Rows, TypedQuery};

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Person", version = "0.1.0")]
struct Person {
    #[object(label)]
    name: String,
}

#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.example.Task", version = "0.1.0")]
struct Task {
    #[object(label)]
    title: String,
    done: bool,
    assignee: Option<Ref<Person>>,
    /// Everybody's votes add up, also those given at the same time.
    votes: Counter,
}

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).context("usage: tasks DIRECTORY")?;
    dxos_client::native::run(tasks(&directory))?
}

async fn tasks(directory: &str) -> Result<()> {
    let client = Client::open(Config::default().directory(directory)).await?;
    client.halo().create_identity("Ada").await?;
    let space = client.spaces().create("Garden").await?;

    let open_tasks = Task::filter().done.eq(false).order_by(Task::TITLE);
    let mut list = space.query(open_tasks).subscribe();

    let name = "Ben".to_owned();
    let ben = space.add(Person { name }).await?;
    let rake = space
        .add(task("Rake the leaves", Some(ben.to_ref())))
        .await?;
    let birch = space.add(task("Plant the birch", None)).await?;
    until(&mut list, 2).await?;

    // Each update is diffed into the fewest writes, so what others change in the same task at the same time stays.
    birch.update(|task| task.votes.0 += 1).await?;
    rake.update(|task| task.done = true).await?;
    until(&mut list, 1).await?;

    client.close().await;
    Ok(())
}

fn task(title: &str, assignee: Option<Ref<Person>>) -> Task {
    Task {
        title: title.to_owned(),
        done: false,
        assignee,
        votes: Counter(0),
    }
}

/// Draws the list at every change until it has so many rows.
async fn until(list: &mut Rows<TypedQuery<Task>>, rows: usize) -> Result<()> {
    while list.rows().len() != rows {
        // The difference says what a list on screen has to do; this one is drawn anew.
        let diff = list.next().await.context("the client has ended")?;
        let tasks = diff.rows.iter().filter_map(|row| row.value().ok());
        let titles: Vec<&str> = tasks.map(|task| task.title.as_str()).collect();
        println!("open: {}", titles.join(", "));
    }
    Ok(())
}
