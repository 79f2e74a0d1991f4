//! Queries asked of a space: once, or followed as rows and diffs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use dxos_base::limits::QUERY_ROWS_MAX;
use dxos_base::schema::Misfit;
use dxos_base::typed::{Field, Object, Property, TypedQuery};
use dxos_base::{ObjectId, ObjectView, ObjectWrite, Query};

use super::handle::{changes, checked_value, set_write};
use super::{Error, Space, Watch};

/// What can be asked of a space: a typed query, or any [`Query`].
pub trait Wanted {
    /// What a found object is given as.
    type Row: Clone + PartialEq + 'static;

    /// The query.
    fn into_query(self) -> Query;

    /// A found object.
    fn row(view: &ObjectView) -> Self::Row;

    /// The id of a found object.
    fn id(row: &Self::Row) -> ObjectId;
}

impl Wanted for Query {
    type Row = ObjectView;
    fn into_query(self) -> Query {
        self
    }
    fn row(view: &ObjectView) -> ObjectView {
        view.clone()
    }
    fn id(row: &ObjectView) -> ObjectId {
        row.object
    }
}

impl<T: Object + Clone + PartialEq> Wanted for TypedQuery<T> {
    type Row = Found<T>;
    fn into_query(self) -> Query {
        TypedQuery::into_query(self)
    }
    fn row(view: &ObjectView) -> Found<T> {
        Found::read(view)
    }
    fn id(row: &Found<T>) -> ObjectId {
        row.id()
    }
}

/// A found object: as shown, and as the Rust value it fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<T> {
    view: Rc<ObjectView>,
    value: Result<T, Misfit>,
}

impl<T: Object> Found<T> {
    pub(super) fn read(view: &ObjectView) -> Found<T> {
        Found {
            value: T::from_view(view),
            view: Rc::new(view.clone()),
        }
    }
}

impl<T> Found<T> {
    /// The object's id.
    pub fn id(&self) -> ObjectId {
        self.view.object
    }

    /// The object as shown: raw values, times, state.
    pub fn view(&self) -> &ObjectView {
        &self.view
    }

    /// The Rust value.
    ///
    /// # Errors
    /// The path that does not fit.
    pub fn value(&self) -> Result<&T, &Misfit> {
        self.value.as_ref()
    }

    /// The Rust value, if the object fits.
    pub fn ok(self) -> Option<T> {
        self.value.ok()
    }

    /// The Rust value.
    ///
    /// # Errors
    /// [`Error::Misfits`] with the path that does not fit.
    pub fn into_value(self) -> Result<T, Error> {
        self.value.map_err(|misfit| Error::Misfits {
            type_name: self.view.type_name.clone(),
            misfits: vec![misfit],
        })
    }
}

/// A query about to be asked; see [`Space::query`].
#[derive(Debug, Clone)]
pub struct Asked<W> {
    space: Space,
    wanted: W,
}

impl<W: Wanted> Asked<W> {
    pub(super) fn new(space: Space, wanted: W) -> Self {
        Asked { space, wanted }
    }

    /// The rows now.
    ///
    /// # Errors
    /// [`Error::Query`] when the query is over its limits, [`Error::Node`] when the space is not here.
    pub async fn run(self) -> Result<Vec<W::Row>, Error> {
        let query = self.wanted.into_query();
        query.check()?;
        let views = self.space.client().query(self.space.id(), query).await?;
        Ok(views.iter().map(W::row).collect())
    }

    /// The first row now, if any.
    ///
    /// # Errors
    /// As [`Asked::run`].
    pub async fn first(self) -> Result<Option<W::Row>, Error> {
        let mut query = self.wanted.into_query();
        query.limit = 1;
        query.check()?;
        let views = self.space.client().query(self.space.id(), query).await?;
        Ok(views.first().map(W::row))
    }

    /// The rows now and whenever they change, own writes that are not acknowledged on top. A query over its limits
    /// never gives any.
    pub fn subscribe(self) -> Rows<W> {
        let (client, id) = (self.space.client().clone(), self.space.id());
        let query = self.wanted.into_query();
        let watch = Watch::new(&client, |teller| {
            client.subscribe(id, query, move |views| {
                teller.tell(views.iter().map(W::row).collect())
            })
        });
        Rows { watch, rows: None }
    }

