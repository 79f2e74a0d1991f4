//! Queues: append-only lists of typed messages, such as a chat's. Read window by window, newest first, and followed.
//!
//! A message is an object with a place in the queue (`dxos_base::queue`), so queries find it too; nodes refuse to change it.
//!
//! Not here: who may append (the space's roles). Deleting the object a queue belongs to leaves its messages.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use dxos_base::limits::QUERY_ROWS_MAX;
use dxos_base::query::{Query, field};
use dxos_base::queue::{PLACE, QueuePlace};
use dxos_base::typed::{Object, TypedQuery};
use dxos_base::{ObjectId, ObjectView, ObjectWrite};

use super::{Error, Found, Rows, Space, Wanted};

/// Messages read at once unless told otherwise.
const WINDOW: u32 = 50;

/// The queue of an object, holding messages of type `M`. Clones are the same queue.
pub struct Queue<M> {
    space: Space,
    id: ObjectId,
    /// Time of the last message this handle and its clones appended.
    last: Rc<Cell<Option<u64>>>,
    of: PhantomData<fn() -> M>,
}

impl<M> Clone for Queue<M> {
    fn clone(&self) -> Self {
        Queue {
            space: self.space.clone(),
            id: self.id,
            last: self.last.clone(),
            of: PhantomData,
        }
    }
}

impl<M> std::fmt::Debug for Queue<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Queue({})", self.id)
    }
}

impl Space {
    /// The queue that belongs to an object. It needs no making: it is there once something is appended.
    pub fn queue<M: Object>(&self, object: ObjectId) -> Queue<M> {
        Queue {
            space: self.clone(),
            id: object,
            last: Rc::default(),
            of: PhantomData,
        }
    }
}

impl<M: Object> Queue<M> {
    /// The object it belongs to.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Appends a message: it stands behind all that are here, whatever the clocks of devices say.
    ///
    /// # Errors
    /// [`Error::Misfits`] when a value does not fit the schema; [`Error::Node`] when the role does not allow it.
    pub async fn append(&self, message: M) -> Result<ObjectId, Error> {
        let ids = self.append_all([message]).await?;
        Ok(ids[0])
    }

    /// Appends messages in order, all or none.
    ///
    /// # Errors
    /// As [`Queue::append`].
    pub async fn append_all(
        &self,
        messages: impl IntoIterator<Item = M>,
    ) -> Result<Vec<ObjectId>, Error> {
        let client = self.space.client();
        client.with_registry(|registry| registry.register(M::schema()))?;
        let mut made = Vec::new();
        for message in messages {
            let values = message.to_values();
            let misfits = M::schema().misfits(&values);
            if !misfits.is_empty() {
                let type_name = M::type_ref().to_string();
                return Err(Error::Misfits { type_name, misfits });
            }
            made.push(values);
        }
        let newest = self.places(1).run().await?;
        let newest = newest.first().and_then(QueuePlace::of);
        // From here to the write nothing waits: messages appended at once by one handle keep their order.
        let seen = newest.map(|place| place.time()).max(self.last.get());
        let mut last = seen;
        let mut ids = Vec::with_capacity(made.len());
        let mut writes = Vec::with_capacity(made.len());
        for mut values in made {
            let id = client.new_object_id();
            let time = QueuePlace::time_after(id.created_ms(), last);
            last = Some(time);
            let place = QueuePlace::new(self.id, time, id);
            values.insert(PLACE.to_owned(), place.to_value());
            writes.push(ObjectWrite::create(id, M::type_ref().to_string(), values));
            ids.push(id);
        }
        self.last.set(last);
        self.space.write(writes).await?;
        Ok(ids)
    }

    /// Deletes a message, restorably ([`Space::restore`]).
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it.
    pub async fn delete(&self, message: ObjectId) -> Result<(), Error> {
        self.space.delete(message).await
    }

    /// The newest messages, to be narrowed down.
    pub fn read(&self) -> QueueWindow<M> {
        QueueWindow {
            queue: self.clone(),
            wanted: None,
            before: None,
            after: None,
            limit: WINDOW,
        }
    }

