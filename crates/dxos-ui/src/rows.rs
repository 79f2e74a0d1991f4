//! Live queries as signals: one for the list, one for each row, so a changed property draws one cell again.
//!
//! Invariants
//! * the list tells only when rows come, go or move; a row tells only when its value is another;
//! * a query ends with the component that asked, or when it is asked otherwise; what the client tells afterwards
//!   changes nothing.

use dxos_base::query::Group;
use dxos_base::typed::{Field, Object, Property, TypedQuery};
use dxos_base::{ObjectId, ObjectView, Query, SpaceId};
use dxos_client::{Found, Subscription};
use leptos::prelude::*;

use crate::hooks::use_client;
use crate::space::SpaceRef;

/// An object in the answer to a query.
pub struct Row<T: 'static> {
    space: SpaceRef,
    id: ObjectId,
    value: RwSignal<T>,
}

impl<T> Clone for Row<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Row<T> {}

impl<T> PartialEq for Row<T> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.value == other.value
    }
}

impl<T: Object + Clone + PartialEq + Send + Sync> Row<T> {
    /// The object's id: the key of a `<For>`.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Its value; tracked.
    pub fn get(&self) -> T {
        self.value.get()
    }

    /// Its value, whatever view asks.
    pub fn get_untracked(&self) -> T {
        self.value.get_untracked()
    }

    /// A part of its value that tells only when that part is another.
    pub fn part<P: PartialEq + Send + Sync + 'static>(
        &self,
        part: impl Fn(&T) -> P + Send + Sync + 'static,
    ) -> Memo<P> {
        let value = self.value;
        Memo::new(move |_| value.with(&part))
    }

    /// Sets one property; shown at once.
    pub fn set<V: Property + 'static>(&self, field: Field<T, V>, value: impl Into<V> + 'static) {
        self.space.set(self.id, field, value);
    }

    /// Changes it: only what `change` makes other is written.
    pub fn update(&self, change: impl FnOnce(&mut T) + 'static) {
        self.space.update(self.id, change);
    }

    /// Deletes it, restorably.
    pub fn delete(&self) {
        self.space.delete(self.id);
    }
}

/// The rows of a live query.
pub struct Rows<T: 'static> {
    rows: RwSignal<Option<Vec<Row<T>>>>,
}

impl<T> Clone for Rows<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Rows<T> {}

impl<T: Object + Clone + PartialEq + Send + Sync> Rows<T> {
    /// The rows in order; none before the first answer. Tells when rows come, go or move.
    pub fn get(&self) -> Vec<Row<T>> {
        self.rows.get().unwrap_or_default()
    }

    /// Whether the first answer came.
    pub fn is_ready(&self) -> bool {
        self.rows.with(Option::is_some)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.with(|rows| rows.as_ref().map_or(0, Vec::len))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Rows as they are kept between two answers.
struct Kept<T: 'static> {
    rows: Vec<RwSignal<T>>,
    /// Where the row of an object stands among them, by the object.
    places: Vec<(ObjectId, usize)>,
    /// Of rows that went with the last answer: views of theirs may have been there until now.
    gone: Vec<RwSignal<T>>,
    owner: Owner,
}

impl<T: Object + Clone + PartialEq + Send + Sync> Kept<T> {
    fn new() -> Kept<T> {
        Kept {
            rows: Vec::new(),
            places: Vec::new(),
            gone: Vec::new(),
            owner: Owner::current().unwrap_or_default(),
        }
    }