    /// Calls `on_rows` with all rows, now and whenever they change, until the subscription is dropped.
    pub fn on_rows(self, on_rows: impl FnMut(&[W::Row]) + 'static) -> crate::Subscription {
        let (client, id) = (self.space.client(), self.space.id());
        let on_rows = RefCell::new(on_rows);
        client.subscribe(id, self.wanted.into_query(), move |views| {
            let rows: Vec<W::Row> = views.iter().map(W::row).collect();
            on_rows.borrow_mut()(&rows);
        })
    }
}

impl<T: Object + Clone + PartialEq> Asked<TypedQuery<T>> {
    /// Changes all objects found, in one transaction; gives how many there were. Objects that do not fit their type
    /// stay as they are.
    ///
    /// # Errors
    /// As [`Asked::run`] and [`ObjectHandle::update`](super::ObjectHandle::update); nothing was changed.
    pub async fn update(self, mut change: impl FnMut(&mut T)) -> Result<usize, Error> {
        let space = self.space.clone();
        let found = self.all().await?;
        let mut writes = Vec::with_capacity(found.len());
        for object in found.iter().filter(|object| object.value().is_ok()) {
            writes.extend(changes(space.client(), object, &mut change)?);
        }
        space.write(writes).await?;
        Ok(found.len())
    }

    /// Sets one property of all objects found, in one transaction; gives how many there were. Reads none of their values.
    ///
    /// # Errors
    /// As [`Asked::run`] and [`ObjectHandle::set`](super::ObjectHandle::set); nothing was changed.
    pub async fn set<V: Property>(
        self,
        field: Field<T, V>,
        value: impl Into<V>,
    ) -> Result<usize, Error> {
        let space = self.space.clone();
        let value = checked_value(field, value.into())?;
        let found = self.ids().await?;
        let write = |id: &ObjectId| set_write(*id, field, value.clone());
        space.write(found.iter().map(write).collect()).await?;
        Ok(found.len())
    }

    /// All rows, also when they are more than one answer holds.
    async fn all(self) -> Result<Vec<Found<T>>, Error> {
        let (client, id) = (self.space.client(), self.space.id());
        let ask = |query| async move { Ok(client.query(id, query).await?) };
        let views = every(self.wanted.into_query(), ask).await?;
        Ok(views.iter().map(<TypedQuery<T> as Wanted>::row).collect())
    }

    /// Ids of all rows, also when they are more than one answer holds.
    async fn ids(self) -> Result<Vec<ObjectId>, Error> {
        let (client, id) = (self.space.client(), self.space.id());
        let ask = |query| async move { Ok(client.query_ids(id, query).await?) };
        every(self.wanted.into_query(), ask).await
    }

    /// Deletes all objects found, restorably, in one transaction; gives how many there were.
    ///
    /// # Errors
    /// As [`Asked::run`] and [`Space::delete`]; nothing was deleted.
    pub async fn delete(self) -> Result<usize, Error> {
        let space = self.space.clone();
        let found = self.ids().await?;
        let writes = found.iter().copied().map(ObjectWrite::delete);
        space.write(writes.collect()).await?;
        Ok(found.len())
    }
}

/// What a query gives, asked window by window where it has no limit of its own.
async fn every<R, F: Future<Output = Result<Vec<R>, Error>>>(
    mut query: Query,
    ask: impl Fn(Query) -> F,
) -> Result<Vec<R>, Error> {
    let is_limited = query.limit != 0;
    let mut found = Vec::new();
    loop {
        query.check()?;
        let window = ask(query.clone()).await?;
        let is_last = is_limited || window.len() < QUERY_ROWS_MAX as usize;
        found.extend(window);
        if is_last {
            return Ok(found);
        }
        query.skip = query.skip.saturating_add(QUERY_ROWS_MAX);
    }
}

/// The rows of a live query, and how they change; dropping it ends the subscription.
#[must_use = "dropping it ends the subscription at once"]
pub struct Rows<W: Wanted> {
    watch: Watch<Vec<W::Row>>,
    /// `None` until they are told the first time.
    rows: Option<Vec<W::Row>>,
}

impl<W: Wanted> std::fmt::Debug for Rows<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("count", &self.rows().len())
            .finish_non_exhaustive()
    }
}

