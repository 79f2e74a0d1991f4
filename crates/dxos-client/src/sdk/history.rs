//! History and undo: what was written when and by whom, how it was, putting it back.

use dxos_base::history::{HistoryPage, HistoryWindow, Point, Version};
use dxos_base::{ObjectId, limits};
use dxos_services::{Request, Response, UndoMark, UndoneView};

use super::{Error, Space};
use crate::calls::unexpected;

/// What could be undone, and done again, in a scope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UndoLabels {
    /// What the last step is called.
    pub undo: Option<String>,
    /// What the last undone step is called.
    pub redo: Option<String>,
}

impl Space {
    /// The same space, whose writes are steps that can be undone: those of one `scope` (an app, a document) in turn.
    /// `label` is what a person would call the step.
    pub fn undoable(&self, scope: impl Into<String>, label: impl Into<String>) -> Space {
        Space {
            mark: Some(UndoMark {
                scope: scope.into(),
                label: label.into(),
            }),
            ..self.clone()
        }
    }

    /// Undoes this device's last step of a scope; what others changed since is left alone. `None`: nothing to undo.
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it.
    pub async fn undo(&self, scope: &str) -> Result<Option<UndoneView>, Error> {
        self.undo_or_redo(scope, false).await
    }

    /// Does again what was undone last in a scope.
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it.
    pub async fn redo(&self, scope: &str) -> Result<Option<UndoneView>, Error> {
        self.undo_or_redo(scope, true).await
    }

    async fn undo_or_redo(&self, scope: &str, redo: bool) -> Result<Option<UndoneView>, Error> {
        let request = Request::Undo {
            space: self.id,
            scope: scope.to_owned(),
            redo,
        };
        match self.client.call(request).await? {
            Response::Undone(undone) => Ok(undone),
            _ => Err(unexpected().into()),
        }
    }

    /// What could be undone, and done again, in a scope.
    ///
    /// # Errors
    /// [`Error::Node`] when there is no such space.
    pub async fn undo_labels(&self, scope: &str) -> Result<UndoLabels, Error> {
        let request = Request::UndoLabels {
            space: self.id,
            scope: scope.to_owned(),
        };
        match self.client.call(request).await? {
            Response::UndoLabels { undo, redo } => Ok(UndoLabels { undo, redo }),
            _ => Err(unexpected().into()),
        }
    }

    /// Edits of an object, the latest first.
    ///
    /// # Errors
    /// [`Error::Node`] when there is no such space.
    pub async fn history(
        &self,
        object: ObjectId,
        window: HistoryWindow,
    ) -> Result<HistoryPage, Error> {
        let request = Request::History {
            space: self.id,
            object,
            window,
        };
        match self.client.call(request).await? {
            Response::History(page) => Ok(page),
            _ => Err(unexpected().into()),
        }
    }

    /// An object as it was, with its texts; `None` if it was not there yet.
    ///
    /// # Errors
    /// [`Error::Node`] when there is no such space, or a text cannot be read.
    pub async fn version(&self, object: ObjectId, point: Point) -> Result<Option<Version>, Error> {
        let request = Request::Version {
            space: self.id,
            object,
            point,
        };
        match self.client.call(request).await? {
            Response::Version(version) => Ok(version.map(|version| *version)),
            _ => Err(unexpected().into()),
        }
    }

    /// Puts an object back to what it was, its texts too: by writing it anew, so everybody gets it, and it is a part
    /// of the history. One that was not there yet is deleted.
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it, or the object is not here.
    pub async fn restore_object(&self, object: ObjectId, point: Point) -> Result<(), Error> {
        self.restore_some(vec![object], point).await
    }

    /// Puts the whole space back to what it was; gives how many objects were looked at. It is done some objects at a
    /// time: one that fails half way can be done again.
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it.
    pub async fn restore_all(&self, point: Point) -> Result<usize, Error> {
        let mut count = 0;
        // What restoring writes is later than the point too: all are found before the first is changed.
        let mut changed = Vec::new();
        loop {
            let request = Request::ChangedSince {
                space: self.id,
                point: point.clone(),
                after: changed.last().copied(),
            };
            let Response::Ids(ids) = self.client.call(request).await? else {
                return Err(unexpected().into());
            };
            let more = ids.len() == limits::RESTORE_OBJECTS_MAX;
            changed.extend(ids);
            if !more {
                break;
            }
        }
        for objects in changed.chunks(limits::RESTORE_OBJECTS_MAX) {
            self.restore_some(objects.to_vec(), point.clone()).await?;
            count += objects.len();
        }
        Ok(count)
    }

    async fn restore_some(&self, objects: Vec<ObjectId>, point: Point) -> Result<(), Error> {
        let request = Request::Restore {
            space: self.id,
            objects,
            point,
            mark: self.mark.clone(),
        };
        match self.client.call(request).await? {
            Response::Done => Ok(()),
            _ => Err(unexpected().into()),
        }
    }
}
