//! Objects in documents, documents in rows of a SQLite file.

use std::path::Path;

use anyhow::{Result, ensure};
use rusqlite::{Connection, params};

use super::automerge::Automerge;
use super::loro::Loro;
use super::sqlite::Rows;
use super::yrs::Yrs;
use super::{Engine, Figures, tasks};
use crate::Options;
use crate::measure::{quantile, spent};
use crate::space::object;

const OBJECTS: usize = 10_000;
const BATCH: usize = 1_000;
/// Rows of a page, as our views show.
const PAGE: usize = 50;

fn file(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE IF NOT EXISTS doc(rid INTEGER PRIMARY KEY, id BLOB, body BLOB);
         CREATE TABLE IF NOT EXISTS change(n INTEGER PRIMARY KEY, rid INTEGER, body BLOB);",
    )?;
    Ok(connection)
}

/// Makes `count` objects, in batches, each batch one transaction.
fn fill<E: Engine>(connection: &Connection, count: usize) -> Result<()> {
    for (batch, tasks) in tasks(count).chunks(BATCH).enumerate() {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for (n, task) in tasks.iter().enumerate() {
            let n = batch * BATCH + n;
            let mut document = E::create(task, n as u64 + 1)?;
            let body = E::save(&mut document)?;
            connection
                .prepare_cached("INSERT INTO doc(rid, id, body) VALUES(?, ?, ?)")?
                .execute(params![n as i64, object(n).as_bytes(), body])?;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    Ok(())
}

fn created_per_s<E: Engine>(options: &Options) -> Result<f64> {
    let mut rates = Vec::new();
    for _ in 0..options.rounds {
        let dir = tempfile::tempdir()?;
        let connection = file(&dir.path().join("documents.db"))?;
        let (result, took) = spent(|| fill::<E>(&connection, OBJECTS));
        result?;
        rates.push(OBJECTS as f64 / took.cpu);
    }
    Ok(quantile(&mut rates, 0.5))
}

pub(super) fn create(options: &Options) -> Result<Figures> {
    Ok(Figures::from([
        (Automerge::NAME.into(), created_per_s::<Automerge>(options)?),
        (Loro::NAME.into(), created_per_s::<Loro>(options)?),
        (Yrs::NAME.into(), created_per_s::<Yrs>(options)?),
        (Rows::NAME.into(), created_per_s::<Rows>(options)?),
    ]))
}

fn bytes_per_object<E: Engine>() -> Result<f64> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("documents.db");
    let connection = file(&path)?;
    fill::<E>(&connection, OBJECTS)?;
    drop(connection);
    Ok(std::fs::metadata(path)?.len() as f64 / OBJECTS as f64)
}

pub(super) fn disk() -> Result<Figures> {
    Ok(Figures::from([
        (Automerge::NAME.into(), bytes_per_object::<Automerge>()?),
        (Loro::NAME.into(), bytes_per_object::<Loro>()?),
        (Yrs::NAME.into(), bytes_per_object::<Yrs>()?),
        (Rows::NAME.into(), bytes_per_object::<Rows>()?),
    ]))
}

/// One property of one object, its document in memory, until the change is committed.
fn written_us<E: Engine>(options: &Options) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..options.rounds {
        let dir = tempfile::tempdir()?;
        let connection = file(&dir.path().join("documents.db"))?;
        fill::<E>(&connection, 1_000)?;
        let mut documents = load_all::<E>(&connection)?;
        for n in 0..1_000 {
            let at = n * 7 % 1_000;
            let (result, took) = spent(|| -> Result<()> {
                let change = E::set_title(&mut documents[at], &format!("changed {n}"))?;
                connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
                connection
                    .prepare_cached("INSERT INTO change(rid, body) VALUES(?, ?)")?
                    .execute(params![at as i64, change])?;
                connection.prepare_cached("COMMIT")?.execute([])?;
                Ok(())
            });
            result?;
            times.push(took.wall * 1e6);
        }
    }
    Ok(quantile(&mut times, 0.5))
}

pub(super) fn write(options: &Options) -> Result<Figures> {
    Ok(Figures::from([
        (Automerge::NAME.into(), written_us::<Automerge>(options)?),
        (Loro::NAME.into(), written_us::<Loro>(options)?),
        (Yrs::NAME.into(), written_us::<Yrs>(options)?),
        (Rows::NAME.into(), written_us::<Rows>(options)?),
    ]))
}

fn load_all<E: Engine>(connection: &Connection) -> Result<Vec<E::Document>> {
    let mut statement = connection.prepare("SELECT rid, body FROM doc ORDER BY rid")?;
    let mut rows = statement.query([])?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_blob()?;
        documents.push(E::load(body, &[], row.get::<_, i64>(0)? as u64 + 1)?);
    }
    Ok(documents)
}

/// From the closed file to the first rows of the newest open tasks: without an index every document is read.
fn opened_ms<E: Engine>(options: &Options, count: usize) -> Result<f64> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("documents.db");
    fill::<E>(&file(&path)?, count)?;
    let mut times = Vec::new();
    for _ in 0..options.rounds {
        let (page, took) = spent(|| -> Result<usize> {
            let documents = load_all::<E>(&file(&path)?)?;
            let mut open = Vec::new();
            for document in &documents {
                let task = E::read(document)?;
                if !task.done {
                    open.push(task);
                }
            }
            open.sort_by_key(|task| std::cmp::Reverse(task.created));
            open.truncate(PAGE);
            Ok(open.len())
        });
        ensure!(page? == PAGE, "the page is not full");
        times.push(took.cpu * 1e3);
    }
    Ok(quantile(&mut times, 0.5))
}

pub(super) fn open(options: &Options, count: usize) -> Result<Figures> {
    Ok(Figures::from([
        (
            Automerge::NAME.into(),
            opened_ms::<Automerge>(options, count)?,
        ),
        (Loro::NAME.into(), opened_ms::<Loro>(options, count)?),
        (Yrs::NAME.into(), opened_ms::<Yrs>(options, count)?),
        (Rows::NAME.into(), opened_ms::<Rows>(options, count)?),
    ]))
}