impl<W: Wanted> Rows<W> {
    /// The next change; the first adds all rows, also when there are none. A slow reader gets several changes as one.
    /// `None`: the client is closed.
    pub async fn next(&mut self) -> Option<Diff<W::Row>> {
        loop {
            let rows = self.watch.next().await?;
            let diff = Diff::between::<W>(self.rows(), &rows);
            let is_first = self.rows.replace(rows).is_none();
            if is_first || !diff.is_empty() {
                return Some(diff);
            }
        }
    }

    /// The rows as last told.
    pub fn rows(&self) -> &[W::Row] {
        self.rows.as_deref().unwrap_or_default()
    }
}

/// How rows changed. A row that changed and stands elsewhere is named in both.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff<R> {
    /// All rows now, in order.
    pub rows: Vec<R>,
    /// Places in `rows` of those that are new.
    pub added: Vec<usize>,
    /// Those that are gone.
    pub removed: Vec<ObjectId>,
    /// Places in `rows` of those whose values are others.
    pub changed: Vec<usize>,
    /// Places in `rows` of the fewest that have to move so that the others keep their order.
    pub moved: Vec<usize>,
}

impl<R: Clone + PartialEq> Diff<R> {
    /// Nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.moved.is_empty()
    }

    fn between<W: Wanted<Row = R>>(before: &[R], after: &[R]) -> Diff<R> {
        let old: BTreeMap<ObjectId, usize> = before
            .iter()
            .enumerate()
            .map(|(at, row)| (W::id(row), at))
            .collect();
        let mut diff = Diff {
            rows: after.to_vec(),
            added: Vec::new(),
            removed: Vec::new(),
            changed: Vec::new(),
            moved: Vec::new(),
        };
        let mut kept: Vec<(usize, usize)> = Vec::new();
        let mut gone = old.clone();
        for (at, row) in after.iter().enumerate() {
            gone.remove(&W::id(row));
            match old.get(&W::id(row)) {
                Some(was) => {
                    kept.push((*was, at));
                    if before[*was] != *row {
                        diff.changed.push(at);
                    }
                }
                None => diff.added.push(at),
            }
        }
        diff.removed = gone.into_keys().collect();
        let standing = longest_rising(&kept.iter().map(|(was, _)| *was).collect::<Vec<_>>());
        let moved = kept
            .iter()
            .enumerate()
            .filter(|(place, _)| !standing[*place]);
        diff.moved = moved.map(|(_, (_, at))| *at).collect();
        diff
    }
}

/// Which numbers belong to a longest rising sequence.
fn longest_rising(numbers: &[usize]) -> Vec<bool> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; numbers.len()];
    for (at, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before[at] = length.checked_sub(1).map(|last| ends[last]);
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut belongs = vec![false; numbers.len()];
    let mut next = ends.last().copied();
    while let Some(at) = next {
        belongs[at] = true;
        next = before[at];
    }
    belongs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(id: u8, value: i64) -> ObjectView {
        let mut view = ObjectView::new(ObjectId([id; 16]), "");
        view.values.insert("n".into(), value.into());
        view
    }

    #[test]
    fn a_diff_tells_the_fewest_moves() {
        let rows = |ids: &[u8]| ids.iter().map(|id| view(*id, 0)).collect::<Vec<_>>();
        let check =
            |before: &[u8], after: &[u8], added: &[usize], removed: &[u8], moved: &[usize]| {
                let diff = Diff::between::<Query>(&rows(before), &rows(after));
                let gone: Vec<_> = removed.iter().map(|id| ObjectId([*id; 16])).collect();
                assert_eq!(
                    (&diff.added[..], &diff.removed[..], &diff.moved[..]),
                    (added, &gone[..], moved)
                );
            };
        check(&[], &[1, 2], &[0, 1], &[], &[]);
        check(&[1, 2, 3], &[1, 3], &[], &[2], &[]);
        check(&[1, 2, 3, 4], &[4, 1, 2, 3], &[], &[], &[0]);
        check(&[1, 2, 3], &[3, 9, 2, 1], &[1], &[], &[0, 2]);
        let mut changed = rows(&[1, 2]);
        changed[1] = view(2, 7);
        let diff = Diff::between::<Query>(&rows(&[1, 2]), &changed);
        assert_eq!((diff.changed, diff.moved), (vec![1], vec![]));
    }
}
