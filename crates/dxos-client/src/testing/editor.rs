//! A text on a peer's screen.
//!
//! Invariant: what it shows is changed by own typing and by what the client tells only, so it must always equal what the
//! client says the text is.

use std::cell::RefCell;
use std::rc::Rc;

use dxos_base::TextChange;
use dxos_base::text::{apply, units};
use dxos_base::typed::{Field, Object, Text};
use dxos_services::Failure;

use super::World;
use crate::sdk::ObjectHandle;
use crate::session::{TextSession, TextSink};

/// An open text with hands to type in it; closed when dropped. Made with [`World::open_text`].
pub struct Editor {
    session: TextSession,
    shown: Rc<RefCell<String>>,
    refused: Rc<RefCell<Vec<Failure>>>,
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Editor({:?})", self.shown.borrow())
    }
}

impl World {
    /// Opens a text of an object as an editor does.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn open_text<T: Object>(
        &mut self,
        object: &ObjectHandle<T>,
        field: Field<T, Text>,
    ) -> Editor {
        let (shown, refused): (Rc<RefCell<String>>, Rc<RefCell<Vec<Failure>>>) = Default::default();
        let (screen, refusals) = (shown.clone(), refused.clone());
        let on_delta = move |delta: &Vec<TextChange>| {
            let after = apply(&screen.borrow(), delta);
            screen.replace(after.expect("the client tells changes of what it has told before"));
        };
        let on_refused = move |failure: &Failure| refusals.borrow_mut().push(failure.clone());
        let sink = TextSink::new(on_delta, |_| {}, on_refused);
        let session = self.run(object.open_text(field, sink));
        let session = session.unwrap_or_else(|error| panic!("the text opens: {error}"));
        shown.replace(session.content());
        Editor {
            session,
            shown,
            refused,
        }
    }
}

impl Editor {
    /// The text on the screen.
    ///
    /// # Panics
    /// When the client says that it is another one: a defect of the client.
    pub fn shown(&self) -> String {
        let shown = self.shown.borrow().clone();
        assert_eq!(shown, self.session.content(), "screen and client agree");
        shown
    }

    /// Types: replaces `delete` UTF-16 units from `from` on. Shown at once, sent when the world runs.
    ///
    /// # Panics
    /// When there are not so many, or the text becomes too long.
    pub fn replace(&self, from: u32, delete: u32, insert: &str) {
        let change = vec![TextChange {
            from,
            delete,
            insert: insert.to_owned(),
        }];
        let after = apply(&self.shown.borrow(), &change);
        let after = after.unwrap_or_else(|error| panic!("typing fits the text: {error}"));
        self.shown.replace(after);
        let edited = self.session.edit(change);
        edited.unwrap_or_else(|error| panic!("typing fits the text: {error}"));
    }

    /// Types at the end.
    pub fn append(&self, words: &str) {
        let end = units(&self.shown.borrow());
        self.replace(end, 0, words);
    }

    /// Something typed is not acknowledged yet.
    pub fn saving(&self) -> bool {
        self.session.saving()
    }

    /// What was said about typing that was not saved, in order; emptied by this.
    pub fn take_refusals(&self) -> Vec<Failure> {
        self.refused.take()
    }

    /// The session, for carets and selections.
    pub fn session(&self) -> &TextSession {
        &self.session
    }
}