    /// Takes an answer up; gives the rows in order. Objects that do not fit the type are left out.
    fn take(&mut self, space: SpaceRef, found: &[Found<T>]) -> Vec<Row<T>> {
        self.gone.drain(..).for_each(|signal| signal.dispose());
        let before = std::mem::take(&mut self.rows);
        let places = std::mem::take(&mut self.places);
        let mut stays = vec![false; before.len()];
        let mut rows = Vec::with_capacity(found.len());
        for one in found {
            let (id, Ok(new)) = (one.id(), one.value()) else {
                continue;
            };
            let value = match place_of(&places, id) {
                Some(place) => {
                    let value = before[place];
                    stays[place] = true;
                    if value.with_untracked(|old| old != new) {
                        value.set(new.clone());
                    }
                    value
                }
                None => self.owner.with(|| RwSignal::new(new.clone())),
            };
            self.rows.push(value);
            rows.push(Row { space, id, value });
        }
        self.places = places_of(rows.iter().map(|row| row.id).collect());
        let gone = before.into_iter().zip(stays).filter(|(_, stays)| !stays);
        self.gone.extend(gone.map(|(value, _)| value));
        rows
    }
}

/// Where these objects stand in their list, by the object.
fn places_of(objects: Vec<ObjectId>) -> Vec<(ObjectId, usize)> {
    let mut places: Vec<(ObjectId, usize)> = objects.into_iter().zip(0..).collect();
    places.sort_unstable();
    places
}

fn place_of(places: &[(ObjectId, usize)], object: ObjectId) -> Option<usize> {
    let found = places
        .binary_search_by(|(other, _)| other.cmp(&object))
        .ok()?;
    Some(places[found].1)
}

/// Objects of a type, live. `query` is asked again when a signal it reads changes; until the answer the old rows stay.
pub fn use_query<T: Object + Clone + PartialEq + Send + Sync>(
    space: SpaceRef,
    query: impl Fn() -> TypedQuery<T> + 'static,
) -> Rows<T> {
    let rows = RwSignal::new(None);
    let kept = StoredValue::new_local(Kept::new());
    let take = move |found: &[Found<T>]| {
        // The component may be gone: then there is nobody to tell.
        let Some(now) = kept.try_update_value(|kept| kept.take(space, found)) else {
            return;
        };
        let same = rows.try_with_untracked(|before| before.as_ref() == Some(&now));
        if same == Some(false) {
            rows.set(Some(now));
        }
    };
    follow(move || {
        let query = query();
        let space = space.get().ok()?;
        Some(space.query(query).on_rows(take))
    });
    Rows { rows }
}

/// How many objects a query finds, live; `None` until the first answer.
pub fn use_count<T: Object>(
    space: SpaceRef,
    query: impl Fn() -> TypedQuery<T> + 'static,
) -> Signal<Option<u64>> {
    let count = RwSignal::new(None);
    follow(move || {
        let mut query = query().into_query();
        query.group = Some(Group {
            by: None,
            aggregates: Vec::new(),
        });
        let client = space.client().get();
        Some(client.subscribe_rows(space.id(), query, move |found| {
            let all = found.groups.first().map_or(0, |group| group.count);
            if count.try_get_untracked() != Some(Some(all)) {
                let _ = count.try_set(Some(all));
            }
        }))
    });
    count.into()
}

/// One object of a type, live; `None` while it is not there, deleted, or does not fit.
pub fn use_object<T: Object + Clone + PartialEq + Send + Sync>(
    space: SpaceRef,
    object: ObjectId,
) -> Signal<Option<T>> {
    let value = RwSignal::new(None);
    let query = Query::of_ids([object]);
    follow(move || {
        let client = space.client().get();
        Some(client.subscribe(space.id(), query.clone(), move |views| {
            let now = views.first().and_then(|view| T::from_view(view).ok());
            if value.try_with_untracked(|old| *old != now) == Some(true) {
                value.set(now);
            }
        }))
    });
    value.into()
}

/// Rows of any query as shown; `None` until the first answer.
pub fn use_views(space: SpaceId, query: Query) -> Signal<Option<Vec<ObjectView>>> {
    let rows = RwSignal::new(None);
    let client = use_client();
    follow(move || {
        let tell = move |found: &[ObjectView]| drop(rows.try_set(Some(found.to_vec())));
        Some(client.get().subscribe(space, query.clone(), tell))
    });
    rows.into()
}

/// Keeps the subscription that `begin` makes: the next one when a signal it reads changes, none after the component.
fn follow(begin: impl Fn() -> Option<Subscription> + 'static) {
    let held = StoredValue::new_local(None::<Subscription>);
    Effect::new(move |_| {
        let next = begin();
        // The old one ends here, after the new one began.
        drop(held.try_update_value(|held| std::mem::replace(held, next)));
    });
    on_cleanup(move || drop(held.try_update_value(Option::take)));
}