    /// Places of any type of message, the last first.
    fn places(&self, limit: u32) -> super::Asked<Query> {
        let (from, to) = QueuePlace::ends(self.id);
        let places = field(PLACE).between(from.to_value(), to.to_value());
        let query = Query::from(places).order_by_descending(PLACE).limit(limit);
        self.space.query(query)
    }
}

/// A place in a queue to read on from: that of a message that was read.
pub type QueueCursor = QueuePlace;

impl<M> Found<M> {
    /// Its place in its queue; `None` if it is no message of one.
    pub fn cursor(&self) -> Option<QueueCursor> {
        QueuePlace::of(self.view())
    }
}

/// Messages about to be read; see [`Queue::read`].
#[derive(Debug)]
pub struct QueueWindow<M> {
    queue: Queue<M>,
    wanted: Option<Query>,
    before: Option<QueueCursor>,
    after: Option<QueueCursor>,
    limit: u32,
}

impl<M: Object + Clone + PartialEq> QueueWindow<M> {
    /// Only those that a query would find; its order and window are left behind.
    #[must_use]
    pub fn matching(mut self, query: TypedQuery<M>) -> Self {
        self.wanted = Some(query.into_query());
        self
    }

    /// Only those before a message: the nearest ones, newest first.
    #[must_use]
    pub fn before(mut self, cursor: QueueCursor) -> Self {
        self.before = Some(cursor);
        self
    }

    /// Only those after a message: the nearest ones, newest first.
    #[must_use]
    pub fn after(mut self, cursor: QueueCursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// At most so many; 50 unless told otherwise.
    #[must_use]
    pub fn limit(mut self, messages: u32) -> Self {
        self.limit = messages.clamp(1, QUERY_ROWS_MAX);
        self
    }

    /// Those there are now, newest first.
    ///
    /// # Errors
    /// [`Error::Query`] when the query is over its limits, [`Error::Node`] when the space is not here.
    pub async fn run(self) -> Result<Vec<Found<M>>, Error> {
        let is_forward = self.after.is_some() && self.before.is_none();
        let space = self.queue.space.clone();
        let mut found = space.query(self.messages(is_forward)).run().await?;
        if is_forward {
            found.reverse();
        }
        Ok(found)
    }

    /// The live tail: the newest ones, newest first, and how they change. When it is full, what is appended pushes out
    /// the oldest; [`Queue::read`] with [`QueueWindow::before`] reads on from there. More than fit that came at once
    /// are read with [`QueueWindow::after`].
    pub fn subscribe(self) -> Rows<Messages<M>> {
        let space = self.queue.space.clone();
        space.query(self.messages(false)).subscribe()
    }

    fn messages(self, is_forward: bool) -> Messages<M> {
        let (least, greatest) = QueuePlace::ends(self.queue.id);
        let place = |place: Option<QueuePlace>, end: QueuePlace| place.unwrap_or(end).to_value();
        let (from, to) = (place(self.after, least), place(self.before, greatest));
        let cursors = [self.after, self.before];
        let wanted = self
            .wanted
            .unwrap_or_else(|| TypedQuery::<M>::all().into_query());
        // Ends are included in the index's range, and left out one by one.
        let mut query = Query {
            order: Vec::new(),
            skip: 0,
            ..wanted
        };
        query = query.filter(field(PLACE).between(from, to));
        for cursor in cursors.into_iter().flatten() {
            query = query.filter(field(PLACE).neq(cursor.to_value()));
        }
        query = match is_forward {
            true => query.order_by(PLACE),
            false => query.order_by_descending(PLACE),
        };
        Messages {
            query: query.limit(self.limit),
            of: PhantomData,
        }
    }
}

/// What a window of a queue asks for.
pub struct Messages<M> {
    query: Query,
    of: PhantomData<fn() -> M>,
}

impl<M> std::fmt::Debug for Messages<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Messages").field(&self.query).finish()
    }
}

impl<M: Object + Clone + PartialEq> Wanted for Messages<M> {
    type Row = Found<M>;
    fn into_query(self) -> Query {
        self.query
    }
    fn row(view: &ObjectView) -> Found<M> {
        Found::read(view)
    }
    fn id(row: &Found<M>) -> ObjectId {
        row.id()
    }
}
